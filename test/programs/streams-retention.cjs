'use strict';
/** Drops many streams and counts what is left of them after gc. Prints the counts. */
const fs = require('node:fs');
const { EventEmitter } = require('node:events');
const { Duplex, PassThrough, Readable, Writable } = require('node:stream');
const { setTimeout: wait } = require('node:timers/promises');
const { StreamTracker } = require('../../dist/streams/tracker.js');
const { Population } = require('../../dist/streams/population.js');
const { Tally } = require('../../dist/streams/tally.js');

const refs = [];
const make = [
  () => new Readable({ read() {} }),
  () => new Writable({ write() {} }),
  () => new Duplex({ read() {}, write() {} }),
  () => new PassThrough(),
  () => {
    const source = new Readable({ read() {} });
    source.pipe(new PassThrough());
    source.push('x');
    return source;
  },
  () => new ReadableStream({ pull() {} }),
  () => new EventEmitter(),
];

/** Frames of their own, so that no register of a running function holds a stream. */
function createAll(count) {
  for (let i = 0; i < count; i++) {
    const stream = make[i % make.length]();
    // Every stream is watched here, but a WeakRef each would hide how young ones die.
    if (i % 10 === 0) refs.push(new WeakRef(stream));
  }
}

const alive = () => refs.filter((ref) => ref.deref() !== undefined).length;

async function collected(enough) {
  for (let turn = 0; turn < 100 && !enough(); turn++) {
    await wait(20);
    globalThis.gc();
  }
}

function bytesPerTracked() {
  const count = 10_000;
  const streams = Array.from({ length: count }, () => new PassThrough());
  const population = new Population(1);
  const tally = new Tally('PassThrough', { site: 'here', frames: [], module: null, ofProgram: true });
  const kind = () => {};
  const creation = { kind, tally, weight: 1, heldWeight: 1, born: 0, ownsFile: false };
  globalThis.gc();
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  for (const stream of streams) population.add(stream, creation);
  population.pulse(1);
  globalThis.gc();
  globalThis.gc();
  const bytes = (process.memoryUsage().heapUsed - before) / count;
  if (population.size !== count || streams.length !== count) throw new Error(`Expected ${count} tracked streams`);
  for (let i = population.size; i < 25_000; i++) population.add(streams[i % count], creation);
  return { bytesPerTracked: bytes, size: population.size, overflowed: population.overflowed };
}

async function main() {
  const tracker = new StreamTracker({ intervalMs: 50, window: 120 });
  createAll(100_000);
  const tracked = tracker.report().tracked;
  await collected(() => alive() === 0 && tracker.report().tracked === 0);
  const result = { created: tracker.report().created, tracked, alive: alive(), left: tracker.report().tracked };
  tracker.stop();
  fs.writeSync(1, `${JSON.stringify({ ...result, ...bytesPerTracked() })}\n`);
}
void main();
