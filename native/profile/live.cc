#include "profile/live.h"

#include "os/own_pages.h"
#include "profile/sampler.h"

namespace extmem {

alignas(kFilterLineCells) std::atomic<uint8_t> g_live_filter[kFilterLines * kFilterLineCells];

namespace {

// A slot is free (0), being written (1), or holds an address. Lookups always look at every slot of the two buckets of
// an address, so a removal needs no tombstone and leaves nothing behind.
constexpr uintptr_t kFree = 0;
constexpr uintptr_t kBusy = 1;

// Relaxed fields: the address that is published after them, and acquired before them, orders them.
struct Record {
  std::atomic<uint64_t> size_bytes;
  std::atomic<uint64_t> mean_bytes;
  std::atomic<uint32_t> stack;
  std::atomic<uint32_t> seconds;
  std::atomic<uint32_t> thread;
};

struct Totals {
  std::atomic<int64_t> allocated_bytes, allocated_count_256, freed_bytes, freed_count_256, live_variance_kib2, samples,
      live_samples;
};

std::atomic<uintptr_t>* g_addresses = nullptr;
Record* g_records = nullptr;
Totals* g_totals = nullptr;
Totals g_sum;
std::atomic<uint64_t> g_samples, g_refused, g_overwritten;
std::atomic<int64_t> g_tracked;

uint32_t FirstSlot(uint32_t bucket) { return (bucket * kBucketSlots) & (kLiveSlots - 1); }

// The two buckets of an address. The second differs from the first in every case.
uint32_t Bucket(uintptr_t address, int choice) {
  uint32_t bucket = static_cast<uint32_t>(((address >> 4) * 0x9E3779B97F4A7C15ull) >> 51);
  uint32_t other = static_cast<uint32_t>(((address >> 4) * 0xC2B2AE3D27D4EB4Full) >> 51) | 1;
  return choice == 0 ? bucket : (bucket ^ other) & (kLiveSlots / kBucketSlots - 1);
}

// Saturates, and then stays: an address that hashes there costs a lookup for ever, which is slow, not wrong.
void FilterAdd(uintptr_t address) {
  std::atomic<uint8_t>& cell = FilterCell(address);
  uint8_t value = cell.load(std::memory_order_relaxed);
  while (value != UINT8_MAX && !cell.compare_exchange_weak(value, value + 1, std::memory_order_relaxed)) {
  }
}

void FilterRemove(uintptr_t address) {
  std::atomic<uint8_t>& cell = FilterCell(address);
  uint8_t value = cell.load(std::memory_order_relaxed);
  while (value != UINT8_MAX && value != 0 && !cell.compare_exchange_weak(value, value - 1, std::memory_order_relaxed)) {
  }
}

bool TakeSlot(uint32_t slot, uintptr_t address, LiveEntry* entry) {
  uintptr_t expected = address;
  if (g_addresses[slot].load(std::memory_order_relaxed) != address ||
      !g_addresses[slot].compare_exchange_strong(expected, kBusy, std::memory_order_acquire)) {
    return false;
  }
  const Record& record = g_records[slot];
  entry->size_bytes = record.size_bytes.load(std::memory_order_relaxed);
  entry->mean_bytes = record.mean_bytes.load(std::memory_order_relaxed);
  entry->stack = record.stack.load(std::memory_order_relaxed);
  entry->seconds = record.seconds.load(std::memory_order_relaxed);
  entry->thread = record.thread.load(std::memory_order_relaxed);
  g_addresses[slot].store(kFree, std::memory_order_release);
  FilterRemove(address);
  g_tracked.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

bool Place(uintptr_t address, const LiveEntry& entry) {
  for (int choice = 0; choice < 2; choice++) {
    uint32_t first = FirstSlot(Bucket(address, choice));
    for (uint32_t slot = first; slot < first + kBucketSlots; slot++) {
      uintptr_t free = kFree;
      if (g_addresses[slot].load(std::memory_order_relaxed) != kFree ||
          !g_addresses[slot].compare_exchange_strong(free, kBusy, std::memory_order_acquire)) {
        continue;
      }
      Record& record = g_records[slot];
      record.size_bytes.store(entry.size_bytes, std::memory_order_relaxed);
      record.mean_bytes.store(entry.mean_bytes, std::memory_order_relaxed);
      record.stack.store(entry.stack, std::memory_order_relaxed);
      record.seconds.store(entry.seconds, std::memory_order_relaxed);
      record.thread.store(entry.thread, std::memory_order_relaxed);
      FilterAdd(address);  // before the address can be found, so that no free passes by
      g_addresses[slot].store(address, std::memory_order_release);
      g_tracked.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

void AddAllocated(Totals* totals, const Weight& weight) {
  totals->allocated_bytes.fetch_add(weight.bytes, std::memory_order_relaxed);
  totals->allocated_count_256.fetch_add(weight.count_256, std::memory_order_relaxed);
  totals->live_variance_kib2.fetch_add(weight.variance_kib2, std::memory_order_relaxed);
  totals->samples.fetch_add(1, std::memory_order_relaxed);
  totals->live_samples.fetch_add(1, std::memory_order_relaxed);
}

void AddFreed(Totals* totals, const Weight& weight) {
  totals->freed_bytes.fetch_add(weight.bytes, std::memory_order_relaxed);
  totals->freed_count_256.fetch_add(weight.count_256, std::memory_order_relaxed);
  totals->live_variance_kib2.fetch_sub(weight.variance_kib2, std::memory_order_relaxed);
  totals->live_samples.fetch_sub(1, std::memory_order_release);  // last: see LiveHolds()
}

StackTotals Read(const Totals& totals) {
  auto get = [](const std::atomic<int64_t>& value) { return value.load(std::memory_order_relaxed); };
  return {get(totals.allocated_bytes), get(totals.allocated_count_256), get(totals.freed_bytes),
          get(totals.freed_count_256), get(totals.live_variance_kib2),  get(totals.samples),
          get(totals.live_samples)};
}

}  // namespace

bool LiveInit() {
  if (g_totals != nullptr) return true;
  g_addresses = OwnArray<std::atomic<uintptr_t>>(kLiveSlots);
  g_records = OwnArray<Record>(kLiveSlots);
  if (g_addresses == nullptr || g_records == nullptr) return false;
  g_totals = OwnArray<Totals>(kMaxStacks);
  return g_totals != nullptr;
}

void LiveInsert(uintptr_t address, const LiveEntry& entry) {
  g_samples.fetch_add(1, std::memory_order_relaxed);
  LiveEntry stale;
  if (LiveTake(address, &stale)) {
    g_overwritten.fetch_add(1, std::memory_order_relaxed);
    LiveFreed(stale);
  }
  Weight weight = WeightOf(entry.size_bytes, entry.mean_bytes);
  AddAllocated(&g_totals[entry.stack], weight);
  AddAllocated(&g_sum, weight);
  if (!Place(address, entry)) {
    g_refused.fetch_add(1, std::memory_order_relaxed);
    LiveFreed(entry);
  }
}

bool LiveTake(uintptr_t address, LiveEntry* entry) {
  if (address <= kBusy) return false;  // free(nullptr): an empty slot must not be taken for it
  for (int choice = 0; choice < 2; choice++) {
    uint32_t first = FirstSlot(Bucket(address, choice));
    for (uint32_t slot = first; slot < first + kBucketSlots; slot++) {
      if (TakeSlot(slot, address, entry)) return true;
    }
  }
  return false;
}

void LiveFreed(const LiveEntry& entry) {
  Weight weight = WeightOf(entry.size_bytes, entry.mean_bytes);
  AddFreed(&g_totals[entry.stack], weight);
  AddFreed(&g_sum, weight);
}

void LivePutBack(uintptr_t address, const LiveEntry& entry) {
  if (Place(address, entry)) return;
  g_refused.fetch_add(1, std::memory_order_relaxed);
  LiveFreed(entry);
}

void LiveForget() {
  LiveEntry entry;
  for (uint32_t slot = 0; slot < kLiveSlots; slot++) {
    uintptr_t address = g_addresses[slot].load(std::memory_order_relaxed);
    if (address > kBusy && TakeSlot(slot, address, &entry)) LiveFreed(entry);
  }
}

void LiveAddExact(uint32_t stack, int64_t bytes) {
  Totals& totals = g_totals[stack];
  if (bytes < 0) {
    totals.freed_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return;
  }
  totals.allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
  totals.samples.fetch_add(1, std::memory_order_relaxed);
}

bool LiveHolds(uint32_t stack) {
  const Totals& totals = g_totals[stack];
  return totals.live_samples.load(std::memory_order_acquire) != 0 ||
         totals.allocated_bytes.load(std::memory_order_relaxed) != totals.freed_bytes.load(std::memory_order_relaxed);
}

void LiveGiveUp(uint32_t stack) {
  Totals& from = g_totals[stack];
  Totals& to = g_totals[0];
  auto move = [](std::atomic<int64_t>* from, std::atomic<int64_t>* to) {
    to->fetch_add(from->exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  };
  move(&from.allocated_bytes, &to.allocated_bytes);
  move(&from.allocated_count_256, &to.allocated_count_256);
  move(&from.freed_bytes, &to.freed_bytes);
  move(&from.freed_count_256, &to.freed_count_256);
  move(&from.live_variance_kib2, &to.live_variance_kib2);
  move(&from.samples, &to.samples);
}

LiveCounters LiveCount() {
  return {g_samples.load(std::memory_order_relaxed), static_cast<uint64_t>(g_tracked.load(std::memory_order_relaxed)),
          g_refused.load(std::memory_order_relaxed), g_overwritten.load(std::memory_order_relaxed)};
}

StackTotals LiveTotals(uint32_t stack) { return g_totals == nullptr ? StackTotals{} : Read(g_totals[stack]); }

StackTotals LiveSum() { return Read(g_sum); }

void LiveOldest(uint32_t* seconds, uint32_t count) {
  for (uint32_t stack = 0; stack < count; stack++) seconds[stack] = UINT32_MAX;
  if (g_totals == nullptr) return;
  for (uint32_t slot = 0; slot < kLiveSlots; slot++) {
    if (g_addresses[slot].load(std::memory_order_acquire) <= kBusy) continue;
    // The slot may change hands while we look; then an age of the neighbour is shown for one report.
    uint32_t stack = g_records[slot].stack.load(std::memory_order_relaxed);
    uint32_t second = g_records[slot].seconds.load(std::memory_order_relaxed);
    if (stack < count && second < seconds[stack]) seconds[stack] = second;
  }
}

uint64_t LiveOwnBytes() {
  if (g_totals == nullptr) return 0;
  return kLiveSlots * (sizeof(uintptr_t) + sizeof(Record)) + sizeof(g_live_filter) + kMaxStacks * sizeof(Totals);
}

}  // namespace extmem
