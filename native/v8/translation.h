// What optimised code keeps for its deoptimisation: which functions a call in it runs in, and at which bytecode each of
// them is. It is what V8 itself reads for the stack of an Error, and it is always there: code of maglev has no other
// record of its calls up to V8 13.6, where Node 24.19 brought one.
#ifndef EXTMEM_V8_TRANSLATION_H_
#define EXTMEM_V8_TRANSLATION_H_

#include <cstdint>

#include "v8/layout.h"
#include "v8/work.h"

namespace extmem {

struct OptimizedCode {
  uintptr_t object;      // Code
  uintptr_t safepoints;  // the table behind the instructions
  bool maglev;
};

// A function that was inlined, or the last one: that of the frame.
struct TranslatedCall {
  uintptr_t shared;
  int32_t bytecode_offset;
};

// The calls that the return address at `offset` of the code stands for, innermost first. 0: V8 keeps nothing for this
// place (it cannot throw there, nor look at the stack), or its tables are not what they are known to be, or the work
// was done before.
int TranslateCall(const V8Layout& v8, const OptimizedCode& code, uint32_t offset, TranslatedCall* calls, int max,
                  Work* work);

}  // namespace extmem

#endif  // EXTMEM_V8_TRANSLATION_H_
