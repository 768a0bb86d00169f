/**
 * A slow leak in a hot class: of 2000 streams in a second, one in `oneIn` is never read and kept. Major collections come
 * from the garbage of the program itself. `pool` is the healthy twin: as many are kept and read from, a connection pool
 * that grows for half of the window and is full then.
 *
 *   node --max-old-space-size=100 streams-slow.cjs leak|pool INTERVAL_MS ONE_IN MOST_SECONDS
 *
 * Prints what was said and when, as JSON; the first suspect is null when nothing was said.
 */
const fs = require('node:fs');
const { PassThrough } = require('node:stream');
const { start } = require('extmem');

const isPool = process.argv[2] === 'pool';
const [intervalMs, oneIn, mostSeconds] = process.argv.slice(3).map(Number);
const perSecond = 2000;
const turnMs = 20;
const window = 120;
const poolSize = (((window / 2) * intervalMs) / 1000) * (perSecond / oneIn);
const kept = [];
const litter = [];
let created = 0;

function create() {
  const stream = new PassThrough();
  stream.write('x');
  const isKept = created++ % oneIn === oneIn >> 1 && !(isPool && kept.length >= poolSize);
  if (isKept) kept.push(stream);
  if (!isKept || isPool) stream.resume();
  if (!isKept) stream.end();
}

setInterval(() => {
  for (let i = 0; i < (perSecond * turnMs) / 1000; i++) create();
  litter.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
  if (litter.length > 20) litter.shift();
}, turnMs);

const startedMs = performance.now();
start({ interval: intervalMs, window, sampleBytes: 0, destination: 'none' }).on('sample', ({ streams }) => {
  const { suspects, collections, tracked } = streams;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const [suspect = null] = suspects;
  if (suspect === null && seconds < mostSeconds) return;
  fs.writeSync(1, `${JSON.stringify({ seconds, created, kept: kept.length, tracked, collections, suspect })}\n`);
  process.exit();
});
