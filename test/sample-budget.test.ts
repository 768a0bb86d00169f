/** Samples get rarer by the CPU time that the process takes, not by the clock, and stand for as much as before. */
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, runForJson } from './plain.js';

interface Outcome {
  times: number;
  liveBytes: number;
  liveBytesError: number;
  trueBytes: number;
}

for (const node of nodes) {
  t.test(`Node ${node.major}`, async (t) => {
    const run = (rounds: number) => runForJson<Outcome>(node, [join(programs, 'sample-budget.cjs'), String(rounds)]);
    const few = await run(1);
    t.equal(few.times, 1, 'within the budget nothing changes');
    const many = await run(5);
    t.ok(many.times > 1, 'seconds that were slept through do not count');
    const off = Math.abs(many.liveBytes - many.trueBytes);
    t.ok(off < many.trueBytes / 15, `${many.liveBytes} ± ${many.liveBytesError} estimated, ${many.trueBytes} held`);
  });
}
