/** Active timers and resources, counted by type. */
import { test } from 'tap';
import { nodes, root, runForJson } from './plain.js';

const source = `
  const { ResourceCounter } = require(${JSON.stringify(`${root}/dist/process/resources.js`)});
  const timers = Array.from({ length: 5 }, () => setInterval(() => {}, 1e8));
  setInterval(() => {}, 1e8).unref();
  const server = require('node:net').createServer().listen(0, () => {
    const counter = new ResourceCounter();
    const before = counter.count(0);
    for (const timer of timers) clearInterval(timer);
    const later = counter.count(1e9);
    console.log(JSON.stringify({ before, later }));
    server.close();
    process.exit();
  });`;

interface Run {
  readonly before: { readonly timers: number; readonly byType: Readonly<Record<string, number>> };
  readonly later: { readonly timers: number };
}

for (const node of nodes) {
  test(`node ${node.major}: active resources`, async (t) => {
    const { before, later } = await runForJson<Run>(node, ['-e', source]);
    t.equal(before.timers, 5, 'timers that keep the process running, without the unref’d one');
    t.equal(before.byType.TCPServerWrap, 1, 'the server');
    t.equal(later.timers, 0, 'cleared timers are gone');
  });
}
