// Collects garbage while a session runs, and prints what the session counted beside what V8 told this program.
'use strict';
const perfHooks = require('node:perf_hooks');
const { getHeapStatistics } = require('node:v8');
const { PerformanceObserver, constants } = perfHooks;

let observers = 0;
perfHooks.PerformanceObserver = class extends PerformanceObserver {
  constructor(callback) {
    observers++;
    super(callback);
  }
};
const extmem = require('../../dist/index.js');

const told = { minorCount: 0, majorCount: 0, pauseMs: 0 };
const own = new PerformanceObserver((list) => {
  for (const { duration, detail } of list.getEntries()) {
    told.pauseMs += duration;
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MINOR) told.minorCount++;
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) told.majorCount++;
  }
});
own.observe({ entryTypes: ['gc'] });
const session = extmem.start({ interval: '1h', destination: 'none' });
session.sample();

// What the start and the first sample collect is told to this program with the next turn of the loop.
setTimeout(() => {
  session.sample();
  Object.assign(told, { minorCount: 0, majorCount: 0, pauseMs: 0 });
  let chain = null;
  for (let i = 0; i < 3_000_000; i++) chain = [i % 1000 === 0 ? null : chain, i];
  gc();
  const heapUsedBytes = getHeapStatistics().used_heap_size;
  gc();
  const { gc: counted, afterMajorGc } = session.sample().v8;
  const whenTold = setInterval(() => {
    if (told.majorCount < 2) return;
    clearInterval(whenTold);
    own.disconnect();
    session.stop();
    gc();
    console.log(JSON.stringify({ observers, counted, told, afterMajorGc, heapUsedBytes }));
  }, 10);
}, 50);
