/** What a session adds to samples for the judge, and what it makes of the answers; in plain processes of each Node. */
import t, { test } from 'tap';
import { LoadCounter } from '../lib/process/load.js';
import { nodes, root, runForJson } from './plain.js';

test("the program's own measure of load wins over requests; nothing counted is unknown", async (t) => {
  const load = new LoadCounter();
  t.strictSame(load.take(), { requests: null });
  load.add(3);
  load.add(Number.NaN);
  load.add(-1);
  t.strictSame(load.take(), { requests: 3 });
  t.strictSame(load.take(), { requests: 0 }, 'idle, which is known now');
  load.stop();
});

t.jobs = 4;

const counted = `
  const { Worker } = require('node:worker_threads');
  const http = require('node:http');
  const { once } = require('node:events');
  const channels = require('node:diagnostics_channel');
  const { start } = require(${JSON.stringify(root)});
  (async () => {
    const session = start({ interval: '1h', destination: 'none' });
    const before = session.sample();
    const workers = [1, 2].map(() => new Worker('setInterval(() => {}, 1000)', { eval: true }));
    await Promise.all(workers.map((worker) => once(worker, 'online')));
    const server = http.createServer((_, response) => response.end()).listen(0);
    await once(server, 'listening');
    for (let i = 0; i < 5; i++) await (await fetch('http://localhost:' + server.address().port)).text();
    const during = session.sample();
    await workers[0].terminate();
    const after = session.sample();
    session.stop();
    const subscribed = channels.hasSubscribers('http.server.request.start') || channels.hasSubscribers('worker_threads');
    const all = [before, during, after].map((sample) => [sample.process.workers, sample.load.requests]);
    process.stdout.write(JSON.stringify({ all, subscribed }) + '\\n', () => process.exit());
  })();`;

/** Leaks objects until the verdict; the events, the channels and the inspector on the way. */
const suspected = `
  const channels = require('node:diagnostics_channel');
  const { start } = require(${JSON.stringify(root)});
  const session = start({ interval: 100, destination: 'none' });
  const published = [];
  channels.subscribe('extmem:verdict', ({ id }) => published.push(id));
  const events = [];
  let firstSites = null;
  let samples = 0;
  session.on('sample', (sample) => {
    samples++;
    if (sample.sites?.some((site) => site.heap === 'js-heap')) firstSites ??= samples;
    if (samples === 240 || events.some(({ id, state }) => id === 'js-heap' && state === 'found')) process.stdout.write(JSON.stringify({ events, published, firstSites }) + '\\n', () => process.exit());
  });
  session.on('verdict', ({ id, state, suspects }) => {
    events.push({ id, state, site: suspects[0]?.site ?? null });
  });
  const kept = [];
  function keepRow(i) {
    kept.push({ i, row: new Array(250).fill(i) });
  }
  setInterval(() => { for (let i = 0; i < 40; i++) keepRow(i); }, 20);`;

for (const node of nodes) {
  test(`Node ${node.major}: workers and requests are counted while a session runs`, async (t) => {
    const { all, subscribed } = await runForJson<{ all: unknown; subscribed: boolean }>(node, ['-e', counted]);
    t.strictSame(all, [
      [0, null],
      [2, 5],
      [1, 0],
    ]);
    t.equal(subscribed, false, 'nothing stays behind');
  });

  test(`Node ${node.major}: a growing heap is sampled on suspicion only, and the culprit is named`, async (t) => {
    const { events, published, firstSites } = await runForJson<{
      events: { id: string; state: string; site: string | null }[];
      published: string[];
      firstSites: number;
    }>(node, ['-e', suspected]);
    const heap = events.find(({ id, state }) => id === 'js-heap' && state === 'found');
    // V8's profiler sees physical frames: a function that was inlined counts as its caller.
    t.match(heap?.site, /^(keepRow|\(anonymous\)) \(\[eval\]:/);
    t.strictSame(
      published,
      events.map(({ id }) => id),
    );
    t.ok(firstSites > 63, `no profiler before the first evaluation: ${firstSites}`);
  });
}
