// The sampled allocations that are alive, by address, and totals per stack.
//
// A free that gets lost is a false leak, so the rules are: an entry is taken out before the block is really freed and
// put in after it was really allocated (else another thread may get the address in between), nothing ever blocks a
// free, and an entry that is found where a new block begins proves a free that was not seen: it is taken out and
// counted. When the table is full an allocation is counted, but not tracked: variance, not a leak.
//
// Any thread, any time; lock-free. Every free of the process asks MaybeLive(), so that is one load and one branch.
#ifndef EXTMEM_PROFILE_LIVE_H_
#define EXTMEM_PROFILE_LIVE_H_

#include <atomic>
#include <cstdint>

namespace extmem {

// 65,536 entries: at 512 KiB between samples about 32 GiB of live memory before the first one is refused.
constexpr uint32_t kLiveSlots = 1u << 16;
constexpr uint32_t kBucketSlots = 8;  // the addresses of a bucket share one cache line
constexpr uint32_t kMaxStacks = 1u << 13;

struct LiveEntry {
  uint64_t size_bytes;
  uint64_t mean_bytes;  // R in force, see sampler.h
  uint32_t stack;
  uint32_t seconds;  // monotonic clock at the allocation
  uint32_t thread;   // kernel thread id
};

struct LiveCounters {
  uint64_t samples;      // put in or refused
  uint64_t tracked;      // in the table now
  uint64_t refused;      // both buckets of the address were full
  uint64_t overwritten;  // proof of a free that was not seen
};

// Sums of weights (sampler.h): live = allocated - freed.
struct StackTotals {
  int64_t allocated_bytes;
  int64_t allocated_count_256;
  int64_t freed_bytes;
  int64_t freed_count_256;
  int64_t live_variance_kib2;
  int64_t samples;
  int64_t live_samples;
};

// How many entries each cell stands for. One cache line holds the cells of 256 KiB of addresses: what a request frees
// lies close together, and a line of the filter for each free would push the program's own out of the caches. Samples
// are as thin as one in `sampleBytes` of memory, so a line is never crowded by what lies close together.
constexpr uint32_t kFilterLines = 1u << 10;
constexpr uint32_t kFilterLineCells = 64;
extern std::atomic<uint8_t> g_live_filter[kFilterLines * kFilterLineCells];

inline std::atomic<uint8_t>& FilterCell(uintptr_t address) {
  const uint32_t line = static_cast<uint32_t>(((address >> 18) * 0x9E3779B97F4A7C15ull) >> 54);
  return g_live_filter[line * kFilterLineCells + (address >> 4) % kFilterLineCells];
}

inline bool MaybeLive(const void* block) {
  return FilterCell(reinterpret_cast<uintptr_t>(block)).load(std::memory_order_relaxed) != 0;
}

// Maps the tables on first use; false when the system has no memory for them.
bool LiveInit();
// Counts the allocation and tracks it where there is room.
void LiveInsert(uintptr_t address, const LiveEntry& entry);
// Takes an entry out without touching the totals. False: not tracked.
bool LiveTake(uintptr_t address, LiveEntry* entry);
// Adds a taken entry to what was freed.
void LiveFreed(const LiveEntry& entry);
// Puts an entry back whose block turned out to be alive (a realloc that failed).
void LivePutBack(uintptr_t address, const LiveEntry& entry);
// Forgets everything that is tracked; the totals of what was allocated and freed stay.
void LiveForget();

// Bytes that are known exactly and tracked elsewhere (seen_mappings.h) come, or, when negative, go.
void LiveAddExact(uint32_t stack, int64_t bytes);

// Whether anything of a stack is alive.
bool LiveHolds(uint32_t stack);
// A stack of which nothing is alive loses its number: what it stood for is added to stack 0.
void LiveGiveUp(uint32_t stack);

// All zero, and nothing, before LiveInit().
LiveCounters LiveCount();
StackTotals LiveTotals(uint32_t stack);
// The sum over all stacks, without what LiveAddExact added.
StackTotals LiveSum();
// Monotonic second of the oldest live sample of each stack, for stacks < count; UINT32_MAX where there is none.
void LiveOldest(uint32_t* seconds, uint32_t count);
uint64_t LiveOwnBytes();

}  // namespace extmem

#endif  // EXTMEM_PROFILE_LIVE_H_
