/** V8's own account of this isolate, and the counters of what JavaScript holds outside its heap. */
import type { Binding, HeapNumbers } from '../binding/binding.js';
import { orNull } from '../binding/fields.js';
import type { External, V8Heap } from '../sample.js';
import { MiB } from '../text.js';
import type { GcWatch } from './gc.js';
import type { HeapCounters } from './heap-counters.js';

/** Committed and used bytes of this isolate, as of the last reading of `counters`, which is `numbers`. */
export function composeHeap(numbers: HeapNumbers, counters: HeapCounters, collections: GcWatch | null): V8Heap {
  return {
    heapUsedBytes: numbers.heapUsedBytes,
    heapTotalBytes: numbers.heapTotalBytes,
    heapPhysicalBytes: numbers.heapPhysicalBytes,
    heapLimitBytes: numbers.heapLimitBytes,
    mallocedBytes: numbers.mallocedBytes,
    nativeContexts: numbers.nativeContexts,
    detachedContexts: numbers.detachedContexts,
    spaces: counters.spaces(),
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
export function readExternal(binding: Binding | null, numbers: HeapNumbers, wasmBytes: number | null): External {
  const { externalBytes } = numbers;
  const arrayBuffersBytes = orNull(numbers.arrayBuffersBytes);
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
