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
const flagSets: readonly (readonly string[])[] = [
  [],
  ['--jitless'],
  ['--interpreted-frames-native-stack'],
  ['--inspect=0'],
  ['--always-sparkplug'],
  ['--stress-compaction'],
];
const libraries = '/usr/lib/x86_64-linux-gnu';
/** mimalloc aborts where operator new should throw, so it cannot run these programs, hooks or not. */
const preloads = ['libjemalloc.so.2', 'libtcmalloc_minimal.so.4'];

interface Counters {
  readonly missing: string | null;
  readonly samples: number;
}

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    for (const flags of flagSets) {
      t.test(flags.join(' ') || 'no flags', async (t) => {
        const ended = await run(node.path, [...flags, program, rounds]);
        t.equal(ended.code, 0, ended.stderr);
        // Node prints warnings of its own to stdout under some of the flags.
        const counters = JSON.parse(ended.stdout.split('\n').find((line) => line.startsWith('{')) ?? '') as Counters;
        t.equal(counters.missing, null);
        t.ok(counters.samples > 100_000);
      });
    }
    for (const name of preloads) {
      const path = join(libraries, name);
      t.test(`preloaded ${name}`, { skip: existsSync(path) ? false : `${path} is not installed` }, async (t) => {
        const ended = await run(node.path, [program, rounds], { env: { LD_PRELOAD: path } });
        t.equal(ended.code, 0, ended.stderr);
        t.ok((JSON.parse(ended.stdout) as Counters).samples > 100_000);
      });
    }
  });
}
