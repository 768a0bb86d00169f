#include "v8/work.h"

#include <atomic>

#include "os/clock.h"

namespace extmem {

namespace {

std::atomic<uint32_t> g_long_second{0};  // of the last long sample

constexpr uint64_t kStopped = UINT64_MAX;
// What a sample takes that finds everything known, several times over.
constexpr uint64_t kUnaskedNs = 8'000;

}  // namespace

SampleClock::SampleClock() : began_ns_(MonotonicNs()) {}

SampleClock SampleClock::Stopped() {
  SampleClock clock;
  clock.began_ns_ = kStopped;
  return clock;
}

bool SampleClock::IsOver(uint64_t limit_ns) {
  if (began_ns_ == kStopped) return false;
  const uint64_t passed = MonotonicNs() - began_ns_;
  if (passed <= kUnaskedNs) return false;
  const uint64_t now = ClockNs(CLOCK_THREAD_CPUTIME_ID);
  // Looks are close to each other: if it is long ago that the sample began, others had their turn.
  if (cpu_began_ns_ == 0) cpu_began_ns_ = now - (passed < kTextsNs ? passed : kTextsNs);
  const uint64_t spent = now - cpu_began_ns_;
  if (spent <= limit_ns * times_) return false;
  // Frames alone are worth a long sample.
  if (limit_ns != kFramesNs || times_ != 1) return true;
  const uint32_t second = CoarseSeconds();
  if (g_long_second.exchange(second, std::memory_order_relaxed) == second) return true;
  times_ = kLongTimes;
  return spent > limit_ns * times_;
}

}  // namespace extmem
