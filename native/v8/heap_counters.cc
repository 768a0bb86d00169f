#include "v8/heap_counters.h"

#include "os/elf_image.h"
#include "os/peek_self.h"

namespace extmem {

namespace {

// v8::HeapStatistics and v8::HeapSpaceStatistics, as words; what follows differs between versions, and has room.
struct HeapStatistics {
  uint64_t total, executable, physical, available, used, limit, malloced, external, peak_malloced, zaps_garbage,
      native_contexts, detached_contexts;
  uint64_t room[52];
};
struct SpaceStatistics {
  const char* name;
  uint64_t total, used, available, physical;
  uint64_t room[27];
};

struct {
  void* (*current)();
  void (*statistics)(void* isolate, HeapStatistics* into);
  size_t (*spaces)(void* isolate);
  bool (*space_statistics)(void* isolate, SpaceStatistics* into, size_t space);
  uint64_t* (*allocator)(void* isolate);
} g_v8;

bool FindAll() {
  return FindFunction("_ZN2v87Isolate10GetCurrentEv", &g_v8.current) &&
         FindFunction("_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE", &g_v8.statistics) &&
         FindFunction("_ZN2v87Isolate18NumberOfHeapSpacesEv", &g_v8.spaces) &&
         FindFunction("_ZN2v87Isolate22GetHeapSpaceStatisticsEPNS_19HeapSpaceStatisticsEm", &g_v8.space_statistics) &&
         FindFunction("_ZN2v87Isolate23GetArrayBufferAllocatorEv", &g_v8.allocator);
}

// Node's allocator counts in the word after its table of functions, up to Node 22 with a flag in between. Another one,
// of an embedder or of --debug-arraybuffer-allocations, may be smaller than that, so the kernel reads it first.
const uint64_t* FindArrayBuffers(const uint64_t* allocator, uint64_t bytes) {
  uint64_t words[3];
  PeekSelf peek(nullptr, 0);
  if (allocator == nullptr || !peek.Read(reinterpret_cast<uintptr_t>(allocator), words, sizeof(words))) return nullptr;
  if (words[1] == bytes) return allocator + 1;
  return words[2] == bytes ? allocator + 2 : nullptr;
}

}  // namespace

bool HeapCounters::Find(uint64_t array_buffers_bytes) {
  static const bool found = FindAll();
  void* isolate = found ? g_v8.current() : nullptr;
  if (isolate == nullptr) return false;
  spaces_ = g_v8.spaces(isolate);
  if (spaces_ == 0 || spaces_ > kMaxHeapSpaces) return false;
  HeapStatistics heap = {};
  g_v8.statistics(isolate, &heap);
  for (size_t i = 0; i < spaces_; i++) {
    SpaceStatistics space = {};
    if (!g_v8.space_statistics(isolate, &space, i)) return false;
    names_[i] = space.name;
    heap.total -= space.total;
    heap.used -= space.used;
    heap.physical -= space.physical;
  }
  array_buffers_ = FindArrayBuffers(g_v8.allocator(isolate), array_buffers_bytes);
  if (heap.total != 0 || heap.used != 0 || heap.physical != 0 || array_buffers_ == nullptr) return false;
  isolate_ = isolate;
  return true;
}

bool HeapCounters::Count(HeapNumbers* numbers, HeapSpaceNumbers* spaces) const {
  if (isolate_ == nullptr) return false;
  HeapStatistics heap = {};
  g_v8.statistics(isolate_, &heap);
  *numbers = {
      static_cast<double>(heap.used),
      static_cast<double>(heap.total),
      static_cast<double>(heap.physical),
      static_cast<double>(heap.limit),
      static_cast<double>(heap.malloced),
      static_cast<double>(heap.external),
      static_cast<double>(__atomic_load_n(array_buffers_, __ATOMIC_RELAXED)),
      static_cast<double>(heap.native_contexts),
      static_cast<double>(heap.detached_contexts),
  };
  for (size_t i = 0; i < spaces_; i++) {
    SpaceStatistics space = {};
    g_v8.space_statistics(isolate_, &space, i);
    spaces[i] = {static_cast<double>(space.used), static_cast<double>(space.total),
                 static_cast<double>(space.physical)};
  }
  return true;
}

double UsedHeapBytes(void* isolate) {
  HeapStatistics heap = {};
  g_v8.statistics(isolate, &heap);
  return static_cast<double>(heap.used);
}

}  // namespace extmem
