/**
 * Every number of a Sample, once: name, kind and meaning. docs/metrics.md is generated from it, and a test holds it
 * against a live sample in both directions. The unit is the suffix of the name: Bytes, Ms, Us, Ratio, or a plain count.
 */

export interface Metric {
  /** Path below `extmem` of a line; `*` stands for any key, `[]` for each element. */
  readonly path: string;
  /** `gauge`: as of now. `counter`: since the start. `delta`: since the previous sample. */
  readonly kind: 'gauge' | 'counter' | 'delta';
  readonly sentence: string;
}

const gauge = (path: string, sentence: string): Metric => ({ path, kind: 'gauge', sentence });
const counter = (path: string, sentence: string): Metric => ({ path, kind: 'counter', sentence });
const delta = (path: string, sentence: string): Metric => ({ path, kind: 'delta', sentence });

export const metrics: readonly Metric[] = [
  counter('seq', 'Number of the sample in its session.'),
  gauge('rssBytes', "Resident set by the kernel's counter."),
  gauge('ledger.ageMs', 'Age of the pass over smaps that the ledger comes from.'),
  gauge('ledger.rssBytes', 'Sum of Rss over all mappings; the leaves sum to it exactly.'),
  gauge('ledger.pssBytes', 'Sum of Pss: pages that several mappings share count by their part.'),
  gauge('ledger.swapBytes', 'Sum of Swap over all mappings.'),
  gauge('ledger.mappings', 'Number of mappings.'),
  gauge('ledger.peekFailures', 'Mappings whose first bytes could not be looked at.'),
  gauge('ledger.leafBytes.v8Heap', 'V8 heap pages and read-only space, all isolates.'),
  gauge('ledger.leafBytes.v8Code', 'Code ranges of all isolates.'),
  gauge('ledger.leafBytes.v8Other', 'Other mappings of V8.'),
  gauge('ledger.leafBytes.resizableBuffers', 'Resizable ArrayBuffers and growable SharedArrayBuffers.'),
  gauge('ledger.leafBytes.wasm', 'WebAssembly memories.'),
  gauge('ledger.leafBytes.malloc', 'What the C allocator keeps resident, Buffers included.'),
  gauge('ledger.leafBytes.stacks', 'Stacks of threads.'),
  gauge('ledger.leafBytes.files', 'Mapped files and .bss.'),
  gauge('ledger.leafBytes.shared', 'Shared mappings: shm, memfd, io_uring.'),
  gauge('ledger.leafBytes.runtime', 'Small mappings of the runtime itself.'),
  gauge('ledger.leafBytes.mmap', 'Anonymous mappings of known callers.'),
  gauge('ledger.leafBytes.unattributed', 'Anonymous mappings that nobody claims.'),
  gauge('ledger.files.cleanBytes', 'Of files: page cache, which the kernel can take back.'),
  gauge('ledger.files.dirtyBytes', 'Of files: private copies of written pages.'),
  gauge('ledger.files.bssBytes', 'Of files: .bss of loaded objects.'),
  gauge('ledger.malloc.brkBytes', 'Of malloc: the main arena.'),
  gauge('ledger.malloc.arenaBytes', 'Of malloc: thread arenas.'),
  gauge(
    'ledger.malloc.mmappedBytes',
    'Of malloc: chunks with a mapping of their own, or all mappings of a preloaded allocator.',
  ),
  gauge('ledger.stacks.liveThreads', 'Thread stacks whose thread lives.'),
  gauge('ledger.stacks.cachedThreads', 'Stacks that glibc keeps after their thread ended.'),
  gauge('malloc.ageMs', "Age of the allocator's counters."),
  gauge('malloc.inUseBytes', 'Handed out and not freed (virtual).'),
  gauge('malloc.systemBytes', 'Held from the system by the allocator’s own account (virtual).'),
  gauge('malloc.retainedBytes', 'Resident but free.'),
  gauge('malloc.reclaimableBytes', 'Of retained: what a trim would give back (estimate).'),
  gauge('malloc.reclaimableAgeMs', 'Age of that estimate.'),
  gauge('malloc.untouchedBytes', 'In use but never touched, so not resident.'),
  gauge('malloc.buffersBytes', 'Of in use: stores of ArrayBuffers and Buffers.'),
  gauge('malloc.nativeBytes[]', 'In use and explained by no counter of V8: low and high bound.'),
  gauge('v8.heapUsedBytes', 'Used heap of the sampling isolate.'),
  gauge('v8.heapTotalBytes', 'Committed heap.'),
  gauge('v8.heapPhysicalBytes', 'Committed heap that was touched (high-water mark).'),
  gauge('v8.heapLimitBytes', 'Limit of the heap.'),
  gauge('v8.mallocedBytes', "Zones of V8's compiler and parser."),
  gauge('v8.nativeContexts', 'Global contexts; growth means vm contexts or realms are kept.'),
  gauge('v8.detachedContexts', 'Contexts that were detached and not collected.'),
  gauge('v8.spaces.*.usedBytes', 'Used bytes of one heap space.'),
  gauge('v8.spaces.*.committedBytes', 'Committed bytes of that space.'),
  gauge('v8.spaces.*.physicalBytes', 'Touched bytes of that space.'),
  delta('v8.gc.minorCount', 'Scavenges.'),
  delta('v8.gc.majorCount', 'Mark-compact collections.'),
  delta('v8.gc.otherCount', 'Incremental marking steps and weak callbacks.'),
  delta('v8.gc.pauseMs', 'Time in all of them.'),
  gauge('v8.afterMajorGc.heapUsedBytes', 'Used heap right after the last major collection.'),
  gauge('v8.afterMajorGc.ageMs', 'Age of that figure.'),
  gauge('external.externalBytes', 'Live ArrayBuffers, external strings, WebAssembly memory up to V8 13.'),
  gauge('external.arrayBuffersBytes', "Stores of Node's allocator: ArrayBuffers, SharedArrayBuffers, Blobs."),
  gauge('external.declaredBytes', 'External memory that anybody declared to V8.'),
  gauge('external.declaredByAddonsBytes', 'declaredBytes − externalBytes, signed.'),
  gauge('isolates[].threadId', 'Thread of another isolate that joined.'),
  gauge('isolates[].ageMs', 'Age of its figures.'),
  gauge('isolates[].heapUsedBytes', 'Its used heap.'),
  gauge('isolates[].heapTotalBytes', 'Its committed heap.'),
  gauge('isolates[].externalBytes', 'Its external memory.'),
  gauge('isolates[].arrayBuffersBytes', 'Its ArrayBuffer stores.'),
  gauge('isolates[].declaredBytes', 'What was declared to it.'),
  gauge('process.threads', 'Threads, our reader included.'),
  gauge('process.fdCount', 'Open file descriptors.'),
  gauge('process.fds.files', 'Of which regular files and directories.'),
  gauge('process.fds.sockets', 'Of which sockets.'),
  gauge('process.fds.pipes', 'Of which pipes.'),
  gauge('process.fds.other', 'Of which epoll, eventfd, terminals, devices.'),
  gauge('limit.bytes', 'Memory limit that applies.'),
  gauge('limit.usedBytes', 'Unreclaimable use of everything under that limit.'),
  gauge('limit.usedRatio', 'usedBytes ÷ bytes.'),
  gauge('limit.etaMs[]', 'Time until the limit is reached at the growth found: low and high bound.'),
  gauge('cost.mainThreadUs', 'Wall time that the previous tick took on the main thread.'),
  delta('cost.offThreadUs', 'CPU of the reader thread.'),
  gauge('cost.ledgerUs', 'Wall time of the last pass over smaps.'),
  counter('cost.ledgerSkipped', 'Passes put off so that the ledger costs at most 0.5 % of a core.'),
  gauge('cost.ownBytes', 'Workspaces of the addon.'),
];
