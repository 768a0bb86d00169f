/** The native profiler on plain processes of every Node: leaks are named, hooks come and go, refusals are sentences. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, root, run } from './plain.js';

const leaks = join(programs, 'native-leaks.cjs');
const cases = join(programs, 'hook-cases.cjs');
const lines = readFileSync(leaks, 'utf8').split('\n');
interface SiteRow {
  readonly site: string;
  readonly module: string | null;
  readonly liveBytes: number;
  readonly liveBytesRange: readonly [number, number];
  readonly frames: readonly { readonly function: string }[];
}

/** The call that must stand in the line of source that is named, and the module that must be blamed. */
const named: Readonly<Record<string, readonly [call: string, module: string]>> = {
  secureContext: ['createSecureContext(', 'node'],
  zlib: ['createGzip(', 'node'],
  cipher: ['createCipheriv(', 'node'],
  sqlite: ['.prepare(', 'node'],
  externalString: ["toString('latin1')", 'node'],
  wasm: ['.grow(', 'node'],
  wasmFromBefore: ['.grow(', 'node'],
  buffers: ['allocUnsafeSlow(', 'node'],
  addon: ["addon('leak').allocate(", 'leak.node'],
  stripped: ["addon('stripped').allocate(", 'stripped.node'],
  frameless: ["addon('frameless').allocate(", 'frameless.node'],
  mapped: ["addon('leak').map(", 'leak.node'],
};
/** Bytes, where the program knows them. */
const truths: Readonly<Record<string, number>> = {
  externalString: 40 * 2_000_003,
  wasm: 100 * 4 * 65_536,
  wasmFromBefore: 100 * 4 * 65_536,
  mapped: 30 << 20,
};

interface Held {
  readonly bytes: number;
  readonly blocks: number;
}

