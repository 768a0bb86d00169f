// How often the classifier cries, and when, on simulated services: one row per kind of series, the plain test of one
// window (K = 1) and the reference classifier beside what ships. Everything is seeded; the table is the same each time.
//
//   npm run build && node bench/growth-simulation.mjs [--runs 100] [--only REGEXP] [--seed 1]
//
// Cells: share of runs in which growth was found at any time @ median sample of the alarm. MB, one sample per 10 s.
import { parseArgs } from 'node:util';
import { sampleOf, series } from './simulated-services.mjs';

const { values: args } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    dist: { type: 'string', default: '../dist/' },
  },
});
const { isGrowing, trendOf } = await import(`${args.dist}growth.js`);
const { Judge } = await import(`${args.dist}judge.js`);
const runs = Number(args.runs);

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

/** The reference: window 120, every 15 samples from the 63rd, the test on RSS alone, K passes in a row. */
function reference(rss, confirmations) {
  const times = Float64Array.from(rss, (_, i) => i * 10_000);
  let passes = 0;
  for (let end = 63; end <= rss.length; end += 15) {
    const start = Math.max(12, end - 120);
    const trend = trendOf(times.subarray(start, end), rss.subarray(start, end));
    passes = isGrowing(trend, { alpha: 0.003, floor: 4, ratio: 0.02, clean: 0, tail: 0 }) ? passes + 1 : 0;
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

function cell(outcomes) {
  const alarms = outcomes
    .map((outcome) => outcome.foundAt)
    .filter((at) => at !== null)
    .sort((a, b) => a - b);
  const share = `${Math.round((100 * alarms.length) / outcomes.length)} %`;
  return alarms.length === 0 ? share : `${share} @${alarms[alarms.length >> 1]}`;
}

console.log(`| series (${runs} runs) | reference, K = 3 | reference, K = 4 | extmem |`);
console.log('|---|---|---|---|');
for (const { name, make, share = 1 } of series) {
  if (!new RegExp(args.only).test(name)) continue;
  const random = generator(Number(args.seed));
  const outcomes = { k3: [], k4: [], own: [] };
  for (let run = 0; run < runs * share; run++) {
    const service = make(random);
    const rss = Float64Array.from(service.rss);
    outcomes.k3.push(reference(rss, 3));
    outcomes.k4.push(reference(rss, 4));
    outcomes.own.push(shipped(service));
  }
  const level = outcomes.own.filter(({ clearedAt }) => clearedAt !== null).length;
  const alarmed = outcomes.own.filter(({ foundAt }) => foundAt !== null).length;
  const cleared = level > 0 ? `, ${level} of ${alarmed} cleared` : '';
  console.log(`| ${name} | ${cell(outcomes.k3)} | ${cell(outcomes.k4)} | ${cell(outcomes.own)}${cleared} |`);
}
