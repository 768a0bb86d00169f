#include "profile/thread_stack.h"

#include "os/proc_maps.h"
#include "os/safe_read.h"
#include "os/thread_block.h"

namespace extmem {

namespace {

constexpr uintptr_t kUnknowable = 1;
// A stack does not reach further than this below an address known to belong to it; beyond is another stack.
constexpr uintptr_t kMaxReach = 16u << 20;
// The last frames of a thread lie within this distance of the end of its stack, below arguments and environment or the
// thread's own block.
constexpr uintptr_t kBaseBytes = 64u << 10;

bool g_reads_checked = false;

}  // namespace

bool StackKnown(Thread* thread, uintptr_t sp) {
  if (thread->stack_high == kUnknowable) return false;
  if (thread->stack_high == 0) {
    const uintptr_t high = ThisThreadBlock();  // the high end of the stack
    if (!g_reads_checked || high < sp || high - sp > kMaxReach || !ReadableNow(sp, high)) {
      thread->stack_high = kUnknowable;
      return false;
    }
    thread->stack_high = high;
    thread->stack_low = sp;
    return true;
  }
  if (sp >= thread->stack_high) return false;  // a fiber elsewhere
  if (sp >= thread->stack_low) return true;
  if (thread->stack_low - sp > kMaxReach) return false;
  if (g_reads_checked && !ReadableNow(sp, thread->stack_low)) return false;
  thread->stack_low = sp;
  return true;
}

bool LearnStack(Thread* thread, bool reads_checked) {
  g_reads_checked = reads_checked;
  const uintptr_t sp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  ProcMaps map;
  const MapLine* line = map.Find(sp);
  if (line == nullptr) return false;
  thread->stack_high = line->end;
  thread->stack_low = sp;
  return true;
}

WORDS_OF_ANY_FRAME int WalkFrames(uintptr_t pc, uintptr_t fp, uintptr_t sp, uintptr_t high, RawFrame* frames, int max,
                                  bool* complete) {
  int count = 0;
  *complete = false;
  while (count < max) {
    const bool inside = fp >= sp && fp < high && high - fp >= 16 && fp % sizeof(uintptr_t) == 0;
    frames[count++] = {pc, inside ? fp : 0};
    if (!inside) {
      *complete = fp == 0;
      return count;
    }
    const uintptr_t* frame = reinterpret_cast<const uintptr_t*>(fp);
    pc = frame[1];
    if (pc == 0) {
      *complete = true;
      return count;
    }
    if (frame[0] <= fp) {
      if (count < max) frames[count++] = {pc, 0};
      *complete = frame[0] == 0 || high - fp < kBaseBytes;
      return count;
    }
    sp = fp;
    fp = frame[0];
  }
  *complete = true;  // cut on purpose
  return count;
}

}  // namespace extmem
