// How much of V8's tables and texts one sample may read, whatever their size: the one bound of everything that a hook
// does with what a program can make large (source texts, position tables, bytecode, machine code), or cold (pages that
// nobody has asked for yet, memory that is in no cache).
//
// In steps, each about a nanosecond when all is warm: a byte of a table, a place where a code object may begin, 16
// bytes of text. And in CPU time of the thread, for when it is not: what waits for another thread's turn is not ours,
// and no reason to know less. That clock is a system call of .2 us, so it is read only between pieces of work, and by
// none of the samples that find everything known. What lies behind either bound is looked for with later samples.
#ifndef EXTMEM_V8_WORK_H_
#define EXTMEM_V8_WORK_H_

#include <cstdint>

namespace extmem {

// Of one sample, which begins when it is made.
class SampleClock {
 public:
  static constexpr uint64_t kFramesNs = 40'000;
  // Text comes second: a line that is not counted yet is found later, a frame that was not read is lost.
  static constexpr uint64_t kTextsNs = 20'000;
  // Once a second a sample may take so many times as long: at first nothing is known, and a large block that is
  // allocated once has no second sample.
  static constexpr uint64_t kLongTimes = 8;

  SampleClock();
  // Never over: not for hooks.
  static SampleClock Stopped();

  bool IsOver(uint64_t limit_ns);

 private:
  uint64_t began_ns_;          // by the clock that is almost free, and runs on while others have their turn
  uint64_t cpu_began_ns_ = 0;  // 0: not asked for yet
  uint64_t times_ = 1;
};

class Work {
 public:
  static constexpr int32_t kSteps = 1 << 15;

  Work(SampleClock* clock, uint64_t limit_ns) : clock_(clock), limit_ns_(limit_ns) {}

  bool IsFresh() const { return left_ == kSteps; }
  bool IsDone() const { return left_ <= 0 || late_; }
  // It was the time, not the steps.
  bool IsLate() const { return late_; }
  void Spend(uint32_t steps) {
    left_ -= static_cast<int32_t>(steps);
    unseen_ += steps;
    if (unseen_ >= kStepsUnseen) Look();
  }
  void Look() {
    unseen_ = 0;
    late_ = late_ || clock_->IsOver(limit_ns_);
  }

 private:
  static constexpr uint32_t kStepsUnseen = 1024;

  SampleClock* const clock_;
  const uint64_t limit_ns_;
  int32_t left_ = kSteps;
  uint32_t unseen_ = 0;
  bool late_ = false;
};

}  // namespace extmem

#endif  // EXTMEM_V8_WORK_H_
