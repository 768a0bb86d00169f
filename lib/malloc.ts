/**
 * The C allocator's account beside its resident memory.
 *
 * `retained` and `untouched` are differences between the ledger and the counters, so they are taken only when both
 * were read in the same pass, and kept until the next such pass.
 */
import { known, type Pass } from './pass.js';
import type { External, Malloc, V8Heap } from './sample.js';

/** Both sources belong together when they were read within this time of each other. */
const samePassMs = 1000;

interface Difference {
  readonly retainedBytes: number;
  readonly untouchedBytes: number;
}

const v8Major = Number.parseInt(process.versions.v8, 10);

/**
 * What no counter of V8 explains: in use − Buffers − strings and external stores − V8's zones, with and without what
 * addons declared (a negative declaration is an anomaly, not a credit). Where `external` is below `arrayBuffers` the stores beyond it (SharedArrayBuffers, Blobs) are
 * already in `arrayBuffers`, so nothing is left to subtract; `external.anomalies` names that state.
 */
function nativeRange(
  inUseBytes: number,
  pass: Pass,
  external: External,
  v8: V8Heap,
  buffersBytes: number,
): [number, number] {
  const wasmBytes = known(pass.leafWasm) ?? 0;
  const resizableBytes = known(pass.leafResizableBuffers) ?? 0;
  // V8 counts WebAssembly memory as external up to 13, and as declared only from 14; resizable buffers from 13.
  const notMalloc = (v8Major < 14 ? wasmBytes : 0) + (v8Major >= 13 ? resizableBytes : 0);
  const stores = Math.max(0, external.externalBytes - (external.arrayBuffersBytes ?? 0) - notMalloc);
  const high = inUseBytes - buffersBytes - stores - v8.mallocedBytes;
  const declared = Math.max(0, (external.declaredByAddonsBytes ?? 0) - (v8Major >= 14 ? wasmBytes : 0));
  return [high - declared, high];
}

export class MallocAccount {
  readonly #allocator: string;
  #difference: Difference | null = null;
  #differenceAtMs = Number.NaN;

  constructor(allocator: string) {
    this.#allocator = allocator;
  }

  /** @param otherArrayBuffersBytes array buffers of the other isolates: their stores are malloc too. */
  compose(
    pass: Pass,
    nowMs: number,
    external: External,
    v8: V8Heap,
    otherArrayBuffersBytes: number,
    stopped: string | null,
  ): Malloc {
    const inUseBytes = known(pass.mallocInUseBytes);
    if (
      inUseBytes !== null &&
      pass.ledgerAtMs !== this.#differenceAtMs &&
      Math.abs(pass.ledgerAtMs - pass.mallocAtMs) <= samePassMs
    ) {
      this.#differenceAtMs = pass.ledgerAtMs;
      this.#difference = {
        retainedBytes: Math.max(0, pass.leafMalloc - inUseBytes),
        untouchedBytes: Math.max(0, inUseBytes - pass.leafMalloc),
      };
    }
    const buffersBytes =
      external.arrayBuffersBytes === null ? null : external.arrayBuffersBytes + otherArrayBuffersBytes;
    const reclaimable = known(pass.mallocReclaimableBytes);
    const reclaimableAgeMs = reclaimable === null ? null : Math.max(0, Math.round(nowMs - pass.mallocReclaimableAtMs));
    const retainedBytes = this.#difference?.retainedBytes ?? null;
    return {
      allocator: this.#allocator,
      ageMs: Number.isNaN(pass.mallocAtMs) ? null : Math.max(0, Math.round(nowMs - pass.mallocAtMs)),
      inUseBytes,
      systemBytes: known(pass.mallocSystemBytes),
      retainedBytes,
      reclaimableBytes:
        reclaimable === null || retainedBytes === null ? reclaimable : Math.min(reclaimable, retainedBytes),
      reclaimableAgeMs,
      untouchedBytes: this.#difference?.untouchedBytes ?? null,
      buffersBytes: inUseBytes === null || buffersBytes === null ? null : Math.min(buffersBytes, inUseBytes),
      nativeBytes:
        inUseBytes === null || buffersBytes === null ? null : nativeRange(inUseBytes, pass, external, v8, buffersBytes),
      stopped,
    };
  }
}
