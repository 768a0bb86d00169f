// CPU of the judge on the main thread, per sample and per evaluation, at the default window of 120: a service with
// nothing to find, and one whose classes all grow. In CPU time, since a busy machine would measure itself. An evaluation
// is spread over nine samples of fifteen; each is counted as one, and the slowest of them is what a tick may have to wait
// for.
//
// The judge is the one of `extmem check -`, which runs in a process with a standard input of our making: that hands out
// one line at a time, so what passes between two of them is the reading and judging of one. Reading alone is measured by
// lines that all have one `seq`, which are taken for one sample, and is subtracted. Lines are held back a little before
// they are judged, so which nine of the fifteen are evaluations shows in their cost.
//
//   npm run build && node bench/judge-cost.mjs
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commandLine, lineOf } from './check.mjs';
import { median, quantile } from './trial.mjs';

const MiB = 2 ** 20;

function sampleOf(i, slope) {
  const noise = Math.round((((i * 7919) % 101) / 101) * MiB);
  const part = Math.round((20 + slope * i) * MiB) + noise;
  return {
    seq: i,
    rssBytes: 6 * part + 40 * MiB,
    ledger: {
      ageMs: 0,
      rssBytes: 6 * part + 40 * MiB,
      leafBytes: {
        v8Heap: part,
        v8Code: MiB,
        v8Other: MiB,
        malloc: 4 * part,
        wasm: part,
        stacks: MiB,
        files: 36 * MiB,
        unattributed: part,
      },
    },
    malloc: { ageMs: 0, inUseBytes: 3 * part, reclaimableBytes: MiB },
    external: { externalBytes: part, arrayBuffersBytes: part, declaredBytes: 2 * part },
    v8: {
      heapUsedBytes: part,
      heapLimitBytes: 4096 * MiB,
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

const samples = 285;
/** From here on the window is full. */
const firstMeasured = 195;
const period = 15;
const evaluationsPerPeriod = 9;
const warmUpRounds = 20;
const rounds = 60;

/** Sessions one after the other, and to the parent the CPU of each line that counts, by its place in the period. */
async function* recording(slope, isJudged) {
  const us = Array.from({ length: period }, () => []);
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    yield Buffer.from(lineOf(1, 1.7e12, { kind: 'start', options: { window: 120, confirmations: 3 } }));
    for (let i = 0; i < samples; i++) {
      const sample = { ...sampleOf(i, slope), seq: isJudged ? i : 0 };
      const line = Buffer.from(lineOf(1, 1.7e12 + i * 10_000, { kind: 'sample', ...sample }));
      const startedUs = cpuUs();
      yield line;
      if (round >= warmUpRounds && i >= firstMeasured) us[i % period].push(cpuUs() - startedUs);
    }
  }
  process.send(us);
  process.disconnect();
}

async function measure(slope, isJudged) {
  const child = fork(fileURLToPath(import.meta.url), [String(slope), String(isJudged)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [us] = await once(child, 'message');
  return us.toSorted((a, b) => median(a) - median(b));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function bench() {
  console.log('| service | µs per sample | µs per evaluation, median | p99 |');
  console.log('|---|---|---|---|');
  for (const [name, slope] of [
    ['healthy', 0],
    ['everything grows', 0.3],
  ]) {
    const read = (await measure(slope, false)).flat();
    const judged = await measure(slope, true);
    const others = judged.slice(0, -evaluationsPerPeriod).flat();
    const evaluations = judged.slice(-evaluationsPerPeriod).flat();
    const plainUs = mean(others) - mean(read);
    const [medianUs, p99Us] = [0.5, 0.99].map((q) => quantile(evaluations, q) - median(read));
    console.log(`| ${name} | ${plainUs.toFixed(1)} | ${medianUs} | ${p99Us} |`);
  }
}

if (process.send === undefined) await bench();
else {
  const [slope, isJudged] = process.argv.slice(2);
  Object.defineProperty(process, 'stdin', { value: recording(Number(slope), isJudged === 'true') });
  process.argv = [process.execPath, commandLine, 'check', '-'];
  await import(pathToFileURL(commandLine));
}
