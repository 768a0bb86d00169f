// V8's one heap profiler, used by the program too. Usage: node heap-profilers.cjs <package> <who>
'use strict';
const { Session } = require('node:inspector');
const path = require('node:path');
const [, , root, who] = process.argv;
const { getHeapStatistics } = require('node:v8');
const { HeapSites } = require(path.join(root, 'dist', 'profile', 'heap-sites.js'));
const { binding } = require(path.join(root, 'dist', 'binding', 'load.js')).loadNative();

const client = new Session();
client.connect();
function ask(method, params = {}) {
  let answer = null;
  client.post(method, params, (error, result) => {
    answer = error === null ? result : error.message;
  });
  return answer;
}
const isRunning = () => typeof ask('HeapProfiler.getSamplingProfile') === 'object';

const sites = new HeapSites(who.startsWith('plain') ? null : binding, who.endsWith('Attended'));
const report = (more = {}) =>
  console.log(JSON.stringify({ running: sites.running, refusal: sites.refusal, others: isRunning(), ...more }));

// Collections are counted where they are found.
binding.findHeapCounters(process.memoryUsage().arrayBuffers);
const counters = new Float64Array(binding.collectionFields.length);
function majorCount() {
  binding.collectionCounters(counters);
  return counters[binding.collectionFields.indexOf('majorCount')];
}

const MiB = 2 ** 20;
const kept = [];
function leak(untilMiB) {
  const leaked = [];
  kept.push(leaked);
  while (getHeapStatistics().used_heap_size < untilMiB * MiB) leaked.push(new Array(128).fill(0.5));
}
function churn(bytes) {
  for (let i = 0; i < bytes / 1024; i++) globalThis.garbage = new Array(128).fill(0.5);
}

/** A leak, garbage that nothing has collected yet, and a reading. */
function read(leakedMiB, leakedBeforeMiB = 0) {
  leak(leakedBeforeMiB);
  gc();
  binding.watchCollections();
  sites.start();
  const atStart = majorCount();
  binding.unwatchCollections();
  leak(leakedMiB);
  gc();
  churn(64 * MiB);
  binding.watchCollections();
  churn(2 * MiB);
  const before = majorCount();
  const found = sites.read();
  const told = {
    found: found?.map(({ site }) => site.split(' ')[0]) ?? null,
    garbageBytes: found?.find(({ site }) => site.startsWith('churn '))?.liveBytes ?? 0,
    collections: atStart + majorCount() - before,
  };
  sites.stop();
  report(told);
}

const cases = {
  /** Started by the addon, at a heap that takes 60 ms to collect. */
  read: () => read(60),
  /** Without the addon, at a small heap and at a large one. */
  plainSmall: () => read(12),
  plainLarge: () => read(60, 60),
  plainLargeAttended: () => read(60, 60),
  /** Ends as it is, with a profiler that runs. */
  left() {
    sites.start();
    leak(30);
    report();
  },
  /** Nobody else: it runs, and stops what it started. */
  nobody() {
    sites.start();
    const ran = sites.running && isRunning() && sites.read() !== null;
    sites.stop();
    report({ ran });
  },
  /** A client was there first, with an interval of its own. */
  first() {
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    globalThis.kept = Array.from({ length: 10_000 }, (_, i) => ({ i }));
    sites.start();
    sites.stop();
    report({ samples: ask('HeapProfiler.stopSampling').profile.samples.length > 100 });
  },
  /** A client that came second stops it for both, and then starts its own. */
  second() {
    sites.start();
    ask('HeapProfiler.stopSampling');
    const read = sites.read();
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    sites.start();
    sites.stop();
    report({ read });
  },
  /** `--heap-prof`: it is there from the start. */
  flag() {
    sites.start();
    sites.stop();
    report();
  },
  /** A session that suspects the heap says on a line what it does not get. */
  session() {
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    const told = [];
    const session = require(root).start({ interval: '1h', destination: 'none', window: 30, confirmations: 1 });
    session.on('sample', ({ capabilities }) => capabilities !== undefined && told.push(capabilities));
    const kept = [];
    for (let i = 0; i < 200 && told.length < 1; i++) {
      for (let j = 0; j < 2000; j++) kept.push({ j, list: new Array(20).fill(j) });
      gc();
      session.sample();
    }
    session.sample();
    session.stop();
    report({ told });
  },
};
cases[who]();
