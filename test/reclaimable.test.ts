/** What the sample calls reclaimable is what malloc_trim(0) then gives back. */
import t from 'tap';
import type { Sample } from '../lib/sample.js';
import { nodes, programs, runForJson } from './plain.js';

const MiB = 1024 * 1024;

interface Run {
  readonly after: Sample;
  readonly trimmed: Sample;
}

/** Holes too small to trim, whole arenas, tops, and what Node's own threads and workers leave behind. */
const scenarios = [
  'everySecondFreed',
  'allButTopFreed',
  'threadsKeepSome',
  'threadsKeepBig',
  'mixedThirdFreed',
  'mixedHalfFreed',
  'zlibFlood',
  'workersGone',
];

/**
 * Reading a file of more than 128 KiB, ours or another, has glibc take larger blocks from its arenas than before. Pinned,
 * the scenarios are the same whatever was read: tables of zlib, of which pages stay untouched, are mapped.
 */
const env = { MALLOC_MMAP_THRESHOLD_: String(128 * 1024) };

t.jobs = 2;
for (const name of scenarios) {
  for (const node of nodes) {
    t.test(`${name} on Node ${node.major}`, { buffered: true }, async (t) => {
      const args = ['--expose-gc', `${programs}/scenarios.cjs`, name, '--trim'];
      const { after, trimmed } = await runForJson<Run>(node, args, { env });
      const predictedBytes = after.malloc?.reclaimableBytes ?? Number.NaN;
      const givenBytes = (after.ledger?.rssBytes ?? Number.NaN) - (trimmed.ledger?.rssBytes ?? Number.NaN);
      const toleranceBytes = Math.max(0.15 * givenBytes, 2 * MiB);
      const text = `Expected ${givenBytes} ± ${toleranceBytes} reclaimable, received ${predictedBytes}`;
      t.ok(Math.abs(predictedBytes - givenBytes) <= toleranceBytes, text);
    });
  }
}
