// Private anonymous memory that is not V8's: who made it, read from its first bytes.
//
// The kernel merges neighbours with equal flags, so a mapping is not an allocation: a segment walk goes from piece to
// piece. Layout facts (glibc 2.26-2.42 on 64 bit, unchanged since tcache came):
//
//   thread arena    aligned heap_info (64 MiB) {ar_ptr, prev, size, mprotect_size}; size <= mprotect_size = the rw part
//   mmapped chunk   {prev_size, size | 2}: bit 1 is IS_MMAPPED; size + prev_size is a multiple of the page. An aligned
//                   allocation has its header prev_size bytes into the first page
//   main arena      grown by mmap when brk is blocked: first chunk {?, size | 1}, PREV_INUSE only, chain of sizes, to
//                   the end of the mapping or to fenceposts of 16 bytes
//   thread stack    ends with the thread's control block, see os/thread_block.h
//   abseil          base::LowLevelAlloc block {size, 0x4c833e95 ^ address}; free blocks carry ~0x4c833e95
//   ld.so           its own bump allocator: the first page points into the loader's image several times
#ifndef EXTMEM_LEDGER_ANONYMOUS_H_
#define EXTMEM_LEDGER_ANONYMOUS_H_

#include "ledger/smaps.h"
#include "os/peek.h"

namespace extmem {

enum class Owner : uint8_t { kUnknown, kBss, kBrk, kArena, kMmapped, kStack, kRuntime, kCount };

struct SegmentBytes {
  uint64_t resident[static_cast<size_t>(Owner::kCount)] = {};
  uint64_t chunk_bytes = 0;  // virtual size of the mmapped chunks found
  uint64_t arena = 0;        // address of a malloc_state that was seen
  bool live_thread = false;
  bool cached_thread = false;
};

// How many pages in a row are looked at in vain before the rest of a mapping is given up. A MiB that nobody knows
// costs 64 reads, not 256. The deep search gets past strangers of 16 MiB that were merged between chunks.
constexpr size_t kShallowMisses = 64;
constexpr size_t kDeepMisses = 4096;

struct AnonymousContext {
  uint64_t bss_end = 0;       // end of the image of the object mapped right below, or 0
  bool guard_below = false;   // a ---p mapping ends where this one starts
  uint64_t loader_start = 0;  // image of ld.so
  uint64_t loader_end = 0;
  size_t misses_per_gap = kShallowMisses;
  size_t* miss_budget = nullptr;  // pages that may still be looked at in vain during this pass
};

// Splits the resident bytes of `vma` among owners; their sum is vma.rss_bytes() exactly.
SegmentBytes SplitAnonymous(const Vma& vma, const AnonymousContext& context, Peek& memory);

}  // namespace extmem

#endif  // EXTMEM_LEDGER_ANONYMOUS_H_