async function result<Value>(node: string, name: string, flags: readonly string[] = []): Promise<Value> {
  const ended = await run(node, [...flags, cases, name]);
  if (ended.code !== 0) throw new Error(`${name} ended with ${ended.code ?? ended.signal}: ${ended.stderr}`);
  return JSON.parse(ended.stdout) as Value;
}

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    for (const [name, [call, module]] of Object.entries(named)) {
      if (name === 'sqlite' && node.major === 20) continue; // node:sqlite came with Node 22
      t.test(`names the leak: ${name}`, async (t) => {
        const ended = await run(node.path, ['--no-warnings', leaks, name]);
        const rows = JSON.parse(ended.stdout) as SiteRow[];
        const [first] = rows;
        const line = /\(test\/programs\/native-leaks\.cjs:(\d+):\d+\)$/.exec(first?.site ?? '')?.[1];
        t.match(lines[Number(line) - 1], call, `${first?.site}`);
        t.equal(first?.module, module);
        const truth = truths[name];
        // Large ones are exact; samples of small ones of the same line come on top, 32 KiB each or more on a busy machine,
        // where the mean is raised: as many as the stated error explains are let pass, and six.
        // On a busy machine the time of a sample may end before it comes to the line.
        const unread = rows.find(({ site }) => site === '(stack not read to its end)');
        const liveBytes = (first?.liveBytes ?? 0) + (unread?.liveBytes ?? 0);
        const excessBytes = liveBytes - (truth ?? 0);
        const [low, high] = first?.liveBytesRange ?? [0, 0];
        const heapPageBytes = 262_144; // V8 may map one for the same call
        const letPassBytes = 6.5 * 32_768 + 2 * (high - low) + heapPageBytes;
        if (truth !== undefined) t.ok(excessBytes >= 0 && excessBytes < letPassBytes, `${liveBytes}`);
        if (name === 'addon') t.equal(first?.frames[0]?.function, 'LeakyThumbnail(unsigned long)');
      });
    }

    t.test('nothing is patched and nothing recorded when it is off', async (t) => {
      t.same(await result(node.path, 'off'), {
        samples: 0,
        tracked: 0,
        refused: 0,
        overwritten: 0,
        slots: 0,
        capabilities: { nativeProfile: 'sampleBytes is 0', javascriptStacks: 'sampleBytes is 0' },
        numbers: null,
      });
    });

    t.test('no free is lost: what racing threads hold is known to the byte', async (t) => {
      const exact = await result<Record<'samples' | 'overwritten', number> & Record<'truth' | 'held' | 'left', Held>>(
        node.path,
        'exact',
      );
      t.ok(exact.samples > 1_000_000, `${exact.samples}`);
      t.equal(exact.overwritten, 0);
      t.ok(exact.truth.blocks > 10);
      t.same(exact.held, exact.truth);
      t.same(exact.left, { bytes: 0, blocks: 0 });
    });

    t.test('another profiler that came after us and stays: we stop all the same', async (t) => {
      const { second, ...rest } = await result<Record<string, unknown>>(node.path, 'wrappedAfterUs');
      t.same(rest, {
        started: null,
        patched: true,
        whileWrapped: true,
        inert: true,
        stillCalled: true,
        third: null,
        restored: true,
      });
      t.match(second, /^the allocator is already intercepted by .*wrapper\.node: two cannot share it$/);
    });

    t.test('full tables: bytes stay known, their places do not', async (t) => {
      const full = await result<Record<string, number>>(node.path, 'fullTables');
      t.equal(full.stacks, 8191);
      t.ok((full.stacksDropped ?? 0) > 0);
      // The report itself allocates too, from places that are not kept either.
      for (const share of [full.grown ?? 0, full.notKept ?? 0]) t.ok(share > 0.98 && share < 1.5, `${share}`);
      t.equal(full.missedFrees, 0);
    });

    t.test('places that hold nothing any more make room', async (t) => {
      const { stacksDropped, grown, share, site } = await result<{
        stacksDropped: number;
        grown: number;
        share: number;
        site: string;
      }>(node.path, 'placesThatGo', ['--expose-gc']);
      t.equal(stacksDropped, 0);
      t.ok(grown < 1.2, `own memory grew ${grown} times`);
      t.match(site, /^lastPlace /);
      t.ok(share > 0.98 && share < 1.3, `${share}`);
    });

    t.test('at most 8 MiB of its own while 2 GiB are live', async (t) => {
      const own = await result<Record<'liveBytes' | 'tracked' | 'ownBytes', number>>(node.path, 'ownMemory');
      t.ok(own.liveBytes > 1.9e9, `${own.liveBytes}`);
      t.ok(own.tracked > 3000, `${own.tracked}`);
      t.ok(own.ownBytes > 0 && own.ownBytes <= 8e6, `${own.ownBytes}`);
    });

    t.test('starts and stops a thousand times while threads allocate', async (t) => {
      t.same(await result(node.path, 'startStop'), { statuses: ['installed'], works: true });
    });

    t.test('a second copy of the addon is refused and told who is first', async (t) => {
      const { first, second, after } = await result<Record<string, string | null>>(node.path, 'twoCopies');
      t.equal(first, null);
      t.match(second, /^the allocator is already intercepted by .*extmem\.node: two cannot share it$/);
      t.equal(after, null, 'free again when the first has stopped');
    });

    t.test('a sandbox that forbids mprotect: the profiler does not exist, and says so', async (t) => {
      const denied = await result<Record<string, unknown>>(node.path, 'denied');
      t.match(denied.unavailable, /^neither \/proc\/self\/mem nor process_vm_writev may write/);
      t.same([denied.samples, denied.tracked, denied.numbers], [0, 0, null]);
      const { samples, ...deniedFile } = await result<Record<string, unknown>>(node.path, 'deniedFile');
      t.same(deniedFile, { unavailable: null, changed: true, restored: true });
      t.ok(Number(samples) > 100);
    });

    t.test('what a sandbox or an auditor takes away is told by its own name', async (t) => {
      const denied = await result<Record<string, unknown>>(node.path, 'deniedReads');
      t.match(denied.javascriptStacks, /^process_vm_readv is forbidden/);
      t.same([denied.nativeProfile, denied.sampled], [true, true]);
      const auditor = join(root, 'test', 'torture-addon', 'build', 'Release', 'auditor.so');
      const audited = await run(node.path, [cases, 'capabilities'], { env: { LD_AUDIT: auditor } });
      t.match(JSON.parse(audited.stdout).nativeProfile, /LD_AUDIT/, audited.stderr);
      const plain = await result<Record<string, unknown>>(node.path, 'capabilities');
      t.same(plain, { nativeProfile: true, javascriptStacks: true });
    });

    t.test('a sample needs little of the stack of a thread', async (t) => {
      const { plain, unsampled, sampled } = await result<Record<string, number>>(node.path, 'stackBytes');
      t.ok(Number(unsampled) <= Number(plain) + 128, `${unsampled} bytes`);
      t.ok(Number(sampled) > Number(unsampled) + 256, 'it was sampled');
      t.ok(Number(sampled) <= 1400, `${sampled} bytes`);
    });

    t.test('a worker that owns the profiler is killed', async (t) => {
      t.same(await result(node.path, 'ownerKilled'), { during: 'running', after: 'installed' });
    });

    t.test('out of memory ends the process as ever', async (t) => {
      const ended = await run(node.path, ['--max-old-space-size=30', cases, 'outOfMemory']);
      t.equal(ended.signal, 'SIGABRT');
      t.match(ended.stderr, /heap out of memory/);
    });
  });
}

t.test('the addon of the tests is built', async (t) => {
  t.ok(existsSync(join(root, 'test', 'torture-addon', 'build', 'Release', 'torture.node')));
});
