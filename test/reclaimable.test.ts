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
  'zlibCalls',
  'workersGone',
];

t.jobs = 2;
for (const name of scenarios) {
  for (const node of nodes) {
    t.test(`${name} on Node ${node.major}`, { buffered: true }, async (t) => {
      const args = ['--expose-gc', `${programs}/scenarios.cjs`, name, '--trim'];
      const { after, trimmed } = await runForJson<Run>(node, args);
      if (after.ledger === null || trimmed.ledger === null || after.malloc === null) {
        t.fail('Expected a ledger and the allocator');
        return;
      }
      const givenBackBytes = after.ledger.rssBytes - trimmed.ledger.rssBytes;
      const estimateBytes = after.malloc.reclaimableBytes;
      const allowedBytes = Math.max(0.15 * givenBackBytes, 2 * MiB);
      const text = `Expected ${givenBackBytes} ± ${allowedBytes} reclaimable, received ${estimateBytes}`;
      t.ok(estimateBytes !== null && Math.abs(estimateBytes - givenBackBytes) <= allowedBytes, text);
    });
  }
}
