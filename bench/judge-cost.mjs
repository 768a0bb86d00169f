// CPU of the judge on the main thread, per sample and per evaluation, at the default window of 120: a service with
// nothing to find, and one whose classes all grow. In CPU time, since a busy machine would measure itself. An evaluation
// is spread over eight samples; each is counted as one, and the slowest of them is what a tick may have to wait for.
//
//   npm run build && node bench/judge-cost.mjs
import { createRequire } from 'node:module';

const { Judge } = createRequire(import.meta.url)('../dist/judge/judge.js');
const MB = 2 ** 20;

function sampleOf(i, slope) {
  const noise = Math.round((((i * 7919) % 101) / 101) * MB);
  const part = Math.round((20 + slope * i) * MB) + noise;
  return {
    seq: i,
    rssBytes: 6 * part + 40 * MB,
    ledger: {
      ageMs: 0,
      leafBytes: {
        v8Heap: part,
        v8Code: MB,
        v8Other: MB,
        malloc: 4 * part,
        wasm: part,
        stacks: MB,
        files: 36 * MB,
        unattributed: part,
      },
    },
    malloc: { ageMs: 0, inUseBytes: 3 * part, reclaimableBytes: MB },
    external: { externalBytes: part, arrayBuffersBytes: part, declaredBytes: 2 * part },
    v8: {
      heapUsedBytes: part,
      heapLimitBytes: 4096 * MB,
      nativeContexts: 1 + Math.floor(slope * i),
      detachedContexts: 0,
      spaces: {},
      afterMajorGc: { heapUsedBytes: part, ageMs: 0 },
    },
    process: {
      threads: 11 + Math.floor(slope * i),
      workers: Math.floor(slope * i),
      fdCount: 20 + Math.floor(slope * i),
      timers: 3,
    },
    load: { requests: 1000 + (i % 7) },
  };
}

const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** CPU of `rounds` judges over the same samples, divided by the samples in [from, to). */
function measure(slope, rounds) {
  let plain = 0;
  let plainCount = 0;
  const evaluations = [];
  for (let round = 0; round < rounds; round++) {
    const judge = new Judge({ window: 120, confirmations: 3 });
    for (let i = 0; i < 240; i++) {
      const sample = sampleOf(i, slope);
      // Counts and classes are tested on the seven samples before RSS is, so that no tick pays for all.
      const isEvaluation = i >= 150 && (i + 8 - 63) % 15 < 8;
      const started = cpuUs();
      judge.push(1.7e12 + i * 10_000, sample);
      const us = cpuUs() - started;
      if (isEvaluation) evaluations.push(us);
      else if (i >= 150) {
        plain += us;
        plainCount++;
      }
    }
  }
  evaluations.sort((a, b) => a - b);
  const at = (ratio) => evaluations[Math.floor(ratio * (evaluations.length - 1))];
  return { plainUs: plain / plainCount, medianUs: at(0.5), p99Us: at(0.99) };
}

measure(0.3, 20);
console.log('| service | µs per sample | µs per evaluation, median | p99 |');
console.log('|---|---|---|---|');
for (const [name, slope] of [
  ['healthy', 0],
  ['everything grows', 0.3],
]) {
  const { plainUs, medianUs, p99Us } = measure(slope, 60);
  console.log(`| ${name} | ${plainUs.toFixed(1)} | ${medianUs} | ${p99Us} |`);
}
