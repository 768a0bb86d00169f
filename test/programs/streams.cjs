'use strict';
/**
 * Runs all scenarios of one list side by side, each once per interval, as one busy service would. Prints what was said
 * of the streams at the end. Garbage is made all the time, because V8 has to collect by itself: nothing forces it.
 *
 *   node streams.cjs <list> <samples> [JSON array of the sites wanted]
 *
 * Ends after that many samples, or as soon as all sites that are wanted were suspected.
 */
const { StreamTracker } = require('../../dist/streams/tracker.js');
const [list, samples] = [process.argv[2], Number(process.argv[3])];
const wanted = process.argv[4] === undefined ? null : JSON.parse(process.argv[4]);
const intervalMs = 100;
const tracker = new StreamTracker({ intervalMs, window: 120 });

const scenarios = Object.values(require(`./streams-${list}.cjs`));
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
const suspected = new Set();
const timer = setInterval(() => {
  // The busier V8 is kept, the sooner it collects; how soon differs by version and machine.
  for (let i = 0; i < 5 && (i === 0 || (last?.collections ?? 0) < taken / 6); i++) litter();
  for (const scenario of scenarios) scenario(taken);
  last = tracker.sample();
  for (const { className, site } of last.suspects) suspected.add(`${className} ${site}`);
  // The sample lists ten suspects; the report knows them all.
  for (const { className, site, growing } of tracker.report().sites) {
    if (growing) suspected.add(`${className} ${site}`);
  }
  const said = [...suspected];
  const complete = wanted?.every((site) => said.some((one) => one.startsWith(site))) ?? false;
  if (++taken < samples && !complete) return;
  clearInterval(timer);
  const result = { last, report: tracker.report(), suspected: [...suspected], errors };
  require('node:fs').writeFileSync(1, `${JSON.stringify(result)}\n`);
  process.exit(0);
}, intervalMs);
