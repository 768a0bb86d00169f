/**
 * The vocabulary of the project: what one look at the process yields.
 *
 * Every fact becomes a field of a `Sample`; every judgement is a function of a window of Samples. A Sample is written
 * as it stands under `extmem` of a `sample` line, so these types are the log format too (docs/log-format.md).
 *
 * Units are in the names; bytes are integers. `null` means unknown, and is never written as 0. Keys are only added.
 */

import type { Site, StreamSite } from './site.js';

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
  readonly swapBytes: number;
  readonly mappings: number;
  /** The kernel's text ended early or held a line that is not understood: the sum is of what was read. */
  readonly truncated: boolean;
  /** Mappings whose first bytes could not be looked at; they stand on the leaf that their flags tell. */
  readonly peekFailures: number;
  readonly leafBytes: LeafBytes;
  readonly files: { readonly cleanBytes: number; readonly dirtyBytes: number; readonly bssBytes: number };
  readonly malloc: { readonly brkBytes: number; readonly arenaBytes: number; readonly mmappedBytes: number };
  readonly stacks: { readonly liveThreads: number | null; readonly cachedThreads: number | null };
}

/** What the C allocator says of itself. Virtual bytes, but for `retainedBytes` and `reclaimableBytes`, which are resident. */
export interface Malloc {
  /** `glibc`, `jemalloc`, `tcmalloc`, `mimalloc` or `unknown`. */
  readonly allocator: string;
  /** Age of the counters; they are not read on every tick when a read is slow. `null` when never read. */
  readonly ageMs: number | null;
  /** Handed out and not freed. */
  readonly inUseBytes: number | null;
  /** Taken from the system and not given back, by the allocator's own account. */
  readonly systemBytes: number | null;
  /** Resident, but free. Under allocators other than glibc: at least this much. */
  readonly retainedBytes: number | null;
  /** The part of `retainedBytes` that a trim would give back to the system. An estimate from bin sizes. */
  readonly reclaimableBytes: number | null;
  /** Age of that estimate: `ageMs`, since one walk tells both; `null` where there is no estimate. */
  readonly reclaimableAgeMs: number | null;
  /** In use, but never touched, so not resident. */
  readonly untouchedBytes: number | null;
  /** The part in use that backs ArrayBuffers and Buffers of this isolate. */
  readonly buffersBytes: number | null;
  /**
   * In use and explained by no counter of V8: what addons and Node's libraries allocated. A range, because what addons
   * declared to V8 may or may not be malloc. Static strings that V8 counts as external make it up to some MiB too low; a
   * bound further below zero means that somebody declared more than there is.
   */
  readonly nativeBytes: readonly [low: number, high: number] | null;
  /** Why the counters are no longer read, or `null`. */
  readonly stopped: string | null;
}

export interface HeapSpace {
  readonly usedBytes: number;
  readonly committedBytes: number;
  readonly physicalBytes: number;
}

export interface GcTotals {
  /** Collections since the last line, by kind: minor = scavenges, major = mark-compact. */
  readonly minorCount: number;
  readonly majorCount: number;
  /** Incremental marking steps and weak-callback phases. */
  readonly otherCount: number;
  readonly pauseMs: number;
}

/** The JS heap as it stood after the last major collection. */
export interface AfterMajorGc {
  readonly heapUsedBytes: number;
  readonly ageMs: number;
}

/** V8's account of the isolate that samples. */
export interface V8Heap {
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapPhysicalBytes: number;
  readonly heapLimitBytes: number;
  /** Zones of the compiler and parser, by malloc. */
  readonly mallocedBytes: number;
  readonly nativeContexts: number;
  readonly detachedContexts: number;
  readonly spaces: Readonly<Record<string, HeapSpace>>;
  /** `null` outside a session: nobody counted. */
  readonly gc: GcTotals | null;
  /** `null` until the first major collection: healthy services may not have one for minutes. */
  readonly afterMajorGc: AfterMajorGc | null;
}

/** What JavaScript holds outside its heap. The three counters overlap and none contains another. */
export interface External {
  /** Live ArrayBuffers, external strings, and WebAssembly memory up to V8 13. */
  readonly externalBytes: number;
  /** All stores of Node's allocator: ArrayBuffers, SharedArrayBuffers, Blob stores. `null` without /proc. */
  readonly arrayBuffersBytes: number | null;
  /** All of `externalBytes` and what addons and Node declared by napi_adjust_external_memory. */
  readonly declaredBytes: number | null;
  /** `declaredBytes - externalBytes`, signed: negative means that an addon released more than it declared. */
  readonly declaredByAddonsBytes: number | null;
  /** Known disagreements between the counters that show now; ids are explained in docs/log-format.md. */
  readonly anomalies: readonly string[];
}

/** The heap of another isolate of this process, as that isolate published it. */
export interface Isolate {
  readonly threadId: number;
  readonly ageMs: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly arrayBuffersBytes: number | null;
  readonly declaredBytes: number | null;
}

