#include "ledger/mappings.h"

#include <algorithm>

#include "ledger/anonymous.h"
#include "os/elf_bss.h"
#include "v8/pages.h"

namespace extmem {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kWasmPageBytes = 64 * 1024;
constexpr uint64_t kMinFullBufferBytes = 1 << 20;
constexpr uint64_t kMaxResizableReservation = 4 * kGiB;
// Pages that may be looked at in vain in one pass: some 50 ms at worst, whatever the number of unknown mappings.
constexpr size_t kMissBudget = 32768;
// Reservations of V8 that look like a resizable buffer but are tables of its own (external pointers, code pointers,
// dispatch entries). From V8 13 on a large one begins with a read-only segment, and its middle may be given back.
constexpr uint64_t kV8SmallTableBytes = 512 * 1024;
constexpr uint64_t kV8LargeTableBytes = uint64_t{256} << 20;

class Classifier {
 public:
  Classifier(const Vma* vmas, size_t count, const ClassifyOptions& options, Peek& memory, Ledger* ledger)
      : vmas_(vmas), count_(count), options_(options), memory_(memory), ledger_(ledger) {}

  void Run() {
    FindLoader();
    CheckMallocHabit();
    for (size_t i = 0; i < count_; i++) {
      const Vma& vma = vmas_[i];
      ledger_->rss_bytes += vma.rss_bytes();
      ledger_->pss_bytes += uint64_t{vma.pss_kib} * 1024;
      ledger_->swap_bytes += uint64_t{vma.swap_kib} * 1024;
      Classify(i);
    }
  }

 private:
  void Add(Leaf leaf, uint64_t bytes) { ledger_->leaf_bytes[static_cast<size_t>(leaf)] += bytes; }

  void Classify(size_t i) {
    const Vma& vma = vmas_[i];
    switch (vma.name) {
      case VmaName::kFile:
        return File(i);
      case VmaName::kSharedObject:
        return Add(Leaf::kShared, vma.rss_bytes());
      case VmaName::kHeap:
        return Malloc(&ledger_->malloc_brk_bytes, vma.rss_bytes());
      case VmaName::kStack:
      case VmaName::kAnonStack:
        return Add(Leaf::kStacks, vma.rss_bytes());
      case VmaName::kKernel:
      case VmaName::kAnonLoader:
        return Add(Leaf::kRuntime, vma.rss_bytes());
      case VmaName::kAnonMalloc:
        return Malloc(&ledger_->malloc_mmapped_bytes, vma.rss_bytes());
      case VmaName::kNone:
        break;
    }
    if (vma.has(kSharedMap)) return Add(Leaf::kShared, vma.rss_bytes());
    if (IsOwn(vma)) return Add(Leaf::kRuntime, vma.rss_bytes());
    if (vma.has(kDontFork)) return V8(i);
    if (!vma.has(kHasVmFlags) && IsV8WithoutFlags(i)) return;
    Anonymous(i);
  }

  void File(size_t i) {
    const Vma& vma = vmas_[i];
    const uint64_t dirty = std::min(uint64_t{vma.anonymous_kib} * 1024, vma.rss_bytes());
    ledger_->files_dirty_bytes += dirty;
    ledger_->files_clean_bytes += vma.rss_bytes() - dirty;
    Add(Leaf::kFiles, vma.rss_bytes());
    // Only a readable first page is worth a look: data files have no ELF header and end at 0.
    if (vma.has(kStartOfFile | kRead) && vma.rss_kib > 0) image_end_ = ElfBssEnd(memory_, vma.start);
  }

  void Malloc(uint64_t* split, uint64_t bytes) {
    *split += bytes;
    Add(Leaf::kMalloc, bytes);
  }

  bool IsOwn(const Vma& vma) const {
    for (size_t k = 0; k < options_.own_count; k++) {
      if (vma.start >= options_.own[k].start && vma.end <= options_.own[k].end) return true;
    }
    return false;
  }

  const Vma* Next(size_t i) const {
    return i + 1 < count_ && vmas_[i + 1].start == vmas_[i].end ? &vmas_[i + 1] : nullptr;
  }
  static bool IsReserved(const Vma& vma) { return !vma.has(kRead) && !vma.has(kWrite) && !vma.has(kExec); }

