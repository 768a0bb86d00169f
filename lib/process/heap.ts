/** V8's own account of this isolate, and the counters of what JavaScript holds outside its heap. */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { Binding } from '../binding/binding.js';
import type { External, HeapSpace, V8Heap } from '../sample.js';
import { MiB } from '../text.js';
import type { GcWatch } from './gc.js';

/** What of process.memoryUsage() V8's heap statistics do not tell. */
export interface Outside {
  readonly rssBytes: number | null;
  readonly externalBytes: number;
  readonly arrayBuffersBytes: number | null;
}

/** process.memoryUsage() throws where /proc is missing, since it reads the RSS there; V8's own counters still work. */
export function readOutside(): Outside {
  try {
    const { rss, external, arrayBuffers } = process.memoryUsage();
    return { rssBytes: rss, externalBytes: external, arrayBuffersBytes: arrayBuffers };
  } catch {
    return { rssBytes: null, externalBytes: getHeapStatistics().external_memory, arrayBuffersBytes: null };
  }
}

/** Committed and used bytes of this isolate. 10 to 20 µs, whatever the size of the heap. */
export function readHeap(collections: GcWatch | null): V8Heap {
  const heap = getHeapStatistics();
  const spaces: Record<string, HeapSpace> = {};
  for (const space of getHeapSpaceStatistics()) {
    if (space.space_size === 0 && space.space_used_size === 0) continue;
    spaces[space.space_name] = {
      usedBytes: space.space_used_size,
      committedBytes: space.space_size,
      physicalBytes: space.physical_space_size,
    };
  }
  return {
    heapUsedBytes: heap.used_heap_size,
    heapTotalBytes: heap.total_heap_size,
    heapPhysicalBytes: heap.total_physical_size,
    heapLimitBytes: heap.heap_size_limit,
    mallocedBytes: heap.malloced_memory,
    nativeContexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    spaces,
    gc: collections?.take() ?? null,
    afterMajorGc: collections?.afterMajor() ?? null,
  };
}

/**
 * The sources of Node's own modules are static strings that V8 counts as external and nobody declares: 1.5 MiB at start,
 * more as modules are loaded. Below this, `declared < external` says nothing.
 */
const toleranceBytes = 8 * MiB;

const v8Major = Number.parseInt(process.versions.v8, 10);

/**
 * The three counters of V8 and Node, raw, with what is known to be wrong about them named instead of corrected:
 * none contains the others (docs/how-it-works.md, "Three counters"), and a clamp would turn a bug of an addon into a
 * plausible number.
 *
 * @param wasmBytes resident WebAssembly memory of the process by the ledger, or `null`.
 */
export function readExternal(binding: Binding | null, outside: Outside, wasmBytes: number | null): External {
  const { externalBytes, arrayBuffersBytes } = outside;
  const declared = binding === null ? null : binding.declaredBytes();
  const anomalies: string[] = [];
  if (declared !== null && declared < -toleranceBytes) anomalies.push('declared-negative');
  if (declared !== null && externalBytes - declared > toleranceBytes) anomalies.push('declared-below-external');
  if (arrayBuffersBytes !== null && arrayBuffersBytes > externalBytes) anomalies.push('stores-without-array-buffer');
  if (wasmBytes !== null && wasmBytes > 0) {
    // Grown memories are counted twice up to V8 12 and nowhere from 14; from 14 `external` has no wasm at all.
    if (v8Major <= 12) anomalies.push('wasm-grow-counted-twice');
    if (v8Major >= 14) anomalies.push('wasm-grow-not-counted');
  }
  return {
    externalBytes,
    arrayBuffersBytes,
    declaredBytes: declared,
    declaredByAddonsBytes: declared === null ? null : declared - externalBytes,
    anomalies,
  };
}