export interface ProcessNumbers {
  readonly threads: number | null;
  /** Worker threads that the sampling isolate started and that run; `null` outside a session. */
  readonly workers: number | null;
  readonly fdCount: number | null;
  /** How long ago they were counted: each costs a system call, so tens of thousands are not counted on every line. */
  readonly fdsAgeMs: number | null;
  readonly fds: {
    readonly files: number;
    readonly sockets: number;
    readonly pipes: number;
    readonly other: number;
  } | null;
  /** Active timers of the sampling isolate that keep the process running. Node cannot list those that were unref'd. */
  readonly timers: number;
  /** What keeps the event loop of the sampling isolate alive, by the type that Node names. */
  readonly resources: Readonly<Record<string, number>>;
}

/** The `streams` part of a sample. */
export interface StreamsSample {
  /** Exact, since the session began. */
  readonly created: number;
  readonly open: number;
  readonly openError: number;
  readonly held: number;
  /** The held ones that do not merely wait for a silent peer, and the lost ones: what the verdict `streams` goes by. */
  readonly idle: number;
  /** Idle, but not proven to be held: no two major collections came since. */
  readonly unproven: number;
  readonly lost: number;
  readonly bufferedBytes: number;
  /** Major collections seen since the session began. */
  readonly collections: number;
  /** Streams under observation. In busy classes one of these stands for many. */
  readonly tracked: number;
  /** Streams and sites that did not fit into the tables. Above 0, the figures are lower bounds. */
  readonly overflowed: number;
  /** Sites whose forgotten streams keep rising, at most 10: first those that hold them, the fastest first. */
  readonly suspects: readonly StreamSite[];
}

/** The `native` part of a sample. Bytes are estimates from samples, with the half-width of their 95 % interval. */
export interface NativeNumbers {
  readonly liveBytes: number;
  readonly liveBytesError: number;
  readonly liveCount: number;
  readonly allocatedBytes: number;
  readonly freedBytes: number;
  /** Mapped by addons and libraries themselves, and committed to WebAssembly memories; not in `liveBytes`. */
  readonly mappedBytes: number;
  /** Mean bytes between samples now; more than asked for while the limit of samples per second of CPU time presses. */
  readonly sampleBytes: number;
  readonly samples: number;
  readonly tracked: number;
  /** Samples and mappings that their table had no room for: not in the live numbers. */
  readonly dropped: number;
  /** Stacks and frames that their table had no room for: their bytes have no site. */
  readonly stacksDropped: number;
  /** Frees that were not seen: their blocks were counted as live until their address was used again. */
  readonly missedFrees: number;
  readonly coverage: { readonly objects: number; readonly patched: number; readonly slots: number };
}

/** The memory limit that applies, and what of it cannot be reclaimed. */
export interface Limit {
  readonly bytes: number | null;
  readonly source: 'cgroup-v2' | 'cgroup-v1' | 'physical' | 'option';
  /** Unreclaimable use, of everything under that limit. */
  readonly usedBytes: number | null;
  readonly usedRatio: number | null;
  /** Time until the limit is reached at the growth found: [low, high], or `null` when no growth was found. */
  readonly etaMs: readonly [low: number, high: number] | null;
}

/** Work done since the previous sample, against which growth is held. */
export interface Load {
  /** What the program counted by `session.addLoad()`, else HTTP requests; `null` while there were none of either. */
  readonly requests: number | null;
}

/** What the sampler itself costs. */
export interface Cost {
  /** Wall time that the previous tick took on the main thread, all its pieces. */
  readonly mainThreadUs: number | null;
  /** The longest piece of it: what a request may have had to wait for. */
  readonly longestUs: number | null;
  /** CPU of the reader thread since the previous sample. */
  readonly offThreadUs: number | null;
  /** Wall time of the last ledger pass. */
  readonly ledgerUs: number | null;
  /** Passes put off so that the ledger costs at most 0.5 % of a core. */
  readonly ledgerSkipped: number;
  /** Memory that the sampler holds outside the JS heap. */
  readonly ownBytes: number | null;
}

/** One look at the process. */
export interface Sample {
  readonly seq: number;
  /** Resident set size by the kernel's counter; approximate on machines with many CPUs, unlike `ledger.rssBytes`. */
  readonly rssBytes: number | null;
  /** `null` when /proc/self/smaps or the addon is missing. */
  readonly ledger: Ledger | null;
  readonly malloc: Malloc | null;
  readonly v8: V8Heap;
  readonly external: External;
  /** The other isolates that joined by calling `start()`. */
  readonly isolates: readonly Isolate[];
  readonly process: ProcessNumbers;
  /** Streams that the sampling isolate created; `null` outside a session and with `streams: false`. */
  readonly streams: StreamsSample | null;
  readonly limit: Limit;
  /** What the native profiler samples; `null` when it does not run. */
  readonly native: NativeNumbers | null;
  /** `null` outside a session. */
  readonly load: Load | null;
  readonly cost: Cost;
  /** Live bytes by allocation site; only on some samples. */
  readonly sites?: readonly Site[];
  /** Once for each capability of which the start line said something else: `true`, or the reason why it is missing. */
  readonly capabilities?: Readonly<Record<string, true | string>>;
}
