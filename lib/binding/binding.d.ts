// Generated from the tables in native/binding and native/ledger/fields.h by scripts/binding-types.mjs. Do not edit.

/** Names of the numbers that `read()` copies, by what they mean; NaN is unknown. */
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
  /** CPU time of the slowest call into the allocator; it holds the arena lock. */
  readonly mallocCallUs: number;
  /** handed out and not freed, by the allocator's own account (virtual). */
  readonly mallocInUseBytes: number;
  /** held from the system, by the allocator's own account (virtual). */
  readonly mallocSystemBytes: number;
  /** of which in mmapped chunks (glibc: hblkhd). */
  readonly mallocMmappedCountBytes: number;
  /** when malloc_info was read, same clock. */
  readonly mallocReclaimableAtMs: number;
  /** CPU of that call; with the allocator part it is the same one. */
  readonly mallocReclaimableUs: number;
  /** what malloc_trim(0) would return if all of it is resident (estimate). */
  readonly mallocReclaimableBytes: number;
  /** CPU of our reader thread since it was started. */
  readonly threadCpuUs: number;
  /** memory of our own workspaces. */
  readonly ownBytes: number;
}

export type PassField = keyof PassNumbers;

/** The native addon. */
export interface Binding {
  /** Names in the order of the Float64Array that `read()` fills. */
  readonly passFields: readonly PassField[];
  /** The text of this file. */
  readonly declaration: string;
  readonly parts: {
    /** statm, threads, watched texts. */
    readonly quick: 1;
    /** one pass over smaps. */
    readonly ledger: 2;
    /** mallinfo2, or the counters of another allocator. */
    readonly allocator: 4;
    /** bins of malloc_info; glibc only. */
    readonly reclaimable: 8;
    /** fds by kind. */
    readonly descriptors: 16;
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
    /** glibc 2.33 or later serves malloc. */
    readonly mallinfo2Found: 128;
    /** glibc serves malloc. */
    readonly mallocInfoFound: 256;
  };
  /** Starts the reader thread, which begins a pass by itself every `intervalMs`, or on request only when that is 0. `onPass` is called on this thread after each pass and keeps no process alive. False: another environment of this process owns it, or no thread could be started. */
  open(onPass: () => void, intervalMs: number): boolean;
  /** Text files that each quick part reads, at most 64 KiB of each. */
  watch(paths: readonly string[]): void;
  /** Wakes the reader; `parts` is a sum of `parts.*`. Requests made during a pass are joined into the next one. */
  request(parts: number): void;
  /** What the next pass that begins by itself runs beside the quick part. Wakes nobody. */
  plan(parts: number): void;
  /** The same on the calling thread. Works without `open()`. */
  run(parts: number): void;
  /** Copies the latest numbers, in the order of `passFields`; NaN is unknown. */
  read(into: Float64Array): void;
  /** The watched files, in their order; null: unreadable, or not read yet. */
  texts(): (string | null)[];
  /** Stops and joins the reader, when this environment opened it, and takes back what it published. */
  close(): void;
  /** External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`. */
  declaredBytes(): number;
  /** send(2) to a socket without waiting: how many bytes it took, or -1. */
  sendNow(fd: number, bytes: Buffer): number;
  /** Which C allocator serves this process. */
  allocator(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown';
  /** What works here, a sum of `probes.*`. Reads smaps once, on the calling thread. */
  probe(): number;
  /** Publishes up to 8 numbers of this isolate, for `isolates()` of the others. False: the table is full. */
  publishIsolate(numbers: Float64Array): boolean;
  /** Rows of 8 numbers, of all other isolates that published; undefined: there are none. */
  isolates(): Float64Array | undefined;
  /** Refers to an object without keeping it, not even through a minor collection as a WeakRef would. A slot, or -1. */
  weakAdd(object: object): number;
  /** undefined: it was collected. */
  weakGet(slot: number): object | undefined;
  /** Gives a slot of `weakAdd` back. */
  weakRemove(slot: number): void;
  /** Intercepts the allocator and samples. 0: installed; else why not, see lib/profile.ts. `seed` 0 is random. */
  profileStart(meanBytes: number, maxSamplesPerSecond: number, depth: number, seed: number): number;
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
  /** Frames shown: 0 native only, 1 names, 2 names and lines. */
  profileLevel(level: 0 | 1 | 2): void;
  /** The stack of this call, as a sample would show it; 0: table full. */
  profileCapture(): number;
  /** In the order of `counterNames` in lib/profile.ts. */
  profileCounters(): Float64Array;
  /** Rows of 9 per stack: id, allocated bytes and count, freed bytes and count, variance of the live bytes, samples, live samples, monotonic second of the oldest live one or -1. */
  profileTotals(): Float64Array;
  /** Frame ids of a stack, innermost first. */
  profileStack(stack: number): Float64Array;
  /** kind 0 native, 1 builtin of V8, 2 JavaScript, 3 unreadable, 4 marks a mapping. */
  profileFrame(frame: number): { kind: number; pc: number; generation: number; name: string; script: string; line: number; column: number } | null;
  /** Names pairs of pc and generation, off this thread. */
  profileSymbols(pairs: Float64Array): Promise<[module: string, name: string, offset: number][]>;
  /** The module that intercepted the allocator before us. */
  profileForeign(): string | null;
}
