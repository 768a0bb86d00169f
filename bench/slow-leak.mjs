/**
 * How long until a leak of 1 in 1000 streams is said, in a class of which 2000 are created in a second: only a part of
 * such a class is tracked. Intervals of three seconds; major collections come from the garbage of the program itself.
 *
 * `pool` is the healthy twin: as many are kept and read from, a connection pool that grows for three minutes,
 * half of the window, and is full then. Nothing may be said of it.
 *
 *   node --max-old-space-size=100 bench/slow-leak.mjs [leak|pool] [most seconds]
 */
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';

const { StreamTracker } = createRequire(import.meta.url)('../dist/streams.js');

const perSecond = 2000;
const turnMs = 20;
const isPool = process.argv[2] === 'pool';
const mostSeconds = Number(process.argv[3] ?? (isPool ? 500 : 900));
const poolSize = 360;
const tracker = new StreamTracker({ intervalMs: 3000, window: 120 });
const kept = [];
const litter = [];
let created = 0;

function create() {
  const stream = new PassThrough();
  stream.write('x');
  const isKept = created++ % 1000 === 500 && !(isPool && kept.length >= poolSize);
  if (isKept) kept.push(stream);
  if (!isKept || isPool) stream.resume();
  if (!isKept) stream.end();
}

setInterval(() => {
  for (let i = 0; i < (perSecond * turnMs) / 1000; i++) create();
  litter.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
  if (litter.length > 20) litter.shift();
}, turnMs);

let seconds = 0;
setInterval(() => {
  const { suspects, collections, tracked, held, open, openError } = tracker.sample();
  seconds++;
  const [first] = suspects;
  if (first === undefined && seconds < mostSeconds) return;
  console.log(
    `${process.version}, ${isPool ? 'pool' : 'leak'}: ${first === undefined ? 'nothing said' : 'said'} after ${seconds} s`,
  );
  console.log(`  ${created} created, ${kept.length} kept, ${tracked} tracked, ${collections} major collections`);
  console.log(`  ${first === undefined ? `${open} open (±${openError}), ${held} held` : first.sentence}`);
  process.exit((first === undefined) === isPool ? 0 : 1);
}, 1000);
