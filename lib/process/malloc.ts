/**
 * The C allocator's account beside its resident memory.
 *
 * `retained` and `untouched` are differences between the ledger and the counters, so they are taken only when both
 * were read in the same pass, and kept until the next such pass.
 */

import type { PassNumbers } from '../binding/binding.js';
import { ageMs } from '../binding/clock.js';
import { orNull } from '../binding/fields.js';
import type { External, Isolate, Malloc, V8Heap } from '../sample.js';

/** Both sources belong together when they were read within this time of each other. */
const samePassMs = 1000;

interface Difference {
  readonly retainedBytes: number;
  readonly untouchedBytes: number;
}

/**
 * Where glibc tells what lies in chunks with a mapping of their own, these are taken apart: such a chunk has no free
 * part, so what is not resident of it was never touched, and must not hide what the arenas retain. Elsewhere the two
 * figures are net of each other: each is at least what it says.
 */
function difference(pass: PassNumbers, inUseBytes: number): Difference {
  const chunksBytes = orNull(pass.mallocMmappedCountBytes) ?? 0;
  const chunksResidentBytes = chunksBytes === 0 ? 0 : pass.mallocMmappedBytes;
  const arenasBytes = inUseBytes - chunksBytes;
  const arenasResidentBytes = pass.leafMalloc - chunksResidentBytes;
  return {
    retainedBytes: Math.max(0, arenasResidentBytes - arenasBytes),
    untouchedBytes: Math.max(0, chunksBytes - chunksResidentBytes) + Math.max(0, arenasBytes - arenasResidentBytes),
  };
}

const v8Major = Number.parseInt(process.versions.v8, 10);

/**
 * What no counter of V8 explains: in use − Buffers − strings and external stores − V8's zones, with and without what
 * addons declared (a negative declaration is an anomaly, not a credit). Where `external` is below `arrayBuffers` the stores beyond it (SharedArrayBuffers, Blobs) are
 * already in `arrayBuffers`, so nothing is left to subtract; `external.anomalies` names that state.
 */
function nativeRange(inUseBytes: number, pass: PassNumbers, outside: OutsideHeap, v8: V8Heap): [number, number] {
  const wasmBytes = orNull(pass.leafWasm) ?? 0;
  const resizableBytes = orNull(pass.leafResizableBuffers) ?? 0;
  // V8 counts WebAssembly memory as external up to 13, and as declared only from 14; resizable buffers from 13.
  const notMalloc = (v8Major < 14 ? wasmBytes : 0) + (v8Major >= 13 ? resizableBytes : 0);
  const stores = Math.max(0, outside.externalBytes - outside.arrayBuffersBytes - notMalloc);
  const high = inUseBytes - outside.arrayBuffersBytes - stores - v8.mallocedBytes;
  const declared = Math.max(0, outside.declaredByAddonsBytes - (v8Major >= 14 ? wasmBytes : 0));
  return [high - declared, high];
}

/** What all isolates that are known hold outside their heaps. */
interface OutsideHeap {
  readonly externalBytes: number;
  readonly arrayBuffersBytes: number;
  readonly declaredByAddonsBytes: number;
}

/** `null` where this isolate's ArrayBuffers are unknown. */
function sumOutside(external: External, isolates: readonly Isolate[]): OutsideHeap | null {
  if (external.arrayBuffersBytes === null) return null;
  let { externalBytes, arrayBuffersBytes } = external;
  let declaredByAddonsBytes = external.declaredByAddonsBytes ?? 0;
  for (const isolate of isolates) {
    externalBytes += isolate.externalBytes;
    arrayBuffersBytes += isolate.arrayBuffersBytes ?? 0;
    declaredByAddonsBytes += isolate.declaredBytes === null ? 0 : isolate.declaredBytes - isolate.externalBytes;
  }
  return { externalBytes, arrayBuffersBytes, declaredByAddonsBytes };
}

export class MallocAccount {
  readonly #allocator: string;
  #difference: Difference | null = null;
  #differenceAtMs = Number.NaN;

  constructor(allocator: string) {
    this.#allocator = allocator;
  }

  /** @param isolates the other isolates: what they hold outside their heaps is malloc of this process too. */
  compose(
    pass: PassNumbers,
    nowMs: number,
    external: External,
    v8: V8Heap,
    isolates: readonly Isolate[],
    stopped: string | null,
  ): Malloc {
    const inUseBytes = orNull(pass.mallocInUseBytes);
    if (
      inUseBytes !== null &&
      pass.ledgerAtMs !== this.#differenceAtMs &&
      Math.abs(pass.ledgerAtMs - pass.mallocAtMs) <= samePassMs
    ) {
      this.#differenceAtMs = pass.ledgerAtMs;
      this.#difference = difference(pass, inUseBytes);
    }
    const outside = sumOutside(external, isolates);
    const reclaimable = orNull(pass.mallocReclaimableBytes);
    const age = orNull(ageMs(pass.mallocAtMs, nowMs));
    const retainedBytes = this.#difference?.retainedBytes ?? null;
    return {
      allocator: this.#allocator,
      ageMs: age,
      inUseBytes,
      systemBytes: orNull(pass.mallocSystemBytes),
      retainedBytes,
      reclaimableBytes:
        reclaimable === null || retainedBytes === null ? reclaimable : Math.min(reclaimable, retainedBytes),
      reclaimableAgeMs: reclaimable === null ? null : age,
      untouchedBytes: this.#difference?.untouchedBytes ?? null,
      buffersBytes: inUseBytes === null || outside === null ? null : Math.min(outside.arrayBuffersBytes, inUseBytes),
      nativeBytes: inUseBytes === null || outside === null ? null : nativeRange(inUseBytes, pass, outside, v8),
      stopped,
    };
  }
}
