/**
 * V8's counters of this isolate, and Node's of its ArrayBuffers. The addon reads them from V8, all in one call that makes
 * no objects; where they are not where it looks, Node is asked, whose `node:v8` takes milliseconds to load, and whose
 * process.memoryUsage() reads a file of /proc each time for a figure that the reader thread has.
 */
import type { Binding, HeapNumbers, HeapSpaceNumbers } from '../binding/binding.js';
import { FieldReader } from '../binding/fields.js';
import type { HeapSpace } from '../sample.js';

export interface HeapCounters {
  /** Why Node is asked; `null` when the addon reads them. */
  readonly unavailable: string | null;
  /** As of now. Valid until the next call. */
  read(): HeapNumbers;
  /** As of the last `read()`: those that are not empty. */
  spaces(): Record<string, HeapSpace>;
}

function isWithin(value: number, a: number, b: number): boolean {
  return value >= Math.min(a, b) && value <= Math.max(a, b);
}

class CountersByAddon implements HeapCounters {
  readonly unavailable = null;
  readonly #reader: FieldReader<HeapNumbers>;
  readonly #spaceNames: readonly string[];
  readonly #fieldsOfSpace: number;
  /** Where each stands in the row of a space. */
  readonly #used: number;
  readonly #committed: number;
  readonly #physical: number;

  constructor(binding: Binding, spaceNames: readonly string[]) {
    this.#spaceNames = spaceNames;
    const { heapFields, heapSpaceFields } = binding;
    const at = (name: keyof HeapSpaceNumbers) => heapSpaceFields.indexOf(name);
    this.#fieldsOfSpace = heapSpaceFields.length;
    [this.#used, this.#committed, this.#physical] = [at('usedBytes'), at('committedBytes'), at('physicalBytes')];
    const unnamed = spaceNames.length * heapSpaceFields.length;
    this.#reader = new FieldReader(heapFields, (into) => binding.heapCounters(into), unnamed);
  }

  read(): HeapNumbers {
    return this.#reader.read();
  }

  spaces(): Record<string, HeapSpace> {
    const found: Record<string, HeapSpace> = {};
    const { unnamed } = this.#reader;
    let start = 0;
    for (const name of this.#spaceNames) {
      const usedBytes = unnamed[start + this.#used] ?? Number.NaN;
      const committedBytes = unnamed[start + this.#committed] ?? Number.NaN;
      const physicalBytes = unnamed[start + this.#physical] ?? Number.NaN;
      if (committedBytes !== 0 || usedBytes !== 0) found[name] = { usedBytes, committedBytes, physicalBytes };
      start += this.#fieldsOfSpace;
    }
    return found;
  }
}

class CountersByNode implements HeapCounters {
  readonly unavailable: string;
  readonly #v8 = require('node:v8') as typeof import('node:v8');

  constructor(unavailable: string) {
    this.unavailable = unavailable;
  }

  read(): HeapNumbers {
    const heap = this.#v8.getHeapStatistics();
    return {
      heapUsedBytes: heap.used_heap_size,
      heapTotalBytes: heap.total_heap_size,
      heapPhysicalBytes: heap.total_physical_size,
      heapLimitBytes: heap.heap_size_limit,
      mallocedBytes: heap.malloced_memory,
      externalBytes: heap.external_memory,
      arrayBuffersBytes: arrayBuffersByNode(),
      nativeContexts: heap.number_of_native_contexts,
      detachedContexts: heap.number_of_detached_contexts,
    };
  }

  spaces(): Record<string, HeapSpace> {
    const found: Record<string, HeapSpace> = {};
    for (const space of this.#v8.getHeapSpaceStatistics()) {
      if (space.space_size === 0 && space.space_used_size === 0) continue;
      found[space.space_name] = {
        usedBytes: space.space_used_size,
        committedBytes: space.space_size,
        physicalBytes: space.physical_space_size,
      };
    }
    return found;
  }
}

/** process.memoryUsage() throws where /proc is missing, since it reads the RSS there; V8's own counters still work. */
function arrayBuffersByNode(): number {
  try {
    return process.memoryUsage().arrayBuffers;
  } catch {
    return Number.NaN;
  }
}

/** @returns counters that were held against those of Node, or why there are none. */
function byAddon(binding: Binding): HeapCounters | string {
  // The figure to look for is then no small one, which could be found anywhere.
  const held = new ArrayBuffer(4097);
  // A collection in between makes figures smaller, and V8 frees ArrayBuffers on another thread; three times in a row
  // do not happen.
  for (let attempt = 0; attempt < 3; attempt++) {
    let before: NodeJS.MemoryUsage;
    try {
      before = process.memoryUsage();
    } catch {
      return 'process.memoryUsage() cannot be read, so the heap counters of the addon cannot be tried: Node is asked for them';
    }
    const spaceNames = binding.findHeapCounters(before.arrayBuffers);
    if (spaceNames === null || held.byteLength === 0) continue;
    const counters = new CountersByAddon(binding, spaceNames);
    const { heapUsedBytes, heapTotalBytes, externalBytes, arrayBuffersBytes } = counters.read();
    const after = process.memoryUsage();
    const agrees =
      isWithin(heapUsedBytes, before.heapUsed, after.heapUsed) &&
      isWithin(heapTotalBytes, before.heapTotal, after.heapTotal) &&
      isWithin(externalBytes, before.external, after.external) &&
      isWithin(arrayBuffersBytes, before.arrayBuffers, after.arrayBuffers);
    if (agrees) return counters;
  }
  return 'the heap counters of this V8 are not where the addon looks for them: Node is asked for them, which takes longer';
}

let counters: HeapCounters | undefined;

/** Of this isolate; tried out at the first call. */
export function heapCounters(binding: Binding | null): HeapCounters {
  if (counters === undefined) {
    const found = binding === null ? 'the addon is missing' : byAddon(binding);
    counters = typeof found === 'string' ? new CountersByNode(found) : found;
  }
  return counters;
}
