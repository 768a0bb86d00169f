/** Decoded JavaScript frames against Error.stack at the same places, over compilers and Nodes. */
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, run, runForJson } from './plain.js';

const program = join(programs, 'accuracy.cjs');
/** Flags that hold code in one tier, and how often each scenario runs before it is looked at. */
const tiers: Readonly<Record<string, readonly [flags: readonly string[], warm: number]>> = {
  interpreter: [['--no-opt', '--no-sparkplug', '--no-maglev'], 0],
  baseline: [['--always-sparkplug', '--no-opt', '--no-maglev'], 50],
  maglev: [['--maglev', '--no-turbofan'], 5000],
  turbofan: [['--no-maglev'], 30_000],
  default: [[], 20_000],
};

interface Counts {
  readonly frames: number;
  readonly names: number;
  readonly lines: number;
  readonly columns: number;
  readonly wrong: readonly string[];
}

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    for (const [tier, [flags, warm]] of Object.entries(tiers)) {
      const ended = await run(node.path, [...flags, program, String(warm)]);
      t.equal(ended.code, 0, ended.stderr);
      const counts = JSON.parse(ended.stdout) as Counts;
      t.ok(counts.frames > 250, `${tier}: ${counts.frames} frames are compared`);
      t.equal(counts.names, counts.frames, `${tier}: all names, ${counts.wrong.join('; ')}`);
      t.equal(counts.lines, counts.frames, `${tier}: all lines, ${counts.wrong.join('; ')}`);
    }
  });

  t.test(`node ${node.major}: names that only their owner can read are left out`, async (t) => {
    const flags = ['--expose-gc', '--expose-externalize-string'];
    const names = await runForJson<string[]>(node, [...flags, join(programs, 'external-names.cjs')]);
    t.same(names, ['/external/long-enough.js', '']);
  });
}
