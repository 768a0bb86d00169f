'use strict';
/** Installs, wraps and removes the hook in the orders that happen, and samples two lines that take turns. */
const fs = require('node:fs');
const EventEmitter = require('node:events');
const path = require('node:path');
const { once } = require('node:events');
const { setTimeout: wait } = require('node:timers/promises');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { Duplex, PassThrough, Readable } = require('node:stream');
const { StreamTracker } = require('../../dist/streams/tracker.js');

const { start } = require('../../dist/index.js');

const sessionOptions = { destination: 'none', interval: '100ms', sampleBytes: 0 };
const options = { intervalMs: 20, window: 120 };
const plain = EventEmitter.init;
const plainWarning = process.emitWarning;
const webSymbols = () => Object.getOwnPropertySymbols(ReadableStream.prototype).length;

/** Streams that are counted while `action` runs. */
function counted(tracker, action) {
  const before = tracker.report().created;
  action();
  return tracker.report().created - before;
}

function restored() {
  const symbols = webSymbols();
  for (let i = 0; i < 1000; i++) new StreamTracker(options).stop();
  return [EventEmitter.init === plain, process.emitWarning === plainWarning, webSymbols() === symbols];
}

/** Somebody wraps us: we cannot be taken out, must be idle when stopped, and must not wrap a second time. */
function wrappedLater() {
  const tracker = new StreamTracker(options);
  const ours = EventEmitter.init;
  let calls = 0;
  EventEmitter.init = function (...args) {
    calls++;
    return ours.apply(this, args);
  };
  const theirs = EventEmitter.init;
  const whileRunning = counted(tracker, () => new PassThrough());
  tracker.stop();
  const kept = EventEmitter.init === theirs;
  const afterStop = counted(tracker, () => new PassThrough());
  const again = new StreamTracker(options);
  const restarted = counted(again, () => new PassThrough());
  const result = [whileRunning, kept, afterStop, restarted, EventEmitter.init === theirs, calls > 2];
  again.stop();
  EventEmitter.init = plain;
  return result;
}

/** Somebody threw our wrapper away: a new session must install a new one. */
function replaced() {
  const first = new StreamTracker(options);
  EventEmitter.init = plain;
  first.stop();
  const second = new StreamTracker(options);
  const result = counted(second, () => new PassThrough());
  second.stop();
  return [result, EventEmitter.init === plain];
}

/** readable-stream calls the hook once for each side of a Duplex. */
function calledTwice() {
  class Twice extends Duplex {
    constructor() {
      super({ read() {} });
      EventEmitter.init.call(this);
    }
  }
  const tracker = new StreamTracker(options);
  const result = counted(tracker, () => new Twice());
  tracker.stop();
  return result;
}

function classes() {
  const tracker = new StreamTracker(options);
  const wanted = ['crypto', 'fs', 'http', 'net', 'zlib'].map((name) => require(`node:${name}`));
  const [crypto, , http, net, zlib] = wanted;
  const made = [
    () => new Readable({ read() {} }),
    () => zlib.createGzip(),
    () => zlib.createBrotliCompress(),
    () => crypto.createHash('sha1').end('x'),
    () => new net.Socket(),
    () => new http.IncomingMessage(new net.Socket()),
    () => new http.ServerResponse({ method: 'GET' }),
    () => fs.createReadStream(__filename).destroy(),
    () => fs.createWriteStream('/dev/null').destroy(),
    () => new ReadableStream(),
    () => new Response('x').body,
    () => new CompressionStream('gzip').readable,
    () => Readable.toWeb(new PassThrough()),
  ];
  const missed = made.filter((make) => counted(tracker, make) === 0).map(String);
  const none = counted(tracker, () => new EventEmitter());
  tracker.stop();
  return { missed, none };
}

function firstLine() {
  new PassThrough().destroy();
}
function secondLine() {
  new PassThrough().destroy();
}

/** Two lines that take turns, far above the budget of a class. */
async function sampled() {
  const tracker = new StreamTracker(options);
  const rounds = 100_000;
  for (let i = 0; i < rounds; i++) {
    firstLine();
    secondLine();
    if (i % 5000 === 0) await wait(20);
  }
  const sites = tracker.report().sites.filter(({ className }) => className === 'PassThrough');
  const exact = tracker.report().created;
  tracker.stop();
  return { rounds, exact, sites: sites.map(({ site, created, createdError }) => ({ site, created, createdError })) };
}

/** The main thread owns the session, the worker joins it. */
async function inWorker() {
  const session = start(sessionOptions);
  const worker = new Worker(path.join(__dirname, 'streams-hook.cjs'), {
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  });
  const [[answer]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  const here = session.streams().sites.filter(({ site }) => site.startsWith('workerLine')).length;
  session.stop();
  return { answer, here };
}

const kept = [];
function workerLine() {
  kept.push(new PassThrough());
  kept.at(-1).write('x');
}

/** Leaks until the worker's own session suspects the line. */
async function leakInWorker() {
  const session = start(sessionOptions);
  const litter = [];
  for (let turn = 0; turn < 400; turn++) {
    workerLine();
    for (let i = 0; i < 5; i++) litter.push(Array.from({ length: 20_000 }, (_, n) => ({ n })));
    litter.splice(0, litter.length - 10);
    await wait(100);
    const row = session.streams().sites.find(({ site }) => site.startsWith('workerLine'));
    if (row?.growing) return { growing: true, state: Object.keys(row.states).join() };
  }
  return { growing: false };
}

async function main() {
  const result = {
    restored: restored(),
    wrappedLater: wrappedLater(),
    replaced: replaced(),
    calledTwice: calledTwice(),
    classes: classes(),
    sampled: await sampled(),
    inWorker: await inWorker(),
  };
  fs.writeSync(1, `${JSON.stringify(result)}\n`);
}

if (isMainThread) void main();
else void leakInWorker().then((answer) => parentPort.postMessage(answer));
