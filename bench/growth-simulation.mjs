// How often the classifier cries, and when, on simulated services: the plain classifier that everything here began with
// (window 120, RSS alone, 3 or 4 passes in a row), in this project's own arithmetic, beside what ships. Same series, same
// seeds, so the table is the same each time; --write puts it into docs/verdicts.md.
//
//   npm run build && node bench/growth-simulation.mjs [--runs 100] [--only REGEXP] [--seed 1] [--threads 2] [--write]
//
// Cells: share of runs in which growth was found at any time, ± its standard error, @ median sample of the alarm. MB, one
// sample per 10 s. "Worse" means beyond chance: by more than two standard errors of the paired difference, or a median
// alarm that comes later.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { sampleOf, series } from './simulated-services.mjs';
import { replaceTable } from './table.mjs';

const require = createRequire(import.meta.url);
const { isGrowing, trendOf } = require('../dist/judge/growth.js');
const { Judge } = require('../dist/judge/judge.js');

/** Mulberry32: small, and good enough for noise. */
function generator(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296 + 1e-12;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

/** The plain classifier: window 120, every 15 samples from the 63rd, the test on RSS alone, K passes in a row. */
function plain(rss, confirmations) {
  const times = Float64Array.from(rss, (_, i) => i * 10_000);
  let passes = 0;
  for (let end = 63; end <= rss.length; end += 15) {
    const start = Math.max(12, end - 120);
    const trend = trendOf(times.subarray(start, end), rss.subarray(start, end));
    passes = isGrowing(trend, { alpha: 0.003, floor: 4, ratio: 0.02, clean: 0, end: 0.3, tail: 0 }) ? passes + 1 : 0;
    if (passes >= confirmations) return { foundAt: end, clearedAt: null };
  }
  return { foundAt: null, clearedAt: null };
}

/** What ships, fed with sample records. `foundAt` is the first sample that any verdict was found on. */
function shipped(service) {
  const judge = new Judge({ window: 120, confirmations: 3 });
  const found = new Set();
  let foundAt = null;
  let clearedAt = null;
  for (let i = 0; i < service.rss.length; i++) {
    for (const { id, state } of judge.push(1.7e12 + i * 10_000, sampleOf(service, i)).verdicts) {
      if (state === 'found') {
        found.add(id);
        foundAt ??= i + 1;
      } else if (found.delete(id) && found.size === 0) clearedAt ??= i + 1;
    }
  }
  return { foundAt, clearedAt };
}

/** All runs of one series. */
function simulate(name, runs, seed) {
  const { make, share = 1 } = series.find((each) => each.name === name);
  const random = generator(seed);
  const outcomes = { k3: [], k4: [], own: [] };
  for (let run = 0; run < runs * share; run++) {
    const service = make(random);
    const rss = Float64Array.from(service.rss);
    outcomes.k3.push(plain(rss, 3));
    outcomes.k4.push(plain(rss, 4));
    outcomes.own.push(shipped(service));
  }
  return outcomes;
}

const alarmsOf = (outcomes) => outcomes.map(({ foundAt }) => foundAt).filter((at) => at !== null);
const medianOf = (list) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? null;

function cell(outcomes) {
  const alarms = alarmsOf(outcomes);
  const share = alarms.length / outcomes.length;
  const error = Math.round(100 * Math.sqrt((share * (1 - share)) / outcomes.length));
  return `${Math.round(100 * share)}${error > 0 ? ` ± ${error}` : ''} %${alarms.length === 0 ? '' : ` @${medianOf(alarms)}`}`;
}

/** Better, worse or the same as the plain classifier with four passes. */
function compare({ k4, own }, leaks) {
  const more = own.filter(({ foundAt }, i) => foundAt !== null && k4[i].foundAt === null).length;
  const fewer = own.filter(({ foundAt }, i) => foundAt === null && k4[i].foundAt !== null).length;
  const gain = (leaks ? 1 : -1) * (more - fewer);
  if (Math.abs(gain) > 2 * Math.sqrt(more + fewer)) return gain > 0 ? 'better' : 'worse';
  // Times of the runs that both found: what only one of them finds says nothing of speed.
  const both = own.map(({ foundAt }, i) => [foundAt, k4[i].foundAt]).filter((times) => !times.includes(null));
  const later = medianOf(both.map(([ownAt, plainAt]) => ownAt - plainAt));
  if (!leaks || later === null || later === 0) return 'same';
  return later > 0 ? 'worse' : 'better';
}

if (!isMainThread) {
  const { runs, seed } = workerData;
  parentPort.on('message', (name) => parentPort.postMessage({ name, outcomes: simulate(name, runs, seed) }));
} else {
  const { values: args } = parseArgs({
    options: {
      runs: { type: 'string', default: '100' },
      only: { type: 'string', default: '' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string', default: '2' },
      write: { type: 'boolean', default: false },
    },
  });
  const wanted = series.filter(({ name }) => new RegExp(args.only).test(name));
  const results = new Map();
  // The long ones first, so that no thread is left with one of them at the end.
  const queue = wanted.toSorted((a, b) => (a.share ?? 1) - (b.share ?? 1));
  const workOff = async () => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { runs: Number(args.runs), seed: Number(args.seed) },
    });
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      worker.postMessage(next.name);
      const [{ name, outcomes }] = await once(worker, 'message');
      results.set(name, outcomes);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Number(args.threads) }, workOff));

  const lines = [
    `| series (${args.runs} runs) | plain, K = 3 | plain, K = 4 | extmem | against K = 4 |`,
    '|---|---|---|---|---|',
  ];
  const counts = { better: 0, same: 0, worse: 0 };
  for (const { name, leaks = false } of wanted) {
    const outcomes = results.get(name);
    const { k3, k4, own } = outcomes;
    const cleared = own.filter(({ clearedAt }) => clearedAt !== null).length;
    const note = cleared > 0 ? `, ${cleared} of ${alarmsOf(own).length} cleared` : '';
    const against = compare(outcomes, leaks);
    counts[against]++;
    lines.push(
      `| ${name} | ${cell(k3)} | ${cell(k4)} | ${cell(own)}${note} | ${against === 'worse' ? '**worse**' : against} |`,
    );
  }
  lines.push(
    '',
    `Against the plain classifier with K = 4: ${counts.better} cells better, ${counts.same} the same, ${counts.worse} worse.`,
  );
  console.log(lines.join('\n'));
  if (args.write) replaceTable('simulation', lines);
}
