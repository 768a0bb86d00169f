// Generated from the tables of native/ (native/binding/declaration.h says which) by scripts/binding-types.mjs. Do not edit.

/** What passes found, read by `read()`; NaN is unknown. */
export interface PassNumbers {
  /** when the quick part ran, CLOCK_MONOTONIC, the clock of process.hrtime(). */
  readonly quickAtMs: number;
  /** resident set by /proc/self/statm. */
  readonly rssBytes: number;
  /** threads of the process, our reader included. */
  readonly threads: number;
  /** open file descriptors, without the one this count needed. */
  readonly fdCount: number;
  /** of which regular files and directories. */
  readonly fdFiles: number;
  /** of which sockets. */
  readonly fdSockets: number;
  /** of which pipes and FIFOs. */
  readonly fdPipes: number;
  /** of which the rest: epoll, eventfd, timers, terminals, devices. */
  readonly fdOther: number;
  /** when they were counted, same clock. */
  readonly fdAtMs: number;
  /** CPU of that count. */
  readonly fdCpuUs: number;
  /** when the pass over smaps ended, same clock. */
  readonly ledgerAtMs: number;
  /** how long that pass took. */
  readonly ledgerWallUs: number;
  /** CPU of that pass, on the thread that ran it. */
  readonly ledgerCpuUs: number;
  /** sum of Rss over all mappings; the leaves sum to it exactly. */
  readonly ledgerRssBytes: number;
  /** sum of Pss over all mappings. */
  readonly ledgerPssBytes: number;
  /** number of mappings. */
  readonly ledgerMappings: number;
  /** V8 heap pages and read-only space, all isolates. */
  readonly leafV8Heap: number;
  /** code ranges. */
  readonly leafV8Code: number;
  /** other mappings of V8. */
  readonly leafV8Other: number;
  /** resizable ArrayBuffers, growable SharedArrayBuffers. */
  readonly leafResizableBuffers: number;
  /** WebAssembly memories. */
  readonly leafWasm: number;
  /** brk heap, thread arenas, mmapped chunks, or the mappings of a preloaded allocator. */
  readonly leafMalloc: number;
  /** main stack, thread stacks, cached stacks of ended threads. */
  readonly leafStacks: number;
  /** mapped files and the .bss of loaded objects. */
  readonly leafFiles: number;
  /** shm, memfd, devices, io_uring. */
  readonly leafShared: number;
  /** vdso, loader, arena of abseil, our own workspace. */
  readonly leafRuntime: number;
  /** anonymous mappings of known callers. */
  readonly leafMmap: number;
  /** anonymous mappings that nobody claims. */
  readonly leafUnattributed: number;
  /** of leafFiles: page cache. */
  readonly filesCleanBytes: number;
  /** of leafFiles: private copies of written pages. */
  readonly filesDirtyBytes: number;
  /** of leafFiles: .bss. */
  readonly filesBssBytes: number;
  /** of leafMalloc: [heap], and the main arena grown by mmap. */
  readonly mallocBrkBytes: number;
  /** of leafMalloc: thread arenas. */
  readonly mallocArenaBytes: number;
  /** of leafMalloc: mmapped chunks, and all mappings of a preloaded allocator. */
  readonly mallocMmappedBytes: number;
  /** stacks whose thread lives (without the main thread). */
  readonly stacksLiveThreads: number;
  /** stacks that glibc keeps after their thread ended. */
  readonly stacksCachedThreads: number;
  /** sum of Swap over all mappings. */
  readonly ledgerSwapBytes: number;
  /** 1 when smaps ended early or had more mappings than the table holds, else 0. */
  readonly ledgerTruncated: number;
  /** reads of our own memory that were refused or raced with an munmap. */
  readonly ledgerPeekFailures: number;
  /** when the counters were read, same clock. */
  readonly mallocAtMs: number;
  /** CPU time of the call into the allocator; glibc's holds the arena lock. */
  readonly mallocCallUs: number;
  /** handed out and not freed, by the allocator's own account (virtual). */
  readonly mallocInUseBytes: number;
  /** held from the system, by the allocator's own account (virtual). */
  readonly mallocSystemBytes: number;
  /** of which in mmapped chunks (glibc: hblkhd). */
  readonly mallocMmappedCountBytes: number;
  /** what malloc_trim(0) would return if all of it is resident (estimate). */
  readonly mallocReclaimableBytes: number;
  /** CPU of our reader thread since it was started. */
  readonly threadCpuUs: number;
  /** memory of our own workspaces. */
  readonly ownBytes: number;
}

