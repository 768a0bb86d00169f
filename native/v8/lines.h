// Lines of positions in scripts of any size, found inside hooks in bounded slices.
//
// A text is counted once, from its start on: each sample that meets a frame of the script goes on for as much as its
// Work allows, and leaves checkpoints behind, from which any earlier position is a short count. A position that is not
// reached yet is awaited: its line is written when the count passes it. Only a live frame leads to a text, since V8
// moves and drops texts as it likes; each slice finds it anew and is checked before it is read.
//
// Lock-free; a script is counted by the thread of its isolate alone.
#ifndef EXTMEM_V8_LINES_H_
#define EXTMEM_V8_LINES_H_

#include <atomic>
#include <cstdint>

#include "v8/layout.h"
#include "v8/work.h"

namespace extmem {

// Longer texts are left uncounted: checkpoints have a fixed number, and between two of them lies one slice.
constexpr uint32_t kMaxTextChars = 32u << 20;

struct ScriptRef {
  uint64_t key;      // isolate and script id: never another script's
  uintptr_t object;  // good until the hook returns
};

// Both from 1. Packed, so that it is written and read at once; 0 = not known.
using LinePlace = uint64_t;
inline LinePlace PackPlace(int32_t line, int32_t column) {
  return static_cast<uint64_t>(static_cast<uint32_t>(line)) << 32 | static_cast<uint32_t>(column);
}
inline int32_t LineOfPlace(LinePlace place) { return static_cast<int32_t>(place >> 32); }
inline int32_t ColumnOfPlace(LinePlace place) { return static_cast<int32_t>(place); }

enum class LineAnswer { kKnown, kLater, kNever };

// Not from a hook. False when the system has no memory.
bool LinesInit();
// `near` pays when little is left to be counted, as in all scripts of an ordinary size, else `far`.
LineAnswer FindLine(const V8Layout& v8, const ScriptRef& script, int32_t position, Work* near, Work* far,
                    LinePlace* place);
// After kLater: the place is written to `into` when the count comes to it. False: no room, ask again.
bool AwaitLine(const ScriptRef& script, int32_t position, std::atomic<LinePlace>* into);
// Whether anything is awaited, of any script.
bool LinesAwaited();
// Goes on if something is awaited of this script.
void AdvanceLines(const V8Layout& v8, const ScriptRef& script, Work* work);
// Drops what is awaited at places that `dropped` names. False: a hook is at work, ask again. Not from a hook.
bool ForgetAwaited(bool (*dropped)(const std::atomic<LinePlace>* into));
// The isolate with this number ends.
void ForgetLines(uint32_t isolate);

}  // namespace extmem

#endif  // EXTMEM_V8_LINES_H_
