// The tables of the profiler under threads: no free is lost, no number is given twice, and what is sampled adds up.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "profile/intern.h"
#include "profile/live.h"
#include "profile/sampler.h"

namespace extmem {
namespace {

constexpr int kThreads = 4;

template <typename Body>
void OnThreads(Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

uint32_t Random(uint32_t* state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

// Blocks are handed between threads; the array of owners is the exact record of what must be in the table.
void TestLiveUnderThreads() {
  constexpr size_t kBlocks = 4096;
  static std::atomic<int> owned[kBlocks];  // 0 free, 1 live, 2 in somebody's hands
  std::atomic<int64_t> lost{0}, wrong{0};
  const LiveCounters before = LiveCount();
  OnThreads([&](int index) {
    uint32_t state = static_cast<uint32_t>(index) + 1;
    for (int i = 0; i < 200000; i++) {
      const size_t block = Random(&state) % kBlocks;
      const uintptr_t address = 0x7f0000000000 + block * 48;
      int expected = 0;
      LiveEntry entry;
      if (owned[block].compare_exchange_strong(expected, 2)) {
        LiveInsert(address, {100 + block, 1, 1, 7, static_cast<uint32_t>(index)});
        owned[block].store(1);
      } else if (expected == 1 && owned[block].compare_exchange_strong(expected, 2)) {
        const bool maybe = MaybeLive(reinterpret_cast<void*>(address));
        if (maybe && LiveTake(address, &entry)) {
          wrong += entry.size_bytes != 100 + block;
          LiveFreed(entry);
        } else {
          lost++;
        }
        owned[block].store(0);
      }
    }
  });
  const LiveCounters after = LiveCount();
  CHECK(wrong == 0);
  CHECK(lost == static_cast<int64_t>(after.refused - before.refused));
  uint64_t live = 0;
  for (size_t block = 0; block < kBlocks; block++) live += owned[block] == 1;
  CHECK(after.tracked <= live && after.tracked + (after.refused - before.refused) >= live);
  CHECK(after.overwritten == before.overwritten);
  LiveForget();
  CHECK(LiveCount().tracked == 0);
  const StackTotals sum = LiveSum();
  CHECK(sum.allocated_bytes == sum.freed_bytes);
  CHECK(sum.live_samples == 0 && sum.live_variance_kib2 == 0);
}

void TestMissedFreeIsCounted() {
  const LiveCounters before = LiveCount();
  const StackTotals totals = LiveTotals(2);
  LiveInsert(0x5000, {10, 1, 2, 1, 1});
  LiveInsert(0x5000, {30, 1, 2, 2, 1});
  CHECK(LiveCount().overwritten == before.overwritten + 1);
  CHECK(LiveTotals(2).allocated_bytes - LiveTotals(2).freed_bytes - (totals.allocated_bytes - totals.freed_bytes) ==
        30);
  LiveEntry entry;
  CHECK(LiveTake(0x5000, &entry) && entry.size_bytes == 30);
  LivePutBack(0x5000, entry);
  CHECK(LiveTake(0x5000, &entry) && entry.seconds == 2);
  LiveFreed(entry);
  CHECK(!LiveTake(0x5000, &entry));
}

// Null hashes like some real addresses, so free(nullptr) gets as far as the table; its empty slots are no entries.
void TestNullIsNeverLive() {
  const StackTotals before = LiveSum();
  LiveEntry entry;
  for (uintptr_t address : {uintptr_t{0}, uintptr_t{1}}) CHECK(!LiveTake(address, &entry));
  CHECK(LiveSum().freed_bytes == before.freed_bytes && LiveCount().tracked == 0);
}

// Two buckets of eight: what does not fit is counted, and freed in the totals at once.
void TestFullTableCounts() {
  const LiveCounters before = LiveCount();
  constexpr uint32_t kMany = kLiveSlots + 1000;
  for (uint32_t i = 0; i < kMany; i++) LiveInsert(0x100000 + i * 16ull, {64, 1, 3, 1, 1});
  const LiveCounters full = LiveCount();
  CHECK(full.refused > before.refused);
  CHECK(full.tracked + (full.refused - before.refused) == kMany);
  CHECK(LiveTotals(3).live_samples == static_cast<int64_t>(full.tracked));
  LiveForget();

  CHECK(LiveTotals(3).live_samples == 0);
}

void TestInternUnderThreads() {
  static InternTable table;
  CHECK(table.Init(5000, 1 << 18));
  static uint32_t ids[kThreads][4000];
  std::atomic<int> wrong{0};
  OnThreads([&](int index) {
    for (uint32_t i = 0; i < 4000; i++) {
      uint32_t words[9];
      for (uint32_t k = 0; k < 9; k++) words[k] = i * 31 + k;
      ids[index][i] = table.Intern(words, (i % 9 + 1) * 4);
      wrong += table.Length(ids[index][i]) != (i % 9 + 1) * 4;
      wrong += memcmp(table.Bytes(ids[index][i]), words, (i % 9 + 1) * 4) != 0;
    }
  });
  CHECK(wrong == 0);
  for (int i = 1; i < kThreads; i++) CHECK(memcmp(ids[0], ids[i], sizeof(ids[0])) == 0);
  std::vector<uint32_t> sorted(ids[0], ids[0] + 4000);
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::unique(sorted.begin(), sorted.end()) == sorted.end());
  CHECK(sorted.front() >= 1 && table.count() == 4001);
  uint32_t refused = 0;
  for (uint32_t i = 0; i < 2000; i++) {
    const uint64_t fresh[2] = {~uint64_t{0}, i};
    refused += table.Intern(fresh, sizeof(fresh)) == 0;
  }
  CHECK(refused == 1001 && table.refused() == 1001);
}

void TestSweepGivesNumbersAnew() {
  static InternTable table;
  CHECK(table.Init(3000, 1 << 16));
  auto number = [](uint32_t i) {
    const uint32_t words[4] = {i, i * 7, i % 3, 1};
    return table.Intern(words, (i % 3 + 2) * 4);
  };
  auto holds = [](uint32_t id, uint32_t i) {
    return id != 0 && table.Length(id) == (i % 3 + 2) * 4 && *static_cast<const uint32_t*>(table.Bytes(id)) == i;
  };
  uint64_t old = table.Handle(number(1)), older = old;
  uint32_t kept_id = number(0);
  const uint64_t kept_handle = table.Handle(kept_id);
  int wrong = 0, stale = 0;
  for (uint32_t i = 1; i < 50000; i++) {
    wrong += !holds(number(i), i);
    if (!table.IsCrowded()) continue;
    // By now the number of what the last sweep removed is another one's.
    stale += older != old && table.FromHandle(static_cast<int64_t>(older)) != 0;
    std::vector<bool> kept(table.count());
    kept[kept_id] = true;
    CHECK(table.Sweep(kept));
    stale += table.FromHandle(static_cast<int64_t>(old)) != 0;
    older = old;
    wrong += number(0) != kept_id || !holds(kept_id, 0);
    const uint32_t fresh = number(i);
    wrong += !holds(fresh, i) || table.in_use() != 2;
    old = table.Handle(fresh);
  }
  CHECK(wrong == 0 && stale == 0 && table.refused() == 0);
  CHECK(table.FromHandle(static_cast<int64_t>(kept_handle)) == kept_id);
  CHECK(table.count() < 3000 && table.used_bytes() < 1 << 16);
  for (const int64_t handle : {int64_t{0}, int64_t{-1}, int64_t{1} << 20, int64_t{2999}, INT64_MAX}) {
    CHECK(table.FromHandle(handle) == 0);
  }
}

// False alarm of each check: 4.9 sigma, one in a million.
void TestSamplerIsUnbiased() {
  for (const uint64_t size : {24u, 700u, 5000u, 65536u, 200000u, 330000u}) {
    Sampler sampler = {};
    constexpr uint64_t kMean = 65536;
    const double p = InclusionProbability(size, kMean);
    const int count = 400000;
    int sampled = 0;
    for (int i = 0; i < count; i++) {
      sampler.left -= static_cast<int64_t>(size);
      if (sampler.left < 0) sampled += sampler.Exhausted(size, kMean, 99 + size) != 0;
    }
    const double sigma = std::sqrt(count * p * (1 - p));
    CHECK(std::fabs(sampled - count * p) <= 4.9 * sigma + 1e-9);
    if (size >= 5 * kMean) CHECK(sampled == count);
  }
}

// Large allocations are apart from the countdown: they must not shift what small ones get.
void TestExactOnesDoNotDisturb() {
  constexpr uint64_t kMean = 65536;
  Sampler plain = {}, mixed = {};
  int differing = 0;
  for (int i = 0; i < 200000; i++) {
    plain.left -= 1000;
    const bool a = plain.left < 0 && plain.Exhausted(1000, kMean, 5) != 0;
    mixed.left -= 1000;
    const bool b = mixed.left < 0 && mixed.Exhausted(1000, kMean, 5) != 0;
    differing += a != b;
    mixed.left -= 5 * kMean;
    CHECK(mixed.left < 0 && mixed.Exhausted(5 * kMean, kMean, 5) == kMean);
  }
  CHECK(differing == 0);
}

void TestRateKeptWithTheGap() {
  Sampler sampler = {};
  bool old_seen = false, new_seen = false;
  for (int i = 0; i < 100000; i++) {
    const uint64_t mean = i < 50000 ? 10000 : 40000;
    sampler.left -= 100;
    if (sampler.left >= 0) continue;
    const uint64_t kept = sampler.Exhausted(100, mean, 3);
    if (kept == 0) continue;
    CHECK(kept == 10000 || kept == 40000);
    if (i >= 50000 && kept == 10000) {
      CHECK(!old_seen);  // one gap was drawn before the change and ends after it
      old_seen = true;
    }
    new_seen = new_seen || kept == 40000;
  }
  CHECK(old_seen && new_seen);
}

void TestWeights() {
  CHECK(WeightOf(5 << 20, 1 << 20).bytes == 5 << 20);
  CHECK(WeightOf(5 << 20, 1 << 20).variance_kib2 == 0);
  CHECK(WeightOf(5 << 20, 1 << 20).count_256 == 256);
  const Weight small = WeightOf(64, 524288);
  CHECK(small.bytes == 524320);  // as the header says: 512.03 KiB
  CHECK(std::llabs(small.count_256 / 256 - 8192) <= 1);
}

}  // namespace
}  // namespace extmem

int main() {
  using namespace extmem;
  CHECK(LiveInit());
  TestLiveUnderThreads();
  TestMissedFreeIsCounted();
  TestNullIsNeverLive();
  TestFullTableCounts();
  TestInternUnderThreads();
  TestSweepGivesNumbersAnew();
  TestSamplerIsUnbiased();
  TestExactOnesDoNotDisturb();
  TestRateKeptWithTheGap();
  TestWeights();
  return check::Finish();
}
