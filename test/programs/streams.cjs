'use strict';
/**
 * Runs all scenarios of one list side by side, each once per interval, as one busy service would. Prints what was said
 * of the streams at the end. Garbage is made all the time, because V8 has to collect by itself: nothing forces it.
 *
 *   node streams.cjs <list> <samples> [scenario]
 */
const { StreamTracker } = require('../../dist/streams.js');
const [list, samples, only] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const intervalMs = 100;
const tracker = new StreamTracker({ intervalMs, window: 120 });

const all = require(`./streams-${list}.cjs`);
const scenarios = only === undefined ? Object.values(all) : [all[only]];
const errors = [];
process.on('uncaughtException', (error) => errors.push(String(error.stack)));

/** Survives a few scavenges, then dies in old space: major collections come as in any busy service. */
const garbage = [];
function litter() {
  garbage.push(Array.from({ length: 50_000 }, (_, i) => ({ i, text: `${i}` })));
  if (garbage.length > 6) garbage.shift();
}

let taken = 0;
let last;
const suspected = new Map();
const timer = setInterval(() => {
  // The busier V8 is kept, the sooner it collects; how soon differs by version and machine.
  for (let i = 0; i < 5 && (i === 0 || (last?.collections ?? 0) < taken / 6); i++) litter();
  for (const scenario of scenarios) scenario(taken);
  last = tracker.sample();
  for (const suspect of last.suspects) {
    const seen = suspected.get(suspect.sentence.replace(/.*; /, '')) ?? { first: taken, times: 0 };
    suspected.set(suspect.sentence.replace(/.*; /, ''), { ...seen, times: seen.times + 1 });
  }
  if (++taken < samples) return;
  clearInterval(timer);
  const result = { last, report: tracker.report(), suspected: Object.fromEntries(suspected), errors };
  require('node:fs').writeFileSync(1, JSON.stringify(result));
  process.exit(0);
}, intervalMs);
