// How often the classifier cries, and when, on simulated services: the plain classifier that everything here began with
// (plain-classifier.mjs: RSS alone, 3 or 4 passes in a row) beside what ships, which judges the same series as recorded
// lines (`extmem check`). Same series, same seeds, so the table is the same each time; --write puts it into
// docs/verdicts.md.
//
//   npm run build && node bench/growth-simulation.mjs [--runs 100] [--only REGEXP] [--seed 1] [--threads 2] [--write]
//
// Cells: share of runs in which growth was found at any time, ± its standard error, @ median sample of the alarm. MiB, one
// sample per 10 s. "Worse" means beyond chance: by more than two standard errors of the paired difference, or a median
// alarm that comes later.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { check, lineOf } from './check.mjs';
import { alarmsOfPlain } from './plain-classifier.mjs';
import { sampleOf, series } from './simulated-services.mjs';
import { replaceTable } from './table.mjs';

const startMs = 1.7e12;
const intervalMs = 10_000;

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

function* linesOf(service, pid) {
  yield lineOf(pid, startMs, { kind: 'start', options: { window: 120, confirmations: 3 } });
  for (const i of service.rss.keys()) {
    yield lineOf(pid, startMs + i * intervalMs, { kind: 'sample', ...sampleOf(service, i) });
  }
}

/** `foundAt` is the first sample that any verdict was found on. */
function outcomeOf({ changes }) {
  const found = new Set();
  let foundAt = null;
  let clearedAt = null;
  for (const { timeMs, verdict } of changes) {
    const sample = (timeMs - startMs) / intervalMs + 1;
    if (verdict.state === 'found') {
      found.add(verdict.id);
      foundAt ??= sample;
    } else if (found.delete(verdict.id) && found.size === 0) clearedAt ??= sample;
  }
  return { foundAt, clearedAt };
}

/** All runs of one series, a process each. */
async function simulate(name, runs, seed) {
  const { make, share = 1 } = series.find((each) => each.name === name);
  const random = generator(seed);
  const plain = [];
  function* recording() {
    for (let run = 0; run < runs * share; run++) {
      const service = make(random);
      plain.push(alarmsOfPlain(Float64Array.from(service.rss), [3, 4]));
      yield* linesOf(service, run + 1);
    }
  }
  const own = (await check(recording())).map(outcomeOf);
  const plainly = (at) => plain.map((alarms) => ({ foundAt: alarms[at], clearedAt: null }));
  return { k3: plainly(0), k4: plainly(1), own };
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
  parentPort.on('message', async (name) =>
    parentPort.postMessage({ name, outcomes: await simulate(name, runs, seed) }),
  );
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
