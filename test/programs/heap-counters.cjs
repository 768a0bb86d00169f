// Prints what a sample says of this isolate's heap beside what node:v8 and process.memoryUsage() say before and after it,
// and of a worker's the same. Whether node:v8 was loaded before this program did, it says too.
'use strict';
const { isMainThread, parentPort, Worker } = require('node:worker_threads');

const loadedBefore = process.moduleLoadList.includes('NativeModule v8');
const extmem = require('../../dist/index.js');

let capability = null;
const destination = (line) => {
  const { extmem: record } = JSON.parse(line);
  if (record.kind === 'start') capability = record.capabilities.heapCounters;
};
const session = extmem.start({ interval: '1h', destination });
if (isMainThread) session.sample();
const loaded = process.moduleLoadList.includes('NativeModule v8') && !loadedBefore;
const v8 = require('node:v8');

const held = [new ArrayBuffer(3e6), new SharedArrayBuffer(1e6), new Array(1e5).fill(0.5)];
const told = () => ({ heap: v8.getHeapStatistics(), spaces: v8.getHeapSpaceStatistics(), node: process.memoryUsage() });

// The pass itself allocates on the heap, and a collection may come, of the young space too: then before and after do not
// enclose what it saw.
const grew = (before, after) =>
  after.heap.used_heap_size > before.heap.used_heap_size &&
  after.spaces.every((space, i) => space.space_used_size >= before.spaces[i].space_used_size);
function enclosed() {
  for (;;) {
    extmem.snapshot();
    const before = told();
    const { v8: heap, external } = extmem.snapshot();
    const after = told();
    if (grew(before, after)) return { before, heap, external, after };
  }
}

if (isMainThread) {
  const main = enclosed();
  const worker = new Worker(__filename);
  worker.on('message', (inWorker) => {
    console.log(JSON.stringify({ capability, loaded, main, inWorker, held: held.length }));
    session.stop();
    void worker.terminate();
  });
} else parentPort.postMessage(enclosed());
