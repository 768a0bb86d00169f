/** Libraries that come and go: one that comes back is the same, another one at its address is not. */
import { join } from 'node:path';
import t from 'tap';
import { type Node, nodes, programs, runForJson } from './plain.js';

interface Held {
  readonly stacks: number;
  readonly blocks: number;
}

const reloads = <Value>(node: Node, name: string) => runForJson<Value>(node, [join(programs, 'reloads.cjs'), name]);

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    t.test('one library at 5000 places is one library', async (t) => {
      const same = await reloads<Held & Record<'places' | 'stacksDropped' | 'missedFrees', number>>(node, 'same');
      t.ok(same.places > 4000, `${same.places} places`);
      t.ok(same.stacks >= 1 && same.stacks <= 8, `${same.stacks} stacks: one for each tier of the line that calls`);
      // Each is sampled, whatever its place; the rate falls under so many, and with it what is known of each.
      t.ok(Math.abs(same.blocks / 5000 - 1) < 0.05, `${same.blocks} blocks`);
      t.same([same.stacksDropped, same.missedFrees], [0, 0]);
    });

    t.test('so are its copies, one after the other', async (t) => {
      const { stacks, blocks } = await reloads<Held>(node, 'copies');
      t.ok(stacks >= 1 && stacks <= 8, `${stacks} stacks`);
      t.ok(Math.abs(blocks / 300 - 1) < 0.05, `${blocks} blocks`);
    });

    t.test('and an addon that each worker loads anew', async (t) => {
      const { stacks, blocks } = await reloads<Held>(node, 'workers');
      t.ok(stacks >= 1 && stacks <= 8, `${stacks} stacks`);
      t.ok(Math.abs(blocks / 20 - 1) < 0.05, `${blocks} blocks`);
    });

    t.test('another one at the same address is never taken for it', async (t) => {
      const { shared, first, second } = await reloads<Record<'shared' | 'first' | 'second', number>>(node, 'others');
      t.ok(shared > 10, `${shared} of 20 times at one address`);
      t.same([Math.round(first), Math.round(second)], [20, 20]);
    });
  });
}