/** What an isolate publishes of itself; NaN is unknown. */
export interface IsolateNumbers {
  /** of node:worker_threads; 0 is the main thread. */
  readonly threadId: number;
  /** when the row was filled, CLOCK_MONOTONIC, the clock of process.hrtime(). */
  readonly atMs: number;
  /** used_heap_size of V8. */
  readonly heapUsedBytes: number;
  /** total_heap_size of V8. */
  readonly heapTotalBytes: number;
  /** external memory by V8's own account. */
  readonly externalBytes: number;
  /** of ArrayBuffers, by Node's account; NaN is unknown. */
  readonly arrayBuffersBytes: number;
  /** external memory declared by anybody, see `declaredBytes()`. */
  readonly declaredBytes: number;
}

/** The collections of this isolate, read by `collectionCounters()`. */
export interface CollectionNumbers {
  /** collections of the young generation. */
  readonly minorCount: number;
  /** of the whole heap. */
  readonly majorCount: number;
  /** incremental marking steps and weak callbacks. */
  readonly otherCount: number;
  /** in all of them. */
  readonly pauseMs: number;
  /** used_heap_size as the latest major collection ended; NaN: none did. */
  readonly afterMajorBytes: number;
  /** when that was, CLOCK_MONOTONIC. */
  readonly afterMajorAtMs: number;
}

/** V8's counters of this isolate, read by `heapCounters()`. */
export interface HeapNumbers {
  /** as in process.memoryUsage(). */
  readonly heapUsedBytes: number;
  /** the same. */
  readonly heapTotalBytes: number;
  /** committed, and touched as far as V8 knows. */
  readonly heapPhysicalBytes: number;
  /** at which V8 ends the process. */
  readonly heapLimitBytes: number;
  /** zones of the compiler and parser. */
  readonly mallocedBytes: number;
  /** as in process.memoryUsage(). */
  readonly externalBytes: number;
  /** the same, of Node's allocator; NaN: it is not known. */
  readonly arrayBuffersBytes: number;
  /** alive. */
  readonly nativeContexts: number;
  /** of these, those that no frame shows and somebody still holds. */
  readonly detachedContexts: number;
}

/** A space of its heap. */
export interface HeapSpaceNumbers {
  /** objects. */
  readonly usedBytes: number;
  /** taken from the system. */
  readonly committedBytes: number;
  /** of these, touched as far as V8 knows. */
  readonly physicalBytes: number;
}

/** The counters of the profiler, read by `profileCounters()`. */
export interface ProfileNumbers {
  /** mean bytes between samples now: the limit on samples by CPU use may have raised it. */
  readonly meanBytes: number;
  /** how often that limit raised it. */
  readonly rateRaises: number;
  /** allocations that were sampled. */
  readonly samples: number;
  /** of which are alive and in the table. */
  readonly tracked: number;
  /** of which the table had no room for: counted as freed at once. */
  readonly refused: number;
  /** of which proved, by an address used again, that their free was not seen. */
  readonly overwritten: number;
  /** what the samples stand for. */
  readonly allocatedBytes: number;
  /** what those of them stand for that were freed. */
  readonly freedBytes: number;
  /** allocations that the samples stand for. */
  readonly allocatedCount: number;
  /** likewise of those that were freed. */
  readonly freedCount: number;
  /** variance of allocatedBytes - freedBytes, in bytes squared. */
  readonly liveVariance: number;
  /** distinct stacks. */
  readonly stacks: number;
  /** stacks that the table had no room for. */
  readonly stacksRefused: number;
  /** frames and names that their tables had no room for. */
  readonly framesRefused: number;
  /** JavaScript frames decoded because the cache did not know them. */
  readonly framesDecoded: number;
  /** frames of V8 that could not be decoded. */
  readonly framesUnreadable: number;
  /** JavaScript frames decoded while the self-test had not seen their tier right. */
  readonly framesUnlicensed: number;
  /** samples on a stack whose bounds are unknown: caller only. */
  readonly unwalked: number;
  /** walks that ended before the start of the thread. */
  readonly broken: number;
  /** of which went on at the newest JavaScript below. */
  readonly repaired: number;
  /** JavaScript frames without a line: finding it takes more than one sample may do. */
  readonly unplaced: number;
  /** samples whose outer frames were not read, for want of time. */
  readonly unread: number;
  /** memory of the profiler's tables. */
  readonly ownBytes: number;
  /** executable and libraries looked at. */
  readonly objects: number;
  /** of which have at least one slot rewritten. */
  readonly patchedObjects: number;
  /** slots of import tables rewritten now. */
  readonly slots: number;
  /** slots that the system refused to write to. */
  readonly refusedSlots: number;
  /** slots left alone because they hold somebody else's function. */
  readonly foreignSlots: number;
  /** objects whose import table makes no sense. */
  readonly unreadableObjects: number;
  /** slots left alone because there was no room to remember their value. */
  readonly droppedSlots: number;
  /** mapped by addons and libraries, and committed to WebAssembly memories; exact. */
  readonly mappedBytes: number;
  /** ranges of these. */
  readonly mappings: number;
  /** ranges that the table had no room for. */
  readonly mappingsRefused: number;
}

