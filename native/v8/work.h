// How much of V8's tables and texts one sample may read, whatever their size: the one bound of everything that a hook
// does with what a program can make large (source texts, position tables, bytecode, machine code).
//
// In steps, each about a nanosecond: a byte of a table, a place where a code object may begin, 16 bytes of text. What
// lies behind the bound is looked for with later samples (lines.h), or a frame is named without a line.
#ifndef EXTMEM_V8_WORK_H_
#define EXTMEM_V8_WORK_H_

#include <cstdint>

namespace extmem {

struct Work {
  static constexpr int32_t kSteps = 1 << 15;
  int32_t left = kSteps;

  bool IsFresh() const { return left == kSteps; }
  bool IsDone() const { return left <= 0; }
  void Spend(uint32_t steps) { left -= static_cast<int32_t>(steps); }
};

// Apart, so that a long text leaves the frames further out their positions.
struct SampleWork {
  Work tables, texts;
};

}  // namespace extmem

#endif  // EXTMEM_V8_WORK_H_
