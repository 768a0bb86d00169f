// The bounds of a thread's stack, found without calling into the C library.
#ifndef EXTMEM_PROFILE_THREAD_STACK_H_
#define EXTMEM_PROFILE_THREAD_STACK_H_

#include "os/safe_read.h"
#include "profile/hook.h"

namespace extmem {

// True when everything from `sp` to thread->stack_high may be read. For hooks.
bool StackKnown(Thread* thread, uintptr_t sp);

// Sets the bounds of the calling thread from its mapping. Not from a hook.
bool LearnStack(Thread* thread, bool reads_checked);

struct RawFrame {
  uintptr_t pc;
  uintptr_t fp;  // 0: unknown, the frame cannot be decoded
};

// Follows frame pointers upwards: `pc` runs in the frame at `fp`. Reads only between `sp` and `high`.
class FrameWalk {
 public:
  FrameWalk(uintptr_t pc, uintptr_t fp, uintptr_t sp, uintptr_t high) : pc_(pc), fp_(fp), sp_(sp), high_(high) {}

  // False: there was no more.
  bool Next(RawFrame* frame);
  // False: the chain broke before it came to where the thread began.
  bool complete() const { return complete_; }

 private:
  uintptr_t pc_, fp_, sp_;
  const uintptr_t high_;
  bool ended_ = false;
  bool complete_ = true;  // also when nobody asked for the rest
};

}  // namespace extmem

#endif  // EXTMEM_PROFILE_THREAD_STACK_H_