  void V8(size_t i) {
    const Vma& vma = vmas_[i];
    // The read-only segment is never touched, unlike V8's read-only heap pages.
    if (vma.rss_kib == 0 && vma.has(kRead) && !vma.has(kWrite)) table_end_ = vma.start + kV8LargeTableBytes;
    if (vma.rss_kib == 0) return;
    if (vma.has(kExec)) return Add(Leaf::kV8Code, vma.rss_bytes());
    // The rest of a page whose header was seen: V8 may seal or discard the middle of one.
    if (vma.end <= heap_page_end_) return Add(Leaf::kV8Heap, vma.rss_bytes());
    const Vma* next = Next(i);
    const bool opens_reservation = next != nullptr && IsReserved(*next) && next->has(kDontFork);
    if (opens_reservation && next->size() >= kGiB && vma.size() % kWasmPageBytes == 0) {
      return Add(Leaf::kWasm, vma.rss_bytes());
    }
    const uint64_t pages_end = V8HeapPages(i);
    V8Rest(i, pages_end, opens_reservation ? next->end : 0);
  }

  // Where the heap pages that begin the mapping end; other V8 memory with equal flags may be merged behind them.
  // Adds what is resident in them.
  uint64_t V8HeapPages(size_t i) {
    const Vma& vma = vmas_[i];
    uint64_t at = vma.start;
    while (at < vma.end) {
      const uint64_t size = V8PageBytes(memory_, at, kMaxResizableReservation);
      if (size == 0) break;
      heap_page_end_ = at + size;
      at += (size + kPageBytes - 1) / kPageBytes * kPageBytes;
    }
    if (at == vma.start) return at;
    const bool code = IsCodePage(i, heap_page_end_);
    if (code) heap_page_end_ = 0;  // what follows is code and says so by itself
    const uint64_t pages_end = std::min(at, vma.end);
    Add(code ? Leaf::kV8Code : Leaf::kV8Heap, vma.rss_bytes() - ResidentBehind(vma, pages_end));
    return pages_end;
  }

  // Books [at, end) of a mapping of V8 that is no heap page. `reservation_end`: of the reservation it opens, or 0.
  void V8Rest(size_t i, uint64_t at, uint64_t reservation_end) {
    const Vma& vma = vmas_[i];
    if (at == vma.end) return;
    const uint64_t bytes = at == vma.start ? vma.rss_bytes() : ResidentBehind(vma, at);
    uint64_t buffer = at;
    while (buffer < vma.end && IsCppgcPage(memory_, buffer)) buffer += kCppgcPageBytes;
    if (!IsResizableBuffer(vma, buffer, reservation_end)) return Add(Leaf::kV8Other, bytes);
    const uint64_t buffer_bytes = buffer == at ? bytes : std::min(bytes, ResidentBehind(vma, buffer));
    Add(Leaf::kResizableBuffers, buffer_bytes);
    Add(Leaf::kV8Other, bytes - buffer_bytes);
  }

  uint64_t ResidentBehind(const Vma& vma, uint64_t at) {
    uint64_t bytes = 0;
    if (at >= vma.end || !memory_.ResidentBytes(at, vma.end, &bytes)) return 0;
    return std::min(bytes, vma.rss_bytes());
  }

  // Before V8 13 a code page has its writable header in the code range, and the instructions behind a guard.
  bool IsCodePage(size_t i, uint64_t page_end) const {
    for (size_t k = i + 1; k < count_ && vmas_[k].start < page_end; k++) {
      if (vmas_[k].has(kExec | kDontFork)) return true;
    }
    return false;
  }

  // A buffer that was grown to its limit has no reserved part left: then only its size tells it from V8's small maps.
  bool IsResizableBuffer(const Vma& vma, uint64_t at, uint64_t reservation_end) const {
    if (!vma.has(kWrite) || at < table_end_ || at >= vma.end) return false;
    if (reservation_end == 0) return vma.end - at >= kMinFullBufferBytes;
    const uint64_t reservation = reservation_end - at;
    if (vma.end - at < kWasmPageBytes || reservation >= kMaxResizableReservation) return false;
    return reservation != kV8SmallTableBytes && reservation != kV8LargeTableBytes;
  }

  bool IsV8WithoutFlags(size_t i) {
    const Vma& vma = vmas_[i];
    if (vma.rss_kib == 0) return true;
    if (vma.has(kExec)) {
      Add(Leaf::kV8Code, vma.rss_bytes());
      return true;
    }
    const Vma* next = Next(i);
    if (next != nullptr && IsReserved(*next) && next->size() >= kGiB && vma.start % kWasmPageBytes == 0) {
      Add(Leaf::kWasm, vma.rss_bytes());
      return true;
    }
    const uint64_t pages_end = V8HeapPages(i);
    if (pages_end == vma.start) return false;
    V8Rest(i, pages_end, 0);
    return true;
  }

