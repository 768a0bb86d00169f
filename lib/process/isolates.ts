/**
 * The heaps of the other isolates of this process. A worker's heap is invisible from the main thread, so each isolate
 * that joins publishes its own numbers into a process-wide table of the addon, and the sampling isolate reads it.
 */
import { getHeapStatistics } from 'node:v8';
import { threadId } from 'node:worker_threads';
import type { Binding } from '../binding/binding.js';
import { known, monotonicMs } from '../binding/pass.js';
import type { Isolate } from '../sample.js';
import { readOutside } from './heap.js';

/** Numbers in a row of the addon's table. */
const rowLength = 8;

/** Tells the process about this isolate. Cheap: no lock is held while V8 is asked. */
export function publishIsolate(binding: Binding): void {
  const heap = getHeapStatistics();
  const { externalBytes, arrayBuffersBytes } = readOutside();
  const row = new Float64Array(rowLength);
  row.set([
    threadId,
    monotonicMs(),
    heap.used_heap_size,
    heap.total_heap_size,
    externalBytes,
    arrayBuffersBytes ?? Number.NaN,
    binding.declaredBytes(),
  ]);
  binding.publishIsolate(row);
}

/** All other isolates that published, in no particular order. */
export function readIsolates(binding: Binding, nowMs: number): Isolate[] {
  const table = binding.isolates();
  const isolates: Isolate[] = [];
  if (table === undefined) return isolates;
  for (let start = 0; start + rowLength <= table.length; start += rowLength) {
    const at = (column: number) => table[start + column] ?? Number.NaN;
    isolates.push({
      threadId: at(0),
      ageMs: Math.max(0, Math.round(nowMs - at(1))),
      heapUsedBytes: at(2),
      heapTotalBytes: at(3),
      externalBytes: at(4),
      arrayBuffersBytes: known(at(5)),
      declaredBytes: known(at(6)),
    });
  }
  return isolates;
}
