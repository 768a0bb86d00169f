/** Code of the host that extmem calls and that throws: its error reaches the host, and the session goes on. */
import { join } from 'node:path';
import { test } from 'tap';
import { type Node, nodes, programs, root, runForJson } from './plain.js';

const program = join(programs, 'throwing-host.cjs');
const oldest = nodes[0] as Node;

for (const node of nodes) {
  test(`node ${node.major}: a listener that throws on each sample stops no pass`, async (t) => {
    const healthy = await runForJson(node, [program, root, 'quiet']);
    t.same(healthy, { isSeen: true, wereThrown: false });
    const failing = await runForJson(node, [program, root, 'loud']);
    t.same(failing, { isSeen: true, wereThrown: true });
  });
}

test('each event is told though the listener of another threw, and no error is lost', async (t) => {
  const { caught, told, thrown } = await runForJson<{ caught: string; told: string[]; thrown: string[] }>(oldest, [
    program,
    root,
    'events',
  ]);
  t.equal(caught, 'of sample', 'to the caller, as from any emitter');
  t.same(told.slice(0, 2), ['sample', 'alert']);
  t.ok(thrown.includes('of alert'));
  t.ok(thrown.includes('of the channel of sample') && thrown.includes('of the channel of alert'));
});

test('a stop that fails in code of the host leaves room for the next session', async (t) => {
  t.same(await runForJson(oldest, [program, root, 'stop']), { caught: 'of the stream', isNext: true });
});
