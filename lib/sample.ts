/**
 * The vocabulary of the project: what one look at the process yields.
 *
 * Every fact becomes a field of a `Sample`; every judgement is a function of a window of Samples. A Sample is written
 * as it stands under `extmem` of a `sample` line, so these types are the log format too (docs/log-format.md).
 *
 * Units are in the names; bytes are integers. `null` means unknown, and is never written as 0. Keys are only added.
 */

/** Resident bytes by owner. The values sum to the `rssBytes` of the ledger they belong to, exactly. */
export interface LeafBytes {
  /** V8 heap pages and its read-only space, all isolates. */
  readonly v8Heap: number;
  /** Code ranges of all isolates. */
  readonly v8Code: number;
  /** Other mappings of V8: tables, cages, cppgc, zones. */
  readonly v8Other: number;
  /** Resizable ArrayBuffers and growable SharedArrayBuffers, which V8 maps itself. */
  readonly resizableBuffers: number;
  /** WebAssembly memories. */
  readonly wasm: number;
  /** What the C allocator holds: brk heap, thread arenas, mmapped chunks. Most Buffers live here. */
  readonly malloc: number;
  /** The main stack and the stacks of threads, with those that glibc caches after a thread ended. */
  readonly stacks: number;
  /** Mapped files, with the .bss of loaded objects. */
  readonly files: number;
  /** Shared mappings that other processes may hold too: shm, memfd, io_uring. */
  readonly shared: number;
  /** Small mappings of the runtime itself: vdso, the loader, abseil's arena. */
  readonly runtime: number;
  /** Anonymous mappings whose caller is known. */
  readonly mmap: number;
  /** Anonymous mappings that nobody claims. */
  readonly unattributed: number;
}

/** One pass over /proc/self/smaps. Splits are "of which" rows of a leaf and are never added to the sum. */
export interface Ledger {
  /** Age of the pass when the sample was taken. */
  readonly ageMs: number;
  /** Resident bytes by this pass: the sum over all mappings, and the sum of the leaves. */
  readonly rssBytes: number;
  /** Proportional share: pages shared with other mappings count by their part. Near to what a container is charged. */
  readonly pssBytes: number;
  readonly mappings: number;
  readonly leafBytes: LeafBytes;
  readonly files: { readonly cleanBytes: number; readonly dirtyBytes: number; readonly bssBytes: number };
  readonly malloc: { readonly brkBytes: number; readonly arenaBytes: number; readonly mmappedBytes: number };
  readonly stacks: { readonly liveThreads: number; readonly cachedThreads: number };
}

/** What the C allocator says of itself. Virtual bytes, apart from the three that are named resident. */
export interface Malloc {
  /** `glibc`, `jemalloc`, `tcmalloc`, `mimalloc` or `unknown`. */
  readonly allocator: string;
  /** Age of the counters; they are not read on every tick when a read is slow. `null` when never read. */
  readonly ageMs: number | null;
  /** Handed out and not freed. */
  readonly inUseBytes: number | null;
  /** Resident, but free: the leaf `malloc` minus what is in use. */
  readonly retainedBytes: number | null;
  /** The part of `retainedBytes` that a trim would give back to the system. An estimate from bin sizes. */
  readonly reclaimableBytes: number | null;
  /** In use, but never touched, so not resident. */
  readonly untouchedBytes: number | null;
  /** Why the counters are no longer read, or `null`. */
  readonly stopped: string | null;
}
