// The numbers of a pass: one table, read by the pass (C++), by the declaration generator and by the tests.
//
// A pass fills the fields of the parts it was asked for; all other fields keep their last value. Bytes are integers
// held in doubles (exact up to 2^53), times are in the unit of their name, and NaN means unknown. Order is the order
// of the Float64Array that `read()` fills: append at the end of a group, TypeScript looks fields up by name.
#ifndef EXTMEM_LEDGER_FIELDS_H_
#define EXTMEM_LEDGER_FIELDS_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

// Bits of `request(parts)` and `run(parts)`.
enum Part : uint32_t {
  kQuick = 1,        // statm, threads, watched texts
  kLedger = 2,       // one pass over smaps
  kAllocator = 4,    // malloc_info, or the counters of another allocator
  kDescriptors = 8,  // fds by kind
};
constexpr uint32_t kAllParts = kQuick | kLedger | kAllocator | kDescriptors;

// X(name, part, doc). The leaves stand in the order of LeafBytes in lib/sample.ts, and of enum Leaf in mappings.h.
#define EXTMEM_FIELDS(X)                                                                                        \
  X(quickAtMs, kQuick, "when the quick part ran, CLOCK_MONOTONIC, the clock of process.hrtime()")               \
  X(rssBytes, kQuick, "resident set by /proc/self/statm")                                                       \
  X(threads, kQuick, "threads of the process, our reader included")                                             \
  X(fdCount, kDescriptors, "open file descriptors, without the one this count needed")                          \
  X(fdFiles, kDescriptors, "of which regular files and directories")                                            \
  X(fdSockets, kDescriptors, "of which sockets")                                                                \
  X(fdPipes, kDescriptors, "of which pipes and FIFOs")                                                          \
  X(fdOther, kDescriptors, "of which the rest: epoll, eventfd, timers, terminals, devices")                     \
  X(fdAtMs, kDescriptors, "when they were counted, same clock")                                                 \
  X(fdCpuUs, kDescriptors, "CPU of that count")                                                                 \
  X(ledgerAtMs, kLedger, "when the pass over smaps ended, same clock")                                          \
  X(ledgerWallUs, kLedger, "how long that pass took")                                                           \
  X(ledgerCpuUs, kLedger, "CPU of that pass, on the thread that ran it")                                        \
  X(ledgerRssBytes, kLedger, "sum of Rss over all mappings; the leaves sum to it exactly")                      \
  X(ledgerPssBytes, kLedger, "sum of Pss over all mappings")                                                    \
  X(ledgerMappings, kLedger, "number of mappings")                                                              \
  X(leafV8Heap, kLedger, "V8 heap pages and read-only space, all isolates")                                     \
  X(leafV8Code, kLedger, "code ranges")                                                                         \
  X(leafV8Other, kLedger, "other mappings of V8")                                                               \
  X(leafResizableBuffers, kLedger, "resizable ArrayBuffers, growable SharedArrayBuffers")                       \
  X(leafWasm, kLedger, "WebAssembly memories")                                                                  \
  X(leafMalloc, kLedger, "brk heap, thread arenas, mmapped chunks, or the mappings of a preloaded allocator")   \
  X(leafStacks, kLedger, "main stack, thread stacks, cached stacks of ended threads")                           \
  X(leafFiles, kLedger, "mapped files and the .bss of loaded objects")                                          \
  X(leafShared, kLedger, "shm, memfd, devices, io_uring")                                                       \
  X(leafRuntime, kLedger, "vdso, loader, arena of abseil, our own workspace")                                   \
  X(leafMmap, kLedger, "anonymous mappings of known callers")                                                   \
  X(leafUnattributed, kLedger, "anonymous mappings that nobody claims")                                         \
  X(filesCleanBytes, kLedger, "of leafFiles: page cache")                                                       \
  X(filesDirtyBytes, kLedger, "of leafFiles: private copies of written pages")                                  \
  X(filesBssBytes, kLedger, "of leafFiles: .bss")                                                               \
  X(mallocBrkBytes, kLedger, "of leafMalloc: [heap], and the main arena grown by mmap")                         \
  X(mallocArenaBytes, kLedger, "of leafMalloc: thread arenas")                                                  \
  X(mallocMmappedBytes, kLedger, "of leafMalloc: mmapped chunks, and all mappings of a preloaded allocator")    \
  X(stacksLiveThreads, kLedger, "stacks whose thread lives (without the main thread)")                          \
  X(stacksCachedThreads, kLedger, "stacks that glibc keeps after their thread ended")                           \
  X(ledgerSwapBytes, kLedger, "sum of Swap over all mappings")                                                  \
  X(ledgerTruncated, kLedger, "1 when smaps ended early or had more mappings than the table holds, else 0")     \
  X(ledgerPeekFailures, kLedger, "reads of our own memory that were refused or raced with an munmap")           \
  X(mallocAtMs, kAllocator, "when the counters were read, same clock")                                          \
  X(mallocCallUs, kAllocator, "CPU time of the call into the allocator; glibc's holds the arena lock")          \
  X(mallocInUseBytes, kAllocator, "handed out and not freed, by the allocator's own account (virtual)")         \
  X(mallocSystemBytes, kAllocator, "held from the system, by the allocator's own account (virtual)")            \
  X(mallocMmappedCountBytes, kAllocator, "of which in mmapped chunks (glibc: hblkhd)")                          \
  X(mallocReclaimableBytes, kAllocator, "what malloc_trim(0) would return if all of it is resident (estimate)") \
  X(threadCpuUs, kQuick, "CPU of our reader thread since it was started")                                       \
  X(ownBytes, kQuick, "memory of our own workspaces")

enum Field : size_t {
#define EXTMEM_FIELD_ENUM(name, part, doc) k_##name,
  EXTMEM_FIELDS(EXTMEM_FIELD_ENUM)
#undef EXTMEM_FIELD_ENUM
      kFieldCount
};

// The part that fills each field.
constexpr uint32_t kFieldPart[] = {
#define EXTMEM_FIELD_PART(name, part, doc) part,
    EXTMEM_FIELDS(EXTMEM_FIELD_PART)
#undef EXTMEM_FIELD_PART
};

}  // namespace extmem

#endif  // EXTMEM_LEDGER_FIELDS_H_
