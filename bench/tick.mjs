// What the ticks of a session at default options take of the main thread of a service, seen from outside: the CPU that
// the kernel charges to the thread from a moment before a tick to a moment before the service's next work. So all is in
// it that a tick leaves behind: wake-ups, microtasks, completions, garbage, the write of the line, a pulse of the streams.
// Beside it, twice, the same without a session: the difference is ours, and that between the two is noise. A yardstick is
// Node's own counters of memory and a line with them, by hand.
//
// Cold is as in a service with 10 s between two ticks: in between it parses, sorts, hashes, compresses and walks over
// 32 MiB. Warm is an idle one, every 50 ms. A tick is cut into pieces between which the event loop turns; the longest
// piece of each, by the session's own account in wall time, is what a request may have to wait for. What the host sees of
// that is asked of a loop that turns without a pause: how long its turns take, with a session and without one in turns.
// What a tick allocates is the growth of a heap that is too large to be collected meanwhile.
//
//   npm run build && node bench/tick.mjs          (of the Node that runs it; 200 ticks a row)
import { createHash } from 'node:crypto';
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { deflateSync } from 'node:zlib';
import { start } from 'extmem';
import { main, median, quantile, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const intervalMs = 50;
const ticks = 200;
/** These compile. */
const ticksBefore = 20;
const polledRounds = 3;
const polledMs = 3000;

const documents = Array.from({ length: 40 }, (_, id) => ({ id, name: `name ${id}`, tags: ['a', 'b', `c${id}`] }));
const text = Buffer.from(JSON.stringify(documents));
const touched = new Float64Array(4 * 2 ** 20);

function serve() {
  for (let i = 0; i < touched.length; i += 8) touched[i] += i;
  for (let k = 0; k < 10; k++) {
    JSON.parse(JSON.stringify(documents))
      .map((each) => ({ ...each, name: each.name.replace(/\d+/, (digits) => String(digits + k)).toUpperCase() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    createHash('sha256').update(text).digest('hex');
    deflateSync(text);
    new URL(`http://localhost/a?b=${k}`).searchParams.get('b');
    structuredClone(documents[k]);
  }
}

let written = 0;

/** What a line of this size cannot cost less than: memoryUsage, the heap and its spaces, and their JSON. */
function byHand(line) {
  const { rss, arrayBuffers } = process.memoryUsage();
  const { used_heap_size } = getHeapStatistics();
  written += JSON.stringify({ ...line, rss, arrayBuffers, used_heap_size, spaces: getHeapSpaceStatistics() }).length;
}

/** Turns of a loop that has nothing to do but to turn. */
async function poll(mode, destination) {
  if (mode === 'on') start({ interval: intervalMs, destination });
  await sleep(intervalMs * ticksBefore);
  const turns = createHistogram();
  let [over150us, over1ms] = [0, 0];
  const startedMs = performance.now();
  await new Promise((resolve) => {
    let beforeMs = startedMs;
    const turn = () => {
      const nowMs = performance.now();
      const tookMs = nowMs - beforeMs;
      turns.record(Math.max(1, Math.round(tookMs * 1e6)));
      if (tookMs > 0.15) over150us++;
      if (tookMs > 1) over1ms++;
      beforeMs = nowMs;
      if (nowMs - startedMs < polledMs) setImmediate(turn);
      else resolve();
    };
    setImmediate(turn);
  });
  report({ p9999Us: turns.percentile(99.99) / 1000, maxUs: turns.max / 1000, over150us, over1ms });
}

async function allocate(mode, destination) {
  if (mode === 'on') start({ interval: intervalMs, destination });
  await sleep(intervalMs * ticksBefore);
  const before = process.memoryUsage().heapUsed;
  await sleep(intervalMs * ticks);
  report({ bytesPerTick: (process.memoryUsage().heapUsed - before) / ticks });
}

async function child(mode, pace, destination) {
  if (pace === 'polled') return poll(mode, destination);
  if (pace === 'allocated') return allocate(mode, destination);
  const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`);
  const bytes = Buffer.alloc(96);
  // As of when the thread slept last, which is before whoever asks woke up.
  const cpuUs = () => Number.parseInt(bytes.latin1Slice(0, readSync(schedstat, bytes, 0, 96, 0)), 10) / 1000;
  const longestUs = [];
  let line = null;
  if (mode === 'byHand') {
    const session = start({ interval: '1h', destination: 'none' });
    line = session.sample();
    session.stop();
  }
  const startedMs = performance.now();
  if (mode === 'on') {
    start({ interval: intervalMs, destination }).on('sample', ({ cost }) => longestUs.push(cost.longestUs));
  }
  const tickUs = [];
  let turn = 0;
  let beforeUs = 0;
  const inMs = (phaseMs) => Math.max(1, startedMs + intervalMs * turn + phaseMs - performance.now());
  await new Promise((resolve) => {
    const work = () => {
      const us = cpuUs() - beforeUs;
      if (turn++ > ticksBefore) tickUs.push(us);
      if (tickUs.length === ticks) return resolve();
      if (pace === 'cold') serve();
      // The pass of the next tick begins at the beat, and ends some milliseconds later.
      setTimeout(() => {
        beforeUs = cpuUs();
        if (line !== null) setTimeout(() => byHand(line), 5);
      }, 2);
      setTimeout(work, inMs(15));
    };
    setTimeout(work, inMs(15));
  });
  report({ tickUs, longestUs: longestUs.slice(ticksBefore).filter((us) => us !== null), written });
}

export async function bench() {
  const directory = mkdtempSync(join(tmpdir(), 'extmem-bench-'));
  const rows = [];
  try {
    for (const pace of ['cold', 'warm']) {
      const run = (mode) => trial(file, [mode, pace, join(directory, 'lines.ndjson')]);
      const [off, on, same, hand] = [await run('off'), await run('on'), await run('off'), await run('byHand')];
      const spread = (us, baseUs = 0) =>
        `${[0.5, 0.99, 1].map((q) => Math.round(quantile(us, q) - baseUs)).join(' / ')} µs`;
      const baseUs = quantile([...off.tickUs, ...same.tickUs], 0.5);
      rows.push(
        { what: `${pace}: main thread per tick, CPU, p50 / p99 / max`, value: spread(on.tickUs, baseUs) },
        { what: '… its longest piece, wall', value: spread(on.longestUs), goal: '≤ 150 µs, none over 1 ms' },
        { what: '… without a session', value: spread(off.tickUs, baseUs) },
        { what: '… without a session, again', value: spread(same.tickUs, baseUs) },
        { what: "… the yardstick: Node's own counters and a line, by hand", value: spread(hand.tickUs, baseUs) },
      );
    }
    const destination = join(directory, 'lines.ndjson');
    const polled = { off: [], on: [], again: [] };
    for (let round = 0; round < polledRounds; round++) {
      for (const [name, results] of Object.entries(polled)) {
        results.push(await trial(file, [name === 'on' ? 'on' : 'off', 'polled', destination]));
      }
    }
    const each = (of) =>
      Object.entries(polled)
        .map(([name, results]) => `${name} ${Math.round(median(results.map(of)) * 10) / 10}`)
        .join(', ');
    const seconds = polledMs / 1000;
    const ticksIn = polledMs / intervalMs;
    rows.push(
      { what: 'a turn of the polling loop, p99.99', value: `${each((result) => result.p9999Us)} µs` },
      { what: '… longest', value: `${each((result) => result.maxUs)} µs` },
      {
        what: `… longer than 150 µs in a second (${ticksIn / seconds} ticks)`,
        value: each((result) => result.over150us / seconds),
      },
      { what: '… longer than 1 ms', value: each((result) => result.over1ms / seconds) },
    );
    // Large enough for all that is allocated.
    const flags = ['--min-semi-space-size=64', '--max-semi-space-size=64'];
    const bytesOf = async (mode) => (await trial(file, [mode, 'allocated', destination], { flags })).bytesPerTick;
    const bytes = { off: await bytesOf('off'), on: await bytesOf('on'), again: await bytesOf('off') };
    const kilobytes = Object.entries(bytes).map(([name, count]) => `${name} ${(count / 1000).toFixed(1)}`);
    rows.push({ what: 'allocated on the JS heap per tick', value: `${kilobytes.join(', ')} kB` });
  } finally {
    rmSync(directory, { recursive: true });
  }
  return rows;
}

await main(import.meta.url, bench, child);
