/**
 * Everything that is nasty to a hook, with every allocation sampled: nothing crashes, nothing hangs, and no free that
 * passes a patched object is missed. EXTMEM_TORTURE_ROUNDS=300 makes it a million samples a Node and more.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, run } from './plain.js';

const program = join(programs, 'torture.cjs');
const rounds = process.env.EXTMEM_TORTURE_ROUNDS ?? '12';
const variants: readonly { readonly flags: readonly string[]; readonly modes: readonly string[] }[] = [
  { flags: [], modes: [] },
  { flags: ['--jitless'], modes: [] },
  { flags: ['--interpreted-frames-native-stack'], modes: [] },
  { flags: ['--inspect=0'], modes: ['debugged'] },
  { flags: ['--always-sparkplug'], modes: [] },
  { flags: ['--stress-compaction'], modes: [] },
];
const libraries = '/usr/lib/x86_64-linux-gnu';
/** mimalloc aborts where operator new should throw, hooks or not: that part is left out. */
const preloads: Readonly<Record<string, readonly string[]>> = {
  'libjemalloc.so.2': [],
  'libtcmalloc_minimal.so.4': [],
  'libmimalloc.so.2': ['noThrow'],
};

interface Counters {
  readonly missing: string | null;
  readonly samples: number;
  readonly overwritten: number;
}

/** V8 prints to stdout too, not always whole lines: scripts that a dying worker did not get compiled, warnings. */
const countersOf = (stdout: string) => JSON.parse(/\{"node":.*\}$/m.exec(stdout)?.[0] ?? '{}') as Counters;

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    for (const { flags, modes } of variants) {
      t.test([...flags, ...modes].join(' ') || 'no flags', async (t) => {
        const ended = await run(node.path, [...flags, program, rounds, ...modes]);
        t.equal(ended.code, 0, ended.stderr);
        const counters = countersOf(ended.stdout);
        t.equal(counters.missing, null);
        t.ok(counters.samples > 100_000);
        t.equal(counters.overwritten, 0, 'no address was used again while its block counted as live');
      });
    }
    for (const [name, modes] of Object.entries(preloads)) {
      const path = join(libraries, name);
      t.test(`preloaded ${name}`, { skip: existsSync(path) ? false : `${path} is not installed` }, async (t) => {
        const ended = await run(node.path, [program, rounds, ...modes], { env: { LD_PRELOAD: path } });
        t.equal(ended.code, 0, ended.stderr);
        const counters = countersOf(ended.stdout);
        t.ok(counters.samples > 100_000);
        t.equal(counters.overwritten, 0);
      });
    }
  });
}
