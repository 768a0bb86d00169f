/** Programs in which all objects inherit a property: they meet with extmem what they meet without. */
import { join } from 'node:path';
import { test } from 'tap';
import { nodes, programs, root, runForJson } from './plain.js';

const program = join(programs, 'inherited.cjs');

for (const node of nodes) {
  for (const when of ['before', 'after']) {
    test(`node ${node.major}: inherited ${when} the start`, async (t) => {
      const plain = await runForJson<Record<string, unknown>>(node, [program, root, 'without', when]);
      const watched = await runForJson<Record<string, unknown>>(node, [program, root, 'with', when]);
      t.ok(plain.restored === true && Object.keys(plain).length > 10);
      t.same(watched, plain);
    });
  }
}
