/** The ledger on real processes: every way of holding memory, on every supported Node. */
import t, { type Test } from 'tap';
import type { LeafBytes, Sample } from '../lib/sample.js';
import { type Node, nodes, programs, runForJson } from './plain.js';

const MiB = 1024 * 1024;

interface Scenario {
  /** The leaves that hold at least 90 % of the growth together; each of them grows. */
  readonly grows?: readonly (keyof LeafBytes)[];
  /** Growth of RSS in MiB: [at least, at most]. */
  readonly rssMiB: readonly [number, number];
  /** What the allocator must say besides. */
  readonly alsoMiB?: {
    readonly [K in 'inUse' | 'retained' | 'untouched']?: readonly [number, number];
  };
}

const scenarios: Readonly<Record<string, Scenario>> = {
  idle: { rssMiB: [-2, 5] },

  jsHeap: { grows: ['v8Heap'], rssMiB: [190, 260] },
  compiledFunctions: { grows: ['v8Heap', 'v8Code', 'v8Other', 'malloc'], rssMiB: [5, 80] },
  externalStrings: { grows: ['malloc'], rssMiB: [200, 290] },

  buffers: { grows: ['malloc'], rssMiB: [195, 230], alsoMiB: { inUse: [195, 215] } },
  buffers64K: { grows: ['malloc'], rssMiB: [195, 230], alsoMiB: { inUse: [195, 215] } },
  smallTypedArrays: { grows: ['malloc', 'v8Heap'], rssMiB: [160, 280] },
  untouchedUnsafe: { rssMiB: [0, 12], alsoMiB: { untouched: [180, 215] } },
  untouchedZeroed: { rssMiB: [0, 12], alsoMiB: { untouched: [180, 215] } },
  sharedArrayBuffer: { grows: ['malloc'], rssMiB: [195, 215], alsoMiB: { inUse: [195, 215] } },
  resizableArrayBuffer: { grows: ['resizableBuffers'], rssMiB: [195, 215] },
  growableSharedArrayBuffer: { grows: ['resizableBuffers'], rssMiB: [195, 215] },
  externalBuffers: { grows: ['malloc'], rssMiB: [98, 115], alsoMiB: { inUse: [98, 110] } },
  wrappedDeclared: { grows: ['malloc'], rssMiB: [98, 115], alsoMiB: { inUse: [98, 110] } },

  wasmOne: { grows: ['wasm'], rssMiB: [195, 215] },
  wasmMany: { grows: ['wasm'], rssMiB: [195, 215] },

  nativeSmall: { grows: ['malloc'], rssMiB: [195, 230], alsoMiB: { inUse: [195, 215] } },
  nativeBig: { grows: ['malloc'], rssMiB: [195, 230], alsoMiB: { inUse: [195, 215] } },
  everySecondFreed: {
    grows: ['malloc'],
    rssMiB: [195, 230],
    alsoMiB: { inUse: [95, 115], retained: [90, 110] },
  },
  allButTopFreed: {
    grows: ['malloc'],
    rssMiB: [190, 230],
    alsoMiB: { inUse: [-5, 10], retained: [190, 215] },
  },
  threadsKeepSome: { grows: ['malloc'], rssMiB: [170, 220], alsoMiB: { retained: [160, 215] } },
  threadsKeepNone: { rssMiB: [-2, 15] },
  /** Nobody but the addon knows of its mmap, and the ledger does not guess. */
  addonMaps: { grows: ['unattributed'], rssMiB: [98, 110] },

  mappedFile: { grows: ['files'], rssMiB: [145, 160] },

  zlibCalls: { grows: ['malloc'], rssMiB: [5, 80] },
  zlibOpenStreams: { grows: ['malloc'], rssMiB: [60, 200] },

  /** Each isolate has a heap, an arena, a stack, and the embedded builtins of Node mapped once more. */
  workers: { grows: ['v8Heap', 'malloc', 'files', 'stacks'], rssMiB: [150, 700] },
  workersGone: { grows: ['malloc'], rssMiB: [5, 120] },
};

interface Run {
  readonly before: Sample;
  readonly after: Sample;
}

function within(t: Test, name: string, bytes: number | null, [low, high]: readonly [number, number]) {
  const text = `${name} to be ${low} to ${high} MiB, received ${bytes === null ? null : (bytes / MiB).toFixed(1)}`;
  t.ok(bytes !== null && bytes >= low * MiB && bytes <= high * MiB, `Expected ${text}`);
}

function growth(run: Run, read: (sample: Sample) => number | null | undefined): number | null {
  const before = read(run.before);
  const after = read(run.after);
  return before == null || after == null ? null : after - before;
}

function checkScenario(t: Test, name: string, scenario: Scenario, run: Run) {
  for (const sample of [run.before, run.after]) {
    const ledger = sample.ledger;
    if (ledger === null) {
      t.fail(`Expected ${name} to have a ledger`);
      return;
    }
    const leaves = Object.values(ledger.leafBytes);
    t.equal(
      leaves.reduce((sum, bytes) => sum + bytes, 0),
      ledger.rssBytes,
      'the leaves sum to RSS',
    );
    t.ok(leaves.every((bytes) => Number.isInteger(bytes) && bytes >= 0));
    if (name === 'addonMaps' && sample === run.after) continue;
    const allowedBytes = Math.max(0.005 * ledger.rssBytes, 1.5 * MiB);
    t.ok(
      ledger.leafBytes.unattributed <= allowedBytes,
      `Expected at most ${allowedBytes} unattributed, received ${ledger.leafBytes.unattributed}`,
    );
  }

  const rssGrowth = growth(run, (sample) => sample.ledger?.rssBytes) ?? 0;
  within(t, 'growth of RSS', rssGrowth, scenario.rssMiB);
  if (scenario.grows !== undefined) {
    const grown = scenario.grows.map((leaf) => growth(run, (sample) => sample.ledger?.leafBytes[leaf]) ?? 0);
    t.ok(
      grown.every((bytes) => bytes > 0),
      `Expected each of ${scenario.grows} to grow, received ${grown}`,
    );
    const share = grown.reduce((sum, bytes) => sum + bytes, 0) / rssGrowth;
    t.ok(share >= 0.9, `Expected ${scenario.grows} to hold 90 % of the growth, received ${share}`);
  }

  const also = scenario.alsoMiB ?? {};
  if (also.inUse)
    within(
      t,
      'growth in use',
      growth(run, (sample) => sample.malloc?.inUseBytes),
      also.inUse,
    );
  if (also.retained)
    within(
      t,
      'retained',
      growth(run, (sample) => sample.malloc?.retainedBytes),
      also.retained,
    );
  if (also.untouched)
    within(
      t,
      'untouched',
      growth(run, (sample) => sample.malloc?.untouchedBytes),
      also.untouched,
    );
}

async function checkOn(t: Test, node: Node, name: string, scenario: Scenario) {
  const run = await runForJson<Run>(node, ['--expose-gc', `${programs}/scenarios.cjs`, name]);
  checkScenario(t, name, scenario, run);
}

t.jobs = 2;
for (const [name, scenario] of Object.entries(scenarios)) {
  for (const node of nodes) {
    t.test(`${name} on Node ${node.major}`, { buffered: true }, (t) => checkOn(t, node, name, scenario));
  }
}