/** A row of `profileTotals()`. */
export interface StackNumbers {
  /** number of the stack, for `profileStack`. */
  readonly stack: number;
  /** what the samples of this stack stand for. */
  readonly allocatedBytes: number;
  /** allocations that they stand for. */
  readonly allocatedCount: number;
  /** what those of them stand for that were freed. */
  readonly freedBytes: number;
  /** likewise of allocations. */
  readonly freedCount: number;
  /** variance of allocatedBytes - freedBytes, in bytes squared. */
  readonly variance: number;
  /** samples drawn at this stack, and mappings made there. */
  readonly samples: number;
  /** samples that are alive. */
  readonly liveSamples: number;
  /** CLOCK_MONOTONIC at the oldest live sample; NaN: none lives. */
  readonly oldestSecond: number;
}

/** How `profileStart` ended. */
export type HookStatus =
  /** the slots are rewritten. */
  | 'installed'
  /** not this C library or this platform. */
  | 'unsupported'
  /** two ways to find the real malloc disagree. */
  | 'originalsDiffer'
  /** the real malloc is chosen by a resolver function. */
  | 'indirect'
  /** an auditor of the loader (LD_AUDIT) stands in the slots. */
  | 'audited'
  /** the executable's slots hold functions of somebody else, see `profileForeign`. */
  | 'foreign'
  /** the system refuses to write to the slots. */
  | 'protected'
  /** the system has no memory for the tables. */
  | 'noMemory'
  /** it runs already, for another environment of this process. */
  | 'running';

/** What a frame of a stack is. */
export type FrameKind =
  /** native code, known by its return address. */
  | 'native'
  /** a builtin function of V8, by its return address in the executable. */
  | 'builtin'
  /** decoded: name, script, line and column. */
  | 'javascript'
  /** a frame of V8 that was not decoded, or may not be shown. */
  | 'unreadable'
  /** no function: what follows made a mapping, not an allocation. */
  | 'mapping'
  /** no function: what is further out was not read, because the time of one sample was over. */
  | 'unread';