  void Anonymous(size_t i) {
    const Vma& vma = vmas_[i];
    if (vma.rss_kib == 0) return;
    if (vma.has(kNoReserve) && malloc_budget_bytes_ > 0) {
      const uint64_t bytes = std::min(vma.rss_bytes(), malloc_budget_bytes_);
      malloc_budget_bytes_ -= bytes;
      Malloc(&ledger_->malloc_mmapped_bytes, bytes);
      return Unrecognized(vma, vma.rss_bytes() - bytes);
    }
    AnonymousContext context;
    const Vma* below = i > 0 && vmas_[i - 1].end == vma.start ? &vmas_[i - 1] : nullptr;
    if (below != nullptr && below->name == VmaName::kFile && below->has(kWrite)) context.bss_end = image_end_;
    context.guard_below = below != nullptr && IsReserved(*below) && !below->has(kDontFork);
    context.loader_start = loader_.start;
    context.loader_end = loader_.end;
    context.misses_per_gap = options_.deep ? kDeepMisses : kShallowMisses;
    context.miss_budget = &miss_budget_;
    const SegmentBytes segments = SplitAnonymous(vma, context, memory_);
    Add(segments);
    Unrecognized(vma, segments.resident[static_cast<size_t>(Owner::kUnknown)]);
  }

  // `bytes` of a mapping that nobody recognised by their contents: somebody may have been seen mapping them.
  void Unrecognized(const Vma& vma, uint64_t bytes) {
    uint64_t seen = 0;
    uint64_t start, end;
    for (uint64_t at = vma.start; seen < bytes && options_.next_seen != nullptr; at = end) {
      if (!options_.next_seen(at, &start, &end) || start >= vma.end) break;
      const bool whole = start <= vma.start && end >= vma.end;
      uint64_t resident = 0;
      if (whole) {
        resident = bytes;
      } else if (!memory_.ResidentBytes(std::max(start, vma.start), std::min(end, vma.end), &resident)) {
        break;
      }
      seen += resident;
    }
    seen = std::min(seen, bytes);
    Add(Leaf::kMmap, seen);
    Add(Leaf::kUnattributed, bytes - seen);
  }

  void Add(const SegmentBytes& segments) {
    const auto bytes = [&](Owner owner) { return segments.resident[static_cast<size_t>(owner)]; };
    Malloc(&ledger_->malloc_brk_bytes, bytes(Owner::kBrk));
    Malloc(&ledger_->malloc_arena_bytes, bytes(Owner::kArena));
    Malloc(&ledger_->malloc_mmapped_bytes, bytes(Owner::kMmapped));
    ledger_->files_bss_bytes += bytes(Owner::kBss);
    Add(Leaf::kFiles, bytes(Owner::kBss));
    Add(Leaf::kStacks, bytes(Owner::kStack));
    Add(Leaf::kRuntime, bytes(Owner::kRuntime));
    ledger_->chunk_bytes += segments.chunk_bytes;
    if (segments.arena != 0) ledger_->any_arena = segments.arena;
    ledger_->live_stacks += segments.live_thread;
    ledger_->cached_stacks += segments.cached_thread;
  }

  // ld.so is the last ELF object before the main stack: the kernel maps it, at the top of the mmap area.
  void FindLoader() {
    for (size_t i = 0; i < count_; i++) {
      if (vmas_[i].name == VmaName::kStack) break;
      if (vmas_[i].name != VmaName::kFile || !vmas_[i].has(kStartOfFile | kRead)) continue;
      const uint64_t end = ElfBssEnd(memory_, vmas_[i].start);
      if (end != 0) loader_ = {vmas_[i].start, end};
    }
  }

  void CheckMallocHabit() {
    for (size_t i = 0; i < count_ && options_.malloc_block != 0; i++) {
      const Vma& vma = vmas_[i];
      if (options_.malloc_block < vma.start || options_.malloc_block >= vma.end) continue;
      const bool habit = vma.name == VmaName::kNone && vma.has(kNoReserve) && !vma.has(kDontFork);
      if (habit) malloc_budget_bytes_ = options_.malloc_budget_bytes;
    }
  }

  const Vma* vmas_;
  size_t count_;
  const ClassifyOptions& options_;
  Peek& memory_;
  Ledger* ledger_;
  Range loader_;
  uint64_t image_end_ = 0;            // of the last ELF object seen
  uint64_t heap_page_end_ = 0;        // of the last V8 heap page seen
  uint64_t table_end_ = 0;            // of the large table that the last read-only mapping of V8 would begin
  uint64_t malloc_budget_bytes_ = 0;  // what a preloaded allocator may still claim
  size_t miss_budget_ = kMissBudget;
};

}  // namespace

void ClassifyMappings(const Vma* vmas, size_t count, const ClassifyOptions& options, Peek& memory, Ledger* ledger) {
  Classifier(vmas, count, options, memory, ledger).Run();
}

}  // namespace extmem
