// How late the event loop runs with and without the sampler, under a load that allocates.
//
// Interleaved: off, off, on, in each round; the two "off" columns show what the machine's noise alone does. The sampler
// runs every second here, ten times as often as by default.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { start } from 'extmem';
import { main, median, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const MiB = 1024 * 1024;
const rounds = 5;
const trialMs = 6000;
const percentiles = [50, 99, 99.9];

async function child(mode) {
  const held = Array.from({ length: 400 }, () => Buffer.alloc(MiB, 1)); // Something for a pass to walk.
  if (mode === 'on') start({ interval: '1s', destination: 'none' });
  // Objects, small blocks and mmapped blocks: garbage collection, the allocator's lock and the kernel's map lock.
  let next = 0;
  setInterval(() => {
    const objects = Array.from({ length: 2000 }, (_, i) => ({ i }));
    held[next++ % held.length] = Buffer.alloc(MiB, objects.length % 256);
  }, 4);
  await sleep(1000);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(trialMs);
  delay.disable();
  const ms = (ns) => ns / 1e6;
  report({ percentilesMs: percentiles.map((p) => ms(delay.percentile(p))), maxMs: ms(delay.max) });
}

export async function bench() {
  const results = { off: [], offAgain: [], on: [] };
  for (let round = 0; round < rounds; round++) {
    results.off.push(await trial(file, ['off']));
    results.offAgain.push(await trial(file, ['off']));
    results.on.push(await trial(file, ['on']));
  }
  const line = (read) => {
    const [off, offAgain, on] = Object.values(results).map((trials) => median(trials.map(read)).toFixed(2));
    return `off ${off} / off ${offAgain} / on ${on} ms`;
  };
  return [
    ...percentiles.map((p, i) => ({ what: `event loop delay p${p}`, value: line((r) => r.percentilesMs[i]) })),
    { what: 'event loop delay, maximum', value: line((r) => r.maxMs) },
  ];
}

await main(import.meta.url, bench, child);
