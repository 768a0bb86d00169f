/** Other allocators, preloaded: named, summed exactly, and what they cannot tell is null. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Sample } from '../lib/sample.js';
import { type Node, nodes, programs, runForJson } from './plain.js';

const MiB = 1024 * 1024;

interface Preload {
  readonly allocator: string;
  readonly library: string;
  readonly debianPackage: string;
  /** mimalloc counts what it committed, but in release builds not what is in use. */
  readonly knowsInUse: boolean;
}

const preloads: readonly Preload[] = [
  { allocator: 'jemalloc', library: 'libjemalloc.so.2', debianPackage: 'libjemalloc2', knowsInUse: true },
  {
    allocator: 'tcmalloc',
    library: 'libtcmalloc_minimal.so.4',
    debianPackage: 'libtcmalloc-minimal4',
    knowsInUse: true,
  },
  { allocator: 'mimalloc', library: 'libmimalloc.so.2.0', debianPackage: 'libmimalloc2.0', knowsInUse: false },
];

interface Run {
  readonly before: Sample;
  readonly after: Sample;
}

/** Distributions with several architectures keep libraries one folder deeper. */
function findLibrary(name: string): string | undefined {
  const folders = ['/usr/lib', '/usr/lib64'];
  for (const entry of readdirSync('/usr/lib', { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name.endsWith('-linux-gnu')) folders.push(join('/usr/lib', entry.name));
  }
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

async function checkPreload(t: Test, node: Node, preload: Preload, library: string) {
  const args = ['--expose-gc', `${programs}/scenarios.cjs`, 'everySecondFreed'];
  const run = await runForJson<Run>(node, args, { env: { LD_PRELOAD: library } });
  for (const { ledger, malloc } of [run.before, run.after]) {
    if (ledger === null || malloc === null) {
      t.fail('Expected a ledger and the allocator');
      return;
    }
    const sum = Object.values(ledger.leafBytes).reduce((total, bytes) => total + bytes, 0);
    t.equal(sum, ledger.rssBytes, 'the leaves sum to RSS');
    t.equal(malloc.allocator, preload.allocator);
    t.equal(malloc.reclaimableBytes, null, 'only glibc tells what a trim would give');
    t.equal(malloc.inUseBytes !== null, preload.knowsInUse);
    for (const name of ['inUseBytes', 'buffersBytes'] as const) {
      t.not(malloc[name], 0, `Expected malloc.${name} to be measured or null, received 0`);
    }
  }
  t.not(run.after.malloc?.retainedBytes, 0, 'what was freed is measured or null');
  // 100 MiB were allocated, and every second block freed.
  const rssGrowth = (run.after.ledger?.rssBytes ?? 0) - (run.before.ledger?.rssBytes ?? 0);
  t.ok(rssGrowth > 60 * MiB && rssGrowth < 130 * MiB, `growth of RSS: ${rssGrowth}`);
  if (preload.knowsInUse) {
    const inUseGrowth = (run.after.malloc?.inUseBytes ?? 0) - (run.before.malloc?.inUseBytes ?? 0);
    t.ok(inUseGrowth > 45 * MiB && inUseGrowth < 63 * MiB, `growth in use: ${inUseGrowth}`);
  }
}

t.jobs = 2;
for (const preload of preloads) {
  const library = findLibrary(preload.library);
  if (library === undefined) {
    t.test(
      preload.allocator,
      { skip: `${preload.library} is missing: apt-get install ${preload.debianPackage}` },
      () => {},
    );
    continue;
  }
  for (const node of nodes) {
    t.test(`${preload.allocator} on Node ${node.major}`, { buffered: true }, (t) =>
      checkPreload(t, node, preload, library),
    );
  }
}
