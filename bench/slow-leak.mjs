/**
 * How long until a leak of 1 in 1000 streams is said, in a class of which 2000 are created in a second: only a part of
 * such a class is tracked. Samples of one second; major collections come from the garbage of the program itself.
 *
 *   node --max-old-space-size=100 bench/slow-leak.mjs [most seconds]
 */
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';

const { StreamTracker } = createRequire(import.meta.url)('../dist/streams.js');

const perSecond = 2000;
const turnMs = 20;
const mostSeconds = Number(process.argv[2] ?? 600);
const tracker = new StreamTracker({ intervalMs: 1000, window: 120 });
const leaked = [];
const litter = [];
let created = 0;

function create() {
  const stream = new PassThrough();
  stream.write('x');
  if (created++ % 1000 === 0) leaked.push(stream);
  else stream.resume().end();
}

setInterval(() => {
  for (let i = 0; i < (perSecond * turnMs) / 1000; i++) create();
  litter.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
  if (litter.length > 20) litter.shift();
}, turnMs);

let seconds = 0;
setInterval(() => {
  const { suspects, collections, tracked } = tracker.sample();
  seconds++;
  const [first] = suspects;
  if (first === undefined && seconds < mostSeconds) return;
  console.log(`${process.version}: ${first === undefined ? 'not said' : 'said'} after ${seconds} s`);
  console.log(`  ${created} created, ${leaked.length} leaked, ${tracked} tracked, ${collections} major collections`);
  if (first !== undefined) console.log(`  ${first.held} held (±${first.openError}): ${first.sentence}`);
  process.exit(first === undefined ? 1 : 0);
}, 1000);
