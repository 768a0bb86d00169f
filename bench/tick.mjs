// What one tick of the sampler costs the main thread, at 50 MiB and at 2 GiB of RSS.
//
// Two independent figures: the session's own account of each tick, and the CPU time that the kernel charges to the main
// thread, from which a run without a session, but with the same timer, is subtracted.
//
// Between two ticks the caches go cold, so a tick costs many times what the same code costs when it runs again and again.
// So there is a yardstick that is as cold: Node's own counters of memory and a line with them, by hand, at the same pace.
// Both are measured warm, too: at the shortest interval there is, 10 ms, and after so many ticks that all is compiled.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { start } from 'extmem';
import { main, median, quantile, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const MiB = 1024 * 1024;
const rounds = 3;
const ticks = 150;
/** The first ticks compile. */
const paces = { cold: { intervalMs: 50, ticksBefore: 20 }, warm: { intervalMs: 10, ticksBefore: 750 } };

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

async function child(mode, heldMiB, pace) {
  const { intervalMs, ticksBefore } = paces[pace];
  // Half in Buffers, half in the JS heap, as in a service of that size.
  const buffers = Array.from({ length: heldMiB / 2 }, () => Buffer.alloc(MiB, 1));
  const arrays = Array.from({ length: heldMiB * 64 }, () => new Array(1000).fill(1));
  const tickUs = [];
  let cpuUs = 0;
  await new Promise((resolve) => {
    let seen = -ticksBefore;
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
    const run = (mode, pace) => trial(file, [mode, heldMiB, pace], { flags: ['--max-old-space-size=4096'] });
    const results = { on: [], byHand: [], off: [], warmOn: [], warmByHand: [] };
    for (let round = 0; round < rounds; round++) {
      results.on.push(await run('on', 'cold'));
      results.byHand.push(await run('byHand', 'cold'));
      results.warmOn.push(await run('on', 'warm'));
      results.warmByHand.push(await run('byHand', 'warm'));
      results.off.push(await run('off', 'cold'));
    }
    const ticksOf = (name) => results[name].flatMap(({ tickUs }) => tickUs);
    const us = (name, q = 0.5) => `${quantile(ticksOf(name), q).toFixed(0)} µs`;
    const warm = (name) => `${us(name)}, a tenth below ${us(name, 0.1)}`;
    const medianOf = (name, key) => median(results[name].map((result) => result[key]));
    const size = `at ${Math.round(medianOf('on', 'rssBytes') / MiB)} MiB RSS`;
    const cpuUs = medianOf('on', 'cpuPerTickUs') - medianOf('off', 'cpuPerTickUs');
    rows.push(
      { what: `main thread per tick ${size}`, value: us('on'), goal: '≤ 100 µs' },
      { what: '… 99th percentile', value: us('on', 0.99) },
      { what: "… the yardstick: Node's own counters and a line with them, by hand", value: us('byHand') },
      { what: '… warm', value: warm('warmOn'), goal: '≤ 100 µs' },
      { what: '… the yardstick, warm', value: warm('warmByHand') },
      { what: "… by the kernel's account, above an empty timer", value: `${cpuUs.toFixed(0)} µs` },
    );
  }
  return rows;
}

await main(import.meta.url, bench, child);
