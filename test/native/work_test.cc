// What one sample may read: by steps, and by the time of its thread.
#include "v8/work.h"

#include <cstdint>
#include <string>

#include "check.h"
#include "os/clock.h"
#include "os/safe_read.h"
#include "v8/heap.h"

namespace extmem {
namespace {

void TestSteps() {
  SampleClock clock = SampleClock::Stopped();
  Work work(&clock, SampleClock::kFramesNs);
  CHECK(work.IsFresh() && !work.IsDone());
  work.Spend(Work::kSteps - 1);
  CHECK(!work.IsFresh() && !work.IsDone());
  work.Spend(1);
  CHECK(work.IsDone() && !work.IsLate());
}

void Use(uint64_t ns) {
  const uint64_t start = ClockNs(CLOCK_THREAD_CPUTIME_ID);
  while (ClockNs(CLOCK_THREAD_CPUTIME_ID) - start < ns) {
  }
}

// What is left unread when the time is over, however many of the steps are left.
void TestTime() {
  SampleClock clock;
  Work tables(&clock, SampleClock::kFramesNs), texts(&clock, SampleClock::kTextsNs);
  CHECK(!tables.IsDone());
  Use(SampleClock::kTextsNs);
  tables.Look();  // what comes before the first look counts for little
  Use(2 * SampleClock::kLongTimes * SampleClock::kFramesNs);
  static const char bytes[4096] = {};
  ByteReader reader(reinterpret_cast<uintptr_t>(bytes), sizeof(bytes), &tables);
  uint8_t byte;
  size_t read = 0;
  while (reader.NextByte(&byte)) read++;
  CHECK(read < sizeof(bytes));
  CHECK(reader.IsCutShort() && tables.IsLate());
  texts.Look();
  CHECK(texts.IsLate() && texts.IsDone());

  SampleClock stopped = SampleClock::Stopped();
  Work unhurried(&stopped, SampleClock::kFramesNs);
  Use(2 * SampleClock::kLongTimes * SampleClock::kFramesNs);
  unhurried.Look();
  CHECK(!unhurried.IsDone());
}

// There is one long sample a second, so of three that take more than others may not all can be one.
void TestLongSamples() {
  int over = 0;
  for (int i = 0; i < 3; i++) {
    SampleClock clock;
    Use(SampleClock::kTextsNs);
    clock.IsOver(SampleClock::kFramesNs);
    Use(2 * SampleClock::kFramesNs);
    CHECK(clock.IsOver(SampleClock::kTextsNs));
    over += clock.IsOver(SampleClock::kFramesNs);
  }
  CHECK(over >= 1);
}

}  // namespace
}  // namespace extmem

int main() {
  CHECK(extmem::SafeReadWorks());
  extmem::TestSteps();
  extmem::TestTime();
  extmem::TestLongSamples();
  return check::Finish();
}