/** The native addon. */
export interface Binding {
  /** The text of this file. */
  readonly declaration: string;
  /** Names of the numbers in a row of PassNumbers, in their order. */
  readonly passFields: readonly (keyof PassNumbers)[];
  readonly parts: {
    /** statm, threads, watched texts. */
    readonly quick: 1;
    /** one pass over smaps. */
    readonly ledger: 2;
    /** malloc_info, or the counters of another allocator. */
    readonly allocator: 4;
    /** fds by kind. */
    readonly descriptors: 8;
  };
  readonly probes: {
    /** /proc/self/smaps can be read. */
    readonly smapsReadable: 1;
    /** it has VmFlags lines. */
    readonly vmFlagsPresent: 2;
    /** a known V8 object lies in a mapping with the dc flag. */
    readonly v8HabitConfirmed: 4;
    /** and in a page whose header is one of the known layouts. */
    readonly v8HeaderConfirmed: 8;
    /** process_vm_readv works. */
    readonly readByCall: 16;
    /** /proc/self/mem works. */
    readonly readByFile: 32;
    /** /proc/self/pagemap tells what is resident. */
    readonly pagemapReadable: 64;
    /** glibc serves malloc. */
    readonly mallocInfoFound: 128;
  };
  /** Starts the reader thread, which begins a pass by itself every `intervalMs`, or on request only when that is 0. `onPass` is called on this thread after each pass and keeps no process alive. False: another environment of this process owns it. */
  open(onPass: () => void, intervalMs: number): boolean;
  /** Whether the reader that was opened has a thread. False: the system refused one, and passes are for `run` alone. */
  hasThread(): boolean;
  /** Text files that each quick part reads, at most 64 KiB of each. */
  watch(paths: readonly string[]): void;
  /** Wakes the reader; `parts` is a sum of `parts.*`. Requests made during a pass are joined into the next one. */
  request(parts: number): void;
  /** What the next pass that begins by itself runs beside the quick part. Wakes nobody. */
  plan(parts: number): void;
  /** The same on the calling thread. Works without `open()`. */
  run(parts: number): void;
  /** Copies the latest numbers of passes. */
  read(into: Float64Array): void;
  /** The watched files, in their order; null: unreadable, or not read yet. */
  texts(): (string | null)[];
  /** Stops and joins the reader, when this environment opened it, and takes back what it published. */
  close(): void;
  /** Which C allocator serves this process. */
  allocator(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown';
  /** What works here, a sum of `probes.*`. Reads smaps once, on the calling thread. */
  probe(): number;
  /** Names of the numbers in a row of IsolateNumbers, in their order. */
  readonly isolateFields: readonly (keyof IsolateNumbers)[];
  /** Names of the numbers in a row of CollectionNumbers, in their order. */
  readonly collectionFields: readonly (keyof CollectionNumbers)[];
  /** Names of the numbers in a row of HeapNumbers, in their order. */
  readonly heapFields: readonly (keyof HeapNumbers)[];
  /** Names of the numbers in a row of HeapSpaceNumbers, in their order. */
  readonly heapSpaceFields: readonly (keyof HeapSpaceNumbers)[];
  /** External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`. */
  declaredBytes(): number;
  /** Publishes a row of this isolate, for `isolates()` of the others. False: the table is full. */
  publishIsolate(numbers: Float64Array): boolean;
  /** The rows of all other isolates that published; undefined: there are none. */
  isolates(): Float64Array | undefined;
  /** Looks for the counters of this isolate's heap, and for the one that shows what process.memoryUsage() told. The names of its spaces; null: they are not where they are looked for. */
  findHeapCounters(arrayBuffersBytes: number): string[] | null;
  /** Copies them: a row of `heapFields`, and one of `heapSpaceFields` for each space. */
  heapCounters(into: Float64Array): void;
  /** Counts the collections of this isolate, from zero. False: this V8 does not offer it, or its heap counters were not found. */
  watchCollections(): boolean;
  /** Ends that; the counts stay. */
  unwatchCollections(): void;
  /** Copies the counters of `watchCollections`. */
  collectionCounters(into: Float64Array): void;
  /** Starts V8's sampling heap profiler, so that reading it collects no garbage. False: somebody else runs it. Null: this V8 does not offer it. */
  startHeapSampling(meanBytes: number, depth: number): boolean | null;
  /** Stops it, when it was started here. */
  stopHeapSampling(): void;
  /** Refers to an object without keeping it, not even through a minor collection as a WeakRef would. A slot, or -1. */
  weakAdd(object: object): number;
  /** undefined: it was collected. */
  weakGet(slot: number): object | undefined;
  /** Gives a slot of `weakAdd` back. */
  weakRemove(slot: number): void;
  /** Names of the numbers in a row of ProfileNumbers, in their order. */
  readonly profileFields: readonly (keyof ProfileNumbers)[];
  /** Names of the numbers in a row of StackNumbers, in their order. */
  readonly stackFields: readonly (keyof StackNumbers)[];
  readonly tiers: {
    /** bytecode, by the interpreter. */
    readonly interpreter: 2;
    /** code of sparkplug, not optimised. */
    readonly baseline: 4;
    /** optimised by maglev, with what it calls. */
    readonly maglev: 8;
    /** optimised by turbofan, likewise. */
    readonly turbofan: 16;
  };
  /** Intercepts the allocator and samples. `seed` 0 is random. */
  profileStart(meanBytes: number, maxSamplesPerCpuSecond: number, depth: number, seed: number): HookStatus;
  /** Restores what was intercepted and forgets the live samples. */
  profileStop(): void;
  /** Mean bytes between samples, from now on; 0 pauses. */
  profileRate(meanBytes: number): void;
  /** Follows objects that were loaded or unloaded since. True: there were some. */
  profileRescan(): boolean;
  /** Lets JavaScript frames of this thread be decoded. Null: they can be; else what is missing. */
  profileRegister(): string | null;
  /** From now on only native frames of this thread are shown. */
  profileUnregister(): void;
  /** What is shown of JavaScript in code of these tiers, or of all: 0 nothing, 1 names, 2 names and lines. Before the first call nothing is, but it is kept. */
  profileLevel(level: 0 | 1 | 2, tiers?: number): void;
  /** The stack of this call, as a sample would show it; 0: table full. */
  profileCapture(): number;
  /** Copies the counters. */
  profileCounters(into: Float64Array): void;
  /** One row for each stack that has samples. */
  profileTotals(): Float64Array;
  /** The same, read off this thread. */
  profileTotalsLater(): Promise<Float64Array>;
  /** Frame ids of this call, decoded anew. What one frame of V8 stands for follows an `unreadable` one, and has its tier. */
  profileTest(): Float64Array;
  /** Ids of the frames of a stack that may be shown, innermost first. */
  profileStack(stack: number): Float64Array;
  /** What a frame id stands for; null: no frame has it. What does not apply is 0 or empty. `pc`: from the base of its module, if that is known. */
  profileFrame(frame: number): { kind: FrameKind; pc: number; name: string; script: string; line: number; column: number; tier: number } | null;
  /** Names the native code of frame ids, off this thread: module, name and offset of each, and a 0 after each of these. */
  profileSymbols(frames: Float64Array): Promise<string>;
  /** The module that intercepted the allocator before us. */
  profileForeign(): string | null;
  /** send(2) to a socket without waiting: how many bytes it took, or -1. */
  sendNow(fd: number, bytes: Buffer): number;
}
