// Mixed stacks: from the frame of a hook to a small number that stands for the whole stack.
//
// The walk follows frame pointers inside the thread's own stack and never reads outside it. Frames and stacks are
// interned, so that a stack seen before costs one walk and one lookup per frame, and no memory. Numbers stay valid for
// the life of the process. Any thread; locks only on the first sight of something.
#ifndef EXTMEM_PROFILE_STACK_H_
#define EXTMEM_PROFILE_STACK_H_

#include <cstdint>

#include "os/modules.h"
#include "profile/hook.h"
#include "profile/intern.h"
#include "v8/frames.h"

namespace extmem {

// X(value, name, doc). The name is what crosses to JavaScript.
#define EXTMEM_FRAME_KINDS(X)                                                               \
  X(kNative, native, "native code, known by its return address")                            \
  X(kBuiltin, builtin, "a builtin function of V8, by its return address in the executable") \
  X(kJavaScript, javascript, "decoded: name, script, line and column")                      \
  X(kUnreadable, unreadable, "a frame of V8 that was not decoded, or may not be shown")     \
  X(kMapping, mapping, "no function: what follows made a mapping, not an allocation")       \
  X(kUnread, unread, "no function: what is further out was not read, because the time of one sample was over")

enum class FrameKind : uint16_t {
#define EXTMEM_FRAME_KIND(value, name, doc) value,
  EXTMEM_FRAME_KINDS(EXTMEM_FRAME_KIND)
#undef EXTMEM_FRAME_KIND
};

// What of the frames of a tier may be shown. The self-test decides, later than the first samples: until it has seen the
// tier, its frames are kept both decoded and as one that is not, and who reads a stack is given either.
enum class TierLevel : uint32_t { kUnseen, kRefused, kNames, kLines };

// Interned byte for byte, so it has no padding.
struct FrameRecord {
  uint64_t place;   // CodePlace.at; of JavaScript whose line was not known at first sight its script (ScriptRef.key)
  uint32_t name;    // in StackStrings(), 0 = none
  uint32_t script;  // likewise
  int32_t line;     // from 1, 0 = see FrameLine()
  int32_t column;
  FrameKind kind;
  CodeTier tier;    // kept while its tier was unseen: as kJavaScript when it is to be shown, else as kUnreadable
  uint32_t detail;  // CodePlace.module; of such JavaScript, its position
};

constexpr uint32_t kMaxDepth = 128;
constexpr uint32_t kMaxFrames = 1u << 15;

struct StackCounters {
  uint64_t decoded;     // frames decoded because the cache did not know them
  uint64_t unreadable;  // frames of V8 that could not be decoded
  uint64_t unlicensed;  // of those decoded: of a tier that the self-test had not seen, or had seen decoded wrongly
  uint64_t unwalked;    // samples on a stack whose bounds are unknown: caller only
  uint64_t broken;      // walks that ended before the start of the thread
  uint64_t repaired;    // of these, continued at the newest JavaScript below
  uint64_t unplaced;    // frames left without a line, because their work exceeds what one sample may do
  uint64_t unread;      // samples whose outer frames were not read, because the time of one sample was over
};

// Maps the tables. Not from a hook.
bool StackInit();
// Loads the layout of the running V8 once. The first number that is missing, or null.
const char* StackLoadLayout();
void StackSetLevel(CodeTier tier, TierLevel level);

// Learns the bounds of the calling thread and the code of its isolate. Not from a hook.
bool StackRegisterThread(Thread* thread);
void StackUnregisterThread(Thread* thread);

// A mapping's stack begins with a frame of its own, so that mappings and allocations of one place stay apart. One of
// the self-test is decoded anew, as if no tier had been seen.
enum class StackOf : uint8_t { kAllocation, kMapping, kTest };

// The number of the stack that `frame` (a hook's own frame) was called from; 0 when the table is full.
uint32_t CaptureStack(Thread* thread, const uintptr_t* frame, uint32_t depth, StackOf what, SampleClock clock);

const InternTable& StackStrings();
const InternTable& StackFrames();  // of FrameRecord
// Gives the numbers of stacks that hold nothing, and of frames, names and modules of such stacks alone, to others when
// the tables get crowded. Precondition: no thread is in CaptureStack() or between it and what it does with the number.
void StackSweep();
bool StackIsCrowded();

// Where a frame of native code or of a builtin is.
CodePlace FramePlace(uint32_t frame);
// Whether the level of its tier is that for which a frame of a stack was kept.
bool FrameIsShown(const FrameRecord& frame);
// Where a frame of JavaScript is; 0 while its line is not known, and when it may not be shown.
LinePlace FrameLine(uint32_t frame);
const InternTable& Stacks();  // of uint32_t frame numbers, innermost first
StackCounters StackCount();
uint64_t StackOwnBytes();

}  // namespace extmem

#endif  // EXTMEM_PROFILE_STACK_H_
