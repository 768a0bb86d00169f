/**
 * The heaps of the other isolates of this process. A worker's heap is invisible from the main thread, so each isolate
 * that joins publishes its own numbers into a process-wide table of the addon, and the sampling isolate reads it.
 */
import type { Binding, IsolateNumbers } from '../binding/binding.js';
import { ageMs, monotonicMs } from '../binding/clock.js';
import { orNull, rowsOf } from '../binding/fields.js';
import type { Isolate } from '../sample.js';
import { heapCounters } from './heap-counters.js';

/** Only where there are workers: loading it changes `process` on Node 20 and 22, which a program may have frozen. */
function ownThreadId(): number {
  return (require('node:worker_threads') as typeof import('node:worker_threads')).threadId;
}

/** Tells the process about this isolate. Cheap: no lock is held while V8 is asked. */
export function publishIsolate(binding: Binding): void {
  const { heapUsedBytes, heapTotalBytes, externalBytes, arrayBuffersBytes } = heapCounters(binding).read();
  const numbers: IsolateNumbers = {
    threadId: ownThreadId(),
    atMs: monotonicMs(),
    heapUsedBytes,
    heapTotalBytes,
    externalBytes,
    arrayBuffersBytes,
    declaredBytes: binding.declaredBytes(),
  };
  binding.publishIsolate(Float64Array.from(binding.isolateFields, (name) => numbers[name]));
}

/**
 * All other isolates that published, in no particular order. To the addon, a second copy of it in this isolate is another
 * one: what stands on the sample itself is left out.
 */
export function readIsolates(binding: Binding, nowMs: number): Isolate[] {
  const table = binding.isolates();
  const isolates: Isolate[] = [];
  if (table === undefined) return isolates;
  const ownId = ownThreadId();
  for (const numbers of rowsOf<IsolateNumbers>(binding.isolateFields, table)) {
    if (numbers.threadId === ownId) continue;
    isolates.push({
      threadId: numbers.threadId,
      ageMs: ageMs(numbers.atMs, nowMs),
      heapUsedBytes: numbers.heapUsedBytes,
      heapTotalBytes: numbers.heapTotalBytes,
      externalBytes: numbers.externalBytes,
      arrayBuffersBytes: orNull(numbers.arrayBuffersBytes),
      declaredBytes: orNull(numbers.declaredBytes),
    });
  }
  return isolates;
}
