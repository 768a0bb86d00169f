#include "profile/thread_stack.h"

#include "os/proc_maps.h"
#include "os/safe_read.h"
#include "os/thread_block.h"

namespace extmem {

namespace {

constexpr uintptr_t kUnknowable = 1;
// A stack does not reach further than this below an address known to belong to it; beyond is another stack.
constexpr uintptr_t kMaxReach = 16u << 20;
// More of a stack is not checked within one sample: 128 pages.
constexpr uintptr_t kMaxCheckBytes = 512u << 10;
// The last frames of a thread lie within this distance of the end of its stack, below arguments and environment or the
// thread's own block.
constexpr uintptr_t kBaseBytes = 64u << 10;

bool g_reads_checked = false;

}  // namespace

bool StackKnown(Thread* thread, uintptr_t sp) {
  if (thread->stack_high == kUnknowable) return false;
  if (thread->stack_high == 0) {
    const uintptr_t high = ThisThreadBlock();  // the high end of the stack
    if (!g_reads_checked || high < sp || high - sp > kMaxReach) {
      thread->stack_high = kUnknowable;
      return false;
    }
    thread->stack_high = thread->stack_low = high;
  }
  if (sp >= thread->stack_high) return false;  // a fiber elsewhere
  if (sp >= thread->stack_low) return true;
  if (thread->stack_low - sp > kMaxReach) return false;
  const bool reaches = thread->stack_low - sp <= kMaxCheckBytes;
  const uintptr_t low = reaches ? sp : thread->stack_low - kMaxCheckBytes;
  if (g_reads_checked && !ReadableNow(low, thread->stack_low)) return false;
  thread->stack_low = low;
  return reaches;
}

bool LearnStack(Thread* thread, bool reads_checked) {
  g_reads_checked = reads_checked;
  const uintptr_t sp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  ProcMaps map;
  const MapLine* line = map.Find(sp);
  if (line == nullptr) return false;
  // What lies above a thread's stack may be one mapping with it. The main thread's block lies elsewhere.
  const uintptr_t block = ThisThreadBlock();
  thread->stack_high = block > sp && block < line->end ? block : line->end;
  thread->stack_low = sp;
  return true;
}

WORDS_OF_ANY_FRAME bool FrameWalk::Next(RawFrame* frame) {
  if (ended_) return false;
  const bool inside = fp_ >= sp_ && fp_ < high_ && high_ - fp_ >= 16 && fp_ % sizeof(uintptr_t) == 0;
  *frame = {pc_, inside ? fp_ : 0};
  if (!inside) {
    ended_ = true;
    complete_ = fp_ == 0;
    return true;
  }
  const uintptr_t* words = reinterpret_cast<const uintptr_t*>(fp_);
  pc_ = words[1];
  ended_ = pc_ == 0;
  const bool begins_here = words[0] <= fp_ && high_ - fp_ < kBaseBytes;
  sp_ = fp_ + 1;  // a chain that leads down again is broken
  fp_ = begins_here ? 0 : words[0];
  return true;
}

}  // namespace extmem
