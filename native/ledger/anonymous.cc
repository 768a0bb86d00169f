#include "ledger/anonymous.h"

#include <algorithm>

#include "os/thread_block.h"

namespace extmem {
namespace {

// Heaps of thread arenas are 64 MiB apart, with the tunable glibc.malloc.hugetlb=2 four huge pages.
constexpr uint64_t kArenaAlignment = uint64_t{8} << 20;
constexpr uint64_t kMaxArenaHeapBytes = uint64_t{64} << 20;
constexpr uint64_t kMinMmappedChunkBytes = 64 * 1024;  // M_MMAP_THRESHOLD may be lowered, but hardly below
constexpr uint64_t kChunkFlags = 7;
constexpr uint64_t kPrevInUse = 1;
constexpr uint64_t kIsMmapped = 2;
constexpr uint64_t kMinChunkBytes = 32;
constexpr uint64_t kFencepostBytes = 16;  // two of them end a region that the main arena left behind
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kMaxStackBytes = 64 * kMiB;
constexpr uint64_t kThreadBlockWindowBytes = 16 * 1024;  // how much of the end of a stack is searched for its block
constexpr uint64_t kAbseilMagic = 0x4c833e95;
constexpr uint64_t kScrapBytes = 256 * 1024;
constexpr size_t kPageWords = kPageBytes / sizeof(uint64_t);

struct Piece {
  Owner owner = Owner::kUnknown;
  uint64_t size = 0;
  uint64_t arena = 0;
};

uint64_t RoundUp(uint64_t value) { return (value + kPageBytes - 1) / kPageBytes * kPageBytes; }

// The address of a thread's control block in the last bytes of [start, end); 0 when there is none.
uint64_t FindThreadBlock(uint64_t start, uint64_t end, Peek& memory, bool* live) {
  uint64_t words[kThreadBlockWindowBytes / sizeof(uint64_t)];
  const uint64_t bytes = std::min(end - start, kThreadBlockWindowBytes);
  const uint64_t base = end - bytes;
  if (!memory.Read(base, words, bytes)) return 0;
  const size_t count = bytes / sizeof(uint64_t);
  for (size_t i = 0; i + 2 < count; i += kThreadBlockAlignment / sizeof(uint64_t)) {
    const uint64_t block = base + i * sizeof(uint64_t);
    if (!IsThreadBlock(words + i, block)) continue;
    const size_t id = i + kThreadIdOffset / sizeof(uint64_t);
    const int32_t thread = id < count ? static_cast<int32_t>(words[id]) : 0;
    *live = thread > 0;
    return block;
  }
  return 0;
}

// Bytes of the thread stack that begins the mapping; 0 when none does.
uint64_t StackBytes(const Vma& vma, Peek& memory, bool* live) {
  if (vma.size() < kThreadBlockWindowBytes) return 0;
  if (FindThreadBlock(vma.start, vma.end, memory, live) != 0) return vma.size();
  // Before kernel 6.7 a stack has the flags of any other anonymous mapping, and may be merged with what lies above it.
  // Its guard keeps its start: look where stacks of the usual sizes would end.
  if (vma.has(kNoHugePage)) return 0;
  const auto ends_at = [&](uint64_t size) -> uint64_t {
    if (size >= vma.size()) return 0;
    const uint64_t window = vma.start + size - 2 * kMaxThreadBlockBytes;
    const uint64_t block = FindThreadBlock(window, vma.start + size, memory, live);
    return block == 0 ? 0 : RoundUp(block) - vma.start;  // the stack ends with the block, which begins in its last page
  };
  for (uint64_t size = kThreadBlockWindowBytes; size < kMiB; size *= 2) {
    if (const uint64_t bytes = ends_at(size)) return bytes;
  }
  for (uint64_t size = kMiB; size <= kMaxStackBytes; size += size < 16 * kMiB ? kMiB : 16 * kMiB) {
    if (const uint64_t bytes = ends_at(size)) return bytes;
  }
  return 0;
}

// The scraps that ld.so maps before malloc exists: the static TLS block of the main thread, link maps, search paths.
bool IsLoaderScrap(uint64_t start, uint64_t end, const AnonymousContext& context, Peek& memory) {
  if (end - start > kScrapBytes) return false;
  bool live = false;
  for (uint64_t at = end; at > start; at -= std::min(at - start, kThreadBlockWindowBytes)) {
    if (FindThreadBlock(start, at, memory, &live) != 0) return true;
  }
  uint64_t words[kPageWords];
  if (context.loader_end == 0 || !memory.Read(start, words, sizeof(words))) return false;
  size_t hits = 0;
  for (uint64_t word : words) hits += word >= context.loader_start && word < context.loader_end;
  return hits >= 2;
}

// An mmapped chunk whose mmap began at `at`. `page` holds the first page there.
uint64_t MmappedChunkBytes(const uint64_t* page, uint64_t at, uint64_t end) {
  auto total = [&](size_t word, uint64_t lead) -> uint64_t {
    const uint64_t previous = page[word];
    const uint64_t size = page[word + 1] & ~kChunkFlags;
    if ((page[word + 1] & kChunkFlags) != kIsMmapped || previous != lead) return 0;
    if (size < kMinMmappedChunkBytes || size > end - at || lead + size > end - at) return 0;
    return (lead + size) % kPageBytes == 0 ? lead + size : 0;
  };
  if (const uint64_t plain = total(0, 0)) return plain;
  for (uint64_t alignment = 32; alignment <= kPageBytes; alignment *= 2) {
    const uint64_t lead = alignment - 16;
    if (const uint64_t aligned = total(lead / sizeof(uint64_t), lead)) return aligned;
  }
  return 0;
}

uint64_t ArenaHeapBytes(const uint64_t* page, uint64_t at, uint64_t end) {
  if (at % kArenaAlignment != 0) return 0;
  const uint64_t arena = page[0], size = page[2], writable = page[3];
  const bool arena_near_heap_start = arena != 0 && arena % kArenaAlignment < kPageBytes && arena % 16 == 0;
  if (!arena_near_heap_start || size == 0 || size > writable || writable > kMaxArenaHeapBytes) return 0;
  if (writable % kPageBytes != 0) return 0;
  return std::min(writable, end - at);
}

uint64_t AbseilBytes(const uint64_t* page, uint64_t at, uint64_t end, Peek& memory) {
  uint64_t cursor = at;
  uint64_t block[2] = {page[0], page[1]};
  for (size_t hops = 0; hops < kShallowMisses; hops++) {
    const uint64_t magic = block[1] ^ cursor;
    if ((magic != kAbseilMagic && magic != ~kAbseilMagic) || block[0] < kMinChunkBytes || block[0] > end - cursor)
      break;
    cursor += block[0];
    if (cursor == end || !memory.Read(cursor, block, sizeof(block))) break;
  }
  return std::min(RoundUp(cursor) - at, end - at) * (cursor != at);
}

bool StartsMainArenaChain(const uint64_t* page, uint64_t at, uint64_t end, Peek& memory) {
  uint64_t header = page[1];
  uint64_t cursor = at;
  for (int hops = 0; hops < 8; hops++) {
    const uint64_t size = header & ~kChunkFlags;
    if (hops > 0 && (header & ~kPrevInUse) == kFencepostBytes) return true;
    if ((header & kChunkFlags) != kPrevInUse && !(hops > 0 && (header & kChunkFlags) == 0)) return false;
    if (size < kMinChunkBytes || size % 16 != 0 || size > end - cursor) return false;
    cursor += size;
    if (cursor == end) return true;
    uint64_t next[2];
    if (end - cursor < sizeof(next) || !memory.Read(cursor, next, sizeof(next))) return false;
    header = next[1];
  }
  return true;
}

Piece PieceAt(uint64_t at, uint64_t end, Peek& memory) {
  uint64_t page[kPageWords];
  if (!memory.Read(at, page, sizeof(page))) return {};
  if (const uint64_t size = ArenaHeapBytes(page, at, end)) return {Owner::kArena, size, page[0]};
  if (const uint64_t size = MmappedChunkBytes(page, at, end)) return {Owner::kMmapped, size, 0};
  if (const uint64_t size = AbseilBytes(page, at, end, memory)) return {Owner::kRuntime, size, 0};
  // The size of the whole region is written nowhere, so all that follows is the arena's.
  if (StartsMainArenaChain(page, at, end, memory)) return {Owner::kBrk, end - at, 0};
  return {};
}

// Collects contiguous pieces per owner and measures what is resident in them only when owners mix.
class Split {
 public:
  Split(const Vma& vma, Peek& memory) : vma_(vma), memory_(memory) {}

