// The functions that stand in for the originals, and the table that says which is which.
#ifndef EXTMEM_PROFILE_HOOK_FUNCTIONS_H_
#define EXTMEM_PROFILE_HOOK_FUNCTIONS_H_

#include <atomic>

#include "profile/hook.h"

namespace extmem {

enum class HookKind : uint8_t {
  kRelease,     // free, realloc, ...: patched first
  kAllocate,    // malloc, ...
  kNew,         // operator new: how it is watched depends on who defines it
  kDelete,      // operator delete: only where it does not end in a free that is patched, or where that is spared
  kMap,         // mmap family: in every object but the executable
  kInvalidate,  // the same functions in the executable: V8's own mappings, of which we only learn that they changed
  kClose,       // dlclose, in every object. Not dlopen: that looks at who calls it
};

struct HookedFunction {
  const char* name;
  HookKind kind;
  void* hook;
  void* direct_hook;    // kNew: for an operator new that does not call a patched malloc; else null
  void* standard_hook;  // kNew, kDelete: for the one of libstdc++, whose malloc or free it calls itself; else null
  void** original;      // filled in before any slot is rewritten; null = does not exist here
};

extern const HookedFunction kHookedFunctions[];
extern const size_t kHookedFunctionCount;

// What our own calls of malloc, free, calloc, realloc and posix_memalign are bound to is compared with the originals.
extern const char* const kBoundNames[5];

void SetHookObserver(const HookObserver* observer);

}  // namespace extmem

#endif  // EXTMEM_PROFILE_HOOK_FUNCTIONS_H_
