// All mappings of a process -> the leaves of its resident memory. Pure: text went before, memory is a parameter.
//
// Rules in order, first match wins:
//   1. the name: [heap], [stack], a path, a kernel object
//   2. `dc` (MADV_DONTFORK), which V8 sets on everything it maps: executable -> code; page header -> heap; writable
//      at the start of a reservation >= 1 GiB -> wasm; writable at the start of a smaller one -> resizable buffer
//   3. anything else anonymous: anonymous.h
//   4. what is left of that: `mmap` where the profiler saw somebody map it, else unattributed
// Every Rss is added to exactly one leaf (or split among several without remainder), so the leaves sum to the total.
// Where VmFlags are missing (gVisor, very old kernels), V8 is known by executable pages and by page headers alone.
#ifndef EXTMEM_LEDGER_MAPPINGS_H_
#define EXTMEM_LEDGER_MAPPINGS_H_

#include <cstddef>
#include <cstdint>

#include "ledger/smaps.h"
#include "os/peek.h"

namespace extmem {

// Order of LeafBytes in lib/sample.ts and of the leaf fields in fields.h.
enum class Leaf : uint8_t {
  kV8Heap,
  kV8Code,
  kV8Other,
  kResizableBuffers,
  kWasm,
  kMalloc,
  kStacks,
  kFiles,
  kShared,
  kRuntime,
  kMmap,
  kUnattributed,
  kCount
};
constexpr size_t kLeafCount = static_cast<size_t>(Leaf::kCount);

struct Ledger {
  uint64_t leaf_bytes[kLeafCount] = {};
  uint64_t rss_bytes = 0;
  uint64_t pss_bytes = 0;
  uint64_t swap_bytes = 0;
  uint64_t files_clean_bytes = 0;
  uint64_t files_dirty_bytes = 0;
  uint64_t files_bss_bytes = 0;
  uint64_t malloc_brk_bytes = 0;
  uint64_t malloc_arena_bytes = 0;
  uint64_t malloc_mmapped_bytes = 0;
  uint64_t live_stacks = 0;
  uint64_t cached_stacks = 0;
  uint64_t chunk_bytes = 0;  // virtual size of the mmapped chunks found; glibc counts the same as hblkhd
  uint64_t any_arena = 0;    // address of some malloc_state; 0 when no thread arena was seen
};

struct Range {
  uint64_t start = 0;
  uint64_t end = 0;
};

struct ClassifyOptions {
  // Search further for mmapped chunks: for when fewer were found than the allocator says there are.
  bool deep = false;
  const Range* own = nullptr;  // workspaces of ours
  size_t own_count = 0;
  // Preloaded jemalloc and mimalloc map with MAP_NORESERVE. When the mapping that holds a block fresh from malloc shows
  // that habit, all anonymous `nr` mappings without `dc` are booked to malloc, up to what the allocator itself says it
  // holds; the rest stays unattributed. Both 0 under glibc, whose arenas are recognised by their headers.
  uint64_t malloc_block = 0;
  uint64_t malloc_budget_bytes = 0;
  // Mappings whose maker was seen at work: the first one that ends after `address`, in whole pages; false: none.
  bool (*next_seen)(uint64_t address, uint64_t* start, uint64_t* end) = nullptr;
};

void ClassifyMappings(const Vma* vmas, size_t count, const ClassifyOptions& options, Peek& memory, Ledger* ledger);

}  // namespace extmem

#endif  // EXTMEM_LEDGER_MAPPINGS_H_
