// What one tick of the sampler costs the main thread, at 50 MB and at 2 GB of RSS.
//
// Two independent figures: the session's own account of each tick, and the CPU time that the kernel charges to the main
// thread, from which a run without a session, but with the same timer, is subtracted.
//
// Between two ticks the caches go cold, so a tick costs many times what the same code costs in a loop. Thus there are two
// more figures: the same tick again and again, and a yardstick that is as cold: Node's own counters of memory and a line
// with them, by hand, at the same pace.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { start } from 'extmem';
import { main, median, quantile, report, trial } from './trial.mjs';

const require = createRequire(import.meta.url);
const file = fileURLToPath(import.meta.url);
const MiB = 1024 * 1024;
const ticks = 150;
const intervalMs = 50;
const rounds = 3;

/** Nanoseconds on a CPU; the main thread's id is the process id. */
const mainThreadCpuUs = () =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1000;

let written = 0;

/** What a line of this size cannot cost less than: memoryUsage, the heap and its spaces, and their JSON. */
function byHand(line) {
  const startedMs = performance.now();
  const { rss, arrayBuffers } = process.memoryUsage();
  const { used_heap_size } = getHeapStatistics();
  written += JSON.stringify({ ...line, rss, arrayBuffers, used_heap_size, spaces: getHeapSpaceStatistics() }).length;
  return (performance.now() - startedMs) * 1000;
}

/** The parts of a session's tick in a loop: compose, judge, write. The pass before each is the reader's, so not counted. */
function again(tickUs) {
  const { GcWatch } = require('../dist/process/gc.js');
  const { Log } = require('../dist/log/line.js');
  const { loadNative } = require('../dist/binding/load.js');
  const { NativeProfiler } = require('../dist/profile/profiler.js');
  const { Sampler } = require('../dist/sampler.js');
  const { StreamTracker } = require('../dist/streams/tracker.js');
  const { Watch } = require('../dist/live-judge.js');
  const { binding } = loadNative();
  const options = { intervalMs: 10_000, window: 120, confirmations: 3, sampleBytes: 512 * 1024, stackDepth: 64 };
  const profiler = new NativeProfiler(binding, options);
  const sampler = new Sampler(binding, new GcWatch(), new StreamTracker(options), null, profiler);
  const watch = new Watch(options);
  const log = new Log({
    lostLines: 0,
    write(line) {
      written += line.length;
    },
  });
  const { quick, ledger, allocator, descriptors } = binding.parts;
  binding.run(quick | ledger | allocator | descriptors);
  for (let i = 0; i < 10 * ticks; i++) {
    binding.run(quick);
    const startedMs = performance.now();
    const timeMs = Date.now() + i * options.intervalMs;
    const { sample } = watch.look(timeMs, sampler.compose(0));
    log.write({ kind: 'sample', ...sample }, 'sample', 'info', timeMs);
    if (i >= 5 * ticks) tickUs.push((performance.now() - startedMs) * 1000);
  }
}

async function child(mode, heldMiB) {
  // Half in Buffers, half in the JS heap, as in a service of that size.
  const buffers = Array.from({ length: heldMiB / 2 }, () => Buffer.alloc(MiB, 1));
  const arrays = Array.from({ length: heldMiB * 64 }, () => new Array(1000).fill(1));
  const tickUs = [];
  let cpuUs = 0;
  if (mode === 'again') again(tickUs);
  await new Promise((resolve) => {
    if (mode === 'again') return resolve();
    let seen = -20; // The first ones compile.
    const onTick = (us) => {
      if (seen === 0) cpuUs = mainThreadCpuUs();
      if (seen++ >= 0 && us !== null) tickUs.push(us);
      if (seen === ticks) resolve();
    };
    if (mode === 'on') {
      start({ interval: intervalMs, destination: 'none' }).on('sample', (sample) => onTick(sample.cost.mainThreadUs));
      setInterval(() => {}, 1e6);
    } else if (mode === 'byHand') {
      const session = start({ interval: '1h', destination: 'none' });
      const line = session.sample();
      session.stop();
      setInterval(() => onTick(byHand(line)), intervalMs);
    } else setInterval(() => onTick(null), intervalMs);
  });
  cpuUs = mainThreadCpuUs() - cpuUs;
  report({
    rssBytes: process.memoryUsage.rss(),
    tickUs,
    cpuPerTickUs: cpuUs / ticks,
    held: buffers.length + arrays.length + written,
  });
}

export async function bench() {
  const rows = [];
  for (const heldMiB of [0, 2048]) {
    const on = [];
    const off = [];
    const byHands = [];
    const agains = [];
    for (let round = 0; round < rounds; round++) {
      on.push(await trial(file, ['on', heldMiB], { flags: ['--max-old-space-size=4096'] }));
      byHands.push(await trial(file, ['byHand', heldMiB], { flags: ['--max-old-space-size=4096'] }));
      agains.push(await trial(file, ['again', heldMiB], { flags: ['--max-old-space-size=4096'] }));
      off.push(await trial(file, ['off', heldMiB], { flags: ['--max-old-space-size=4096'] }));
    }
    const all = on.flatMap((result) => result.tickUs);
    const size = `at ${Math.round(median(on.map((result) => result.rssBytes)) / MiB)} MiB RSS`;
    const cpuUs = median(on.map((result) => result.cpuPerTickUs)) - median(off.map((result) => result.cpuPerTickUs));
    rows.push(
      { what: `main thread per tick ${size}`, value: `${median(all)} µs`, goal: '≤ 100 µs' },
      { what: `… 99th percentile`, value: `${quantile(all, 0.99)} µs` },
      { what: '… again and again', value: `${median(agains.flatMap((result) => result.tickUs)).toFixed(0)} µs` },
      {
        what: "… the yardstick: Node's own counters and a line with them, by hand",
        value: `${median(byHands.flatMap((result) => result.tickUs)).toFixed(0)} µs`,
      },
      { what: `… by the kernel's account, above an empty timer`, value: `${cpuUs.toFixed(0)} µs` },
    );
  }
  return rows;
}

await main(import.meta.url, bench, child);
