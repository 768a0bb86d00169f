/** Processes that are slow to look at are looked at rarely, and the samples say so. */
import t from 'tap';
import { nodes, programs, runForJson } from './plain.js';

interface Said {
  readonly ledgerAgeMs: number;
  readonly skipped: number;
  /** Of the last value, which is kept. */
  readonly mallocAgeMs: number;
  readonly stopped: string | null;
}

/** A fresh look is seen by an age that falls. */
function countLooks(ages: readonly number[]): number {
  return ages.filter((age, i) => age < (ages[i - 1] ?? Number.POSITIVE_INFINITY)).length;
}

t.jobs = 2;
for (const node of nodes) {
  t.test(`30 000 mappings on Node ${node.major}`, { buffered: true }, async (t) => {
    const said = await runForJson<Said[]>(node, [`${programs}/awkward.cjs`, 'manyMappings']);
    // One pass takes over 100 ms here, and the next is due 200 times as much later: beyond the end of the program.
    t.equal(countLooks(said.map((sample) => sample.ledgerAgeMs)), 1);
    t.ok((said.at(-1)?.skipped ?? 0) > 0, 'passes put off are counted');
  });

  t.test(`1 500 000 free chunks on Node ${node.major}`, { buffered: true }, async (t) => {
    const said = await runForJson<Said[]>(node, [`${programs}/awkward.cjs`, 'manyFreeChunks']);
    t.equal(countLooks(said.map((sample) => sample.mallocAgeMs)), 1, 'the loop is frozen once at most');
    t.match(said.at(-1)?.stopped, /took \d+ ms/);
  });
}