  void Add(Owner owner, uint64_t start, uint64_t end) {
    if (start == end) return;
    if (size_ == 0) {
      first_ = owner;
    } else if (owner != first_) {
      // Everything but the first owner is measured; the first owner gets the remainder, so the sum stays exact.
      uint64_t bytes = 0;
      if (!memory_.ResidentBytes(start, end, &bytes)) bytes = Proportional(end - start);
      bytes = std::min(bytes, left_);
      left_ -= bytes;
      result_.resident[static_cast<size_t>(owner)] += bytes;
    }
    size_ += end - start;
  }

  SegmentBytes Finish() {
    result_.resident[static_cast<size_t>(first_)] += left_;
    return result_;
  }

 private:
  uint64_t Proportional(uint64_t size) const {
    const double share = static_cast<double>(size) / static_cast<double>(vma_.size());
    return std::min(size, static_cast<uint64_t>(share * static_cast<double>(vma_.rss_bytes())));
  }

  const Vma& vma_;
  Peek& memory_;
  Owner first_ = Owner::kUnknown;
  uint64_t size_ = 0;
  uint64_t left_ = vma_.rss_bytes();
  SegmentBytes result_;
};

SegmentBytes Whole(const Vma& vma, Owner owner) {
  SegmentBytes result;
  result.resident[static_cast<size_t>(owner)] = vma.rss_bytes();
  return result;
}

}  // namespace

SegmentBytes SplitAnonymous(const Vma& vma, const AnonymousContext& context, Peek& memory) {
  // What cannot be read by anyone cannot be asked; it may be resident all the same (a guard that was once touched).
  if (vma.rss_kib == 0 || !vma.has(kRead)) return Whole(vma, Owner::kUnknown);
  Split split(vma, memory);
  uint64_t at = vma.start;
  bool live = false;
  const bool may_be_stack = vma.has(kNoHugePage) || context.guard_below;
  const uint64_t stack_bytes = may_be_stack ? StackBytes(vma, memory, &live) : 0;
  if (stack_bytes > 0) {
    split.Add(Owner::kStack, at, at + stack_bytes);
    at += stack_bytes;
  } else if (vma.has(kNoHugePage) && context.guard_below) {
    // MAP_STACK and a guard, but no control block: a stack all the same (a fibre, or a thread that is just starting).
    return Whole(vma, Owner::kStack);
  } else if (context.bss_end > at) {
    const uint64_t bss_end = std::min(context.bss_end, vma.end);
    split.Add(Owner::kBss, at, bss_end);
    at = bss_end;
  }
  uint64_t arena = 0;
  uint64_t chunk_bytes = 0;
  uint64_t gap_start = at;
  size_t misses = 0;
  while (at < vma.end && misses < context.misses_per_gap) {
    const Piece piece = *context.miss_budget > 0 || misses == 0 ? PieceAt(at, vma.end, memory) : Piece{};
    if (piece.size == 0) {
      misses++;
      if (*context.miss_budget > 0) (*context.miss_budget)--;
      at += kPageBytes;
      continue;
    }
    if (gap_start < at) {
      split.Add(IsLoaderScrap(gap_start, at, context, memory) ? Owner::kRuntime : Owner::kUnknown, gap_start, at);
    }
    split.Add(piece.owner, at, at + piece.size);
    if (piece.arena != 0) arena = piece.arena;
    if (piece.owner == Owner::kMmapped) chunk_bytes += piece.size;
    at += piece.size;
    gap_start = at;
    misses = 0;
  }
  if (gap_start < vma.end) {
    const bool scrap = IsLoaderScrap(gap_start, vma.end, context, memory);
    split.Add(scrap ? Owner::kRuntime : Owner::kUnknown, gap_start, vma.end);
  }
  SegmentBytes result = split.Finish();
  result.arena = arena;
  result.chunk_bytes = chunk_bytes;
  result.live_thread = stack_bytes > 0 && live;
  result.cached_thread = stack_bytes > 0 && !live;
  return result;
}

}  // namespace extmem
