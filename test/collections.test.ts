/** Collections are counted as V8 tells them, and no turn of the event loop is spent on each, where V8 allows that. */
import { join } from 'node:path';
import t from 'tap';
import type { AfterMajorGc, GcTotals } from '../lib/sample.js';
import { type Node, nodes, programs, runForJson } from './plain.js';

interface Counted {
  observers: number;
  counted: GcTotals;
  told: Pick<GcTotals, 'minorCount' | 'majorCount' | 'pauseMs'>;
  afterMajorGc: AfterMajorGc;
  heapUsedBytes: number;
}

for (const node of nodes) {
  t.test(`Node ${node.major}`, async (t) => {
    const args = ['--expose-gc', join(programs, 'collections.cjs')];
    const { observers, counted, told, afterMajorGc, heapUsedBytes } = await runForJson<Counted>(node, args);
    t.equal(observers, 0, 'nothing is observed through the event loop');
    t.equal(counted.majorCount, 2);
    t.ok(counted.minorCount > 10);
    // A collection that the first sample itself caused is told to the program after it.
    t.ok(Math.abs(counted.minorCount - told.minorCount) <= 2, `${counted.minorCount} beside ${told.minorCount}`);
    t.ok(counted.pauseMs > 0 && told.pauseMs > 0);
    t.ok(Math.abs(afterMajorGc.heapUsedBytes - heapUsedBytes) < 100_000, 'the heap after the last major one');
  });
}

t.test('without the addon', async (t) => {
  const [node] = nodes as [Node];
  const args = ['--no-addons', '--expose-gc', join(programs, 'collections.cjs')];
  const { observers, counted } = await runForJson<Counted>(node, args);
  t.equal(observers, 1);
  t.same(counted.majorCount, 0, 'told with the next turn of the event loop');
});
