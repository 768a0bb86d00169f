// JavaScript frames, decoded from V8's own metadata while the thread stands still inside an allocation.
//
// Only on threads that registered (V8's own threads run no JavaScript, yet have an isolate). No lock, no allocation.
#ifndef EXTMEM_V8_FRAMES_H_
#define EXTMEM_V8_FRAMES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "v8/layout.h"
#include "v8/lines.h"

namespace extmem {

struct AddressRange {
  uintptr_t start = 0;
  size_t size = 0;
  bool Contains(uintptr_t address) const { return address - start < size; }
};

// One isolate's code. Every worker has its own ranges; a number is never used twice in a process.
struct V8Isolate {
  static constexpr int kMaxCodeRanges = 32;
  uint32_t number;
  AddressRange builtins;       // compiled into the executable
  AddressRange builtins_copy;  // the same, mapped again near the code; size 0 when there is none
  AddressRange code[kMaxCodeRanges];
  int code_count;
  std::atomic<uintptr_t> stream_map;  // map of InstructionStream objects, 0 until one was met
  V8Isolate* next_vacant;             // while no thread has it

  bool IsBuiltin(uintptr_t pc) const { return builtins.Contains(pc) || builtins_copy.Contains(pc); }
  const AddressRange* CodeRange(uintptr_t pc) const {
    for (int i = 0; i < code_count; i++) {
      if (code[i].Contains(pc)) return &code[i];
    }
    return nullptr;
  }
  // The address in the executable of a pc in the copy.
  uintptr_t Original(uintptr_t pc) const;
};

// Reads the ranges of the isolate that is current on this thread. False: V8 does not tell. Not from a hook.
bool LoadV8Isolate(uint32_t number, V8Isolate* isolate);

// Identifies what a frame shows, stable across moves by the garbage collector.
struct FrameKey {
  uint64_t function;  // script and function literal
  uint64_t place;     // bytecode offset, or pc with a fingerprint of the instructions around it
  ScriptRef script;   // of the function that has the frame
};

enum class FrameClass { kNative, kBuiltin, kJavaScript, kUnreadable };

// `pc` runs in the frame at `fp`, which lies within the thread's stack together with the 48 bytes below it.
FrameClass ClassifyFrame(const V8Layout& v8, const V8Isolate& isolate, uintptr_t pc, uintptr_t fp, FrameKey* key);

constexpr int32_t kNoPosition = -1;
constexpr int32_t kPositionNotReached = -2;  // the work was done before

// One function, possibly inlined into the next one. Addresses are only good until the hook returns.
struct ScriptFrame {
  uintptr_t shared;
  int32_t position;  // in the text of the script
};

// The compiler whose code a frame runs: names and lines are found by other tables for each. kUnknown: V8 has no code at
// this place, or it was not found.
// X(value, name, doc)
#define EXTMEM_CODE_TIERS(X)                                    \
  X(kInterpreter, interpreter, "bytecode, by the interpreter")  \
  X(kBaseline, baseline, "code of sparkplug, not optimised")    \
  X(kMaglev, maglev, "optimised by maglev, with what it calls") \
  X(kTurbofan, turbofan, "optimised by turbofan, likewise")

enum class CodeTier : uint16_t {
  kUnknown,
#define EXTMEM_CODE_TIER(value, name, doc) value,
  EXTMEM_CODE_TIERS(EXTMEM_CODE_TIER)
#undef EXTMEM_CODE_TIER
};
constexpr int kCodeTiers = static_cast<int>(CodeTier::kTurbofan) + 1;

struct FrameCode {
  CodeTier tier;
  // False when the key does not determine the result (--interpreted-frames-native-stack: one pc for all bytecodes of a
  // function).
  bool repeatable;
};

// Precondition: classified as kJavaScript. Innermost first; at least one; nothing of it is to be used when the work is
// late.
int DecodeFrame(const V8Layout& v8, V8Isolate* isolate, uintptr_t pc, uintptr_t fp, ScriptFrame* frames, int max,
                Work* work, FrameCode* facts);

// A script of an isolate, by the address of its object.
ScriptRef RefOf(const V8Layout& v8, const V8Isolate& isolate, uintptr_t script);

// True when the word below fp marks a frame that V8 builds when it calls native code.
bool IsExitFrame(const V8Layout& v8, uintptr_t marker);

}  // namespace extmem

#endif  // EXTMEM_V8_FRAMES_H_
