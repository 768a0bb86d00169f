// Interception of the allocation functions of a running process, by rewriting the slots through which its objects call
// them. The platform is one file behind this header (hook_linux.cc).
//
// Threads: Install, Rescan and Remove are called by one thread at a time, never from a hook. Hooks run on any thread.
// Never unloaded: a thread may be inside a hook for ever, so the library pins itself before the first slot changes,
// and after Remove() the hooks still forward to the original functions.
// A hook never changes a pointer, a size, a return value or errno, never allocates and never enters the loader.
#ifndef EXTMEM_PROFILE_HOOK_H_
#define EXTMEM_PROFILE_HOOK_H_

#include <cstddef>
#include <cstdint>

#include "profile/sampler.h"

namespace extmem {

struct V8Isolate;

// All that a hook knows of its thread. Trivially destructible, because allocations of thread-exit handlers still come
// through here, and in initial-exec storage, of which all addons of a process share 1.6 KiB: keep it within 64 bytes.
struct Thread {
  Sampler sampler;       // 24 bytes
  uintptr_t new_frame;   // frame of the operator new that is running, 0 = none
  uintptr_t stack_high;  // end of this thread's stack; 0 = not known yet, 1 = cannot be known
  uintptr_t stack_low;   // addresses from here up to stack_high were found readable
  V8Isolate* isolate;    // null unless this thread runs JavaScript that was registered
  uint32_t id;           // kernel thread id, 0 = not asked yet
  bool busy;             // inside the profiler: leave everything alone
};
static_assert(sizeof(Thread) <= 64, "static thread-local storage is scarce");

Thread* ThisThread();

// What the hooks report to. Called on the allocating thread; `frame` is the frame of the hook itself: frame[0] = the
// caller's frame, frame[1] = the return address into the caller.
struct HookObserver {
  // The countdown of the thread is used up. `size` bytes begin at `block`.
  void (*allocated)(Thread* thread, void* block, size_t size, const uintptr_t* frame);
  // An anonymous mapping of an object other than the executable came.
  void (*mapped)(Thread* thread, void* start, size_t length, const uintptr_t* frame);
  // A mapping of anybody is about to go.
  void (*unmapped)(void* start, size_t length);
  // The executable set aside address space of at least kReservationBytes, or made a range writable.
  void (*reserved)(void* start, size_t length);
  void (*committed)(Thread* thread, void* start, size_t length, const uintptr_t* frame);
  // Address space was given back: what was readable may not be any more.
  void (*invalidated)(void* start, size_t length);
  // Somebody is about to close an object, and has closed it.
  void (*closing)();
  void (*closed)();
};

// V8 sets aside this much only for WebAssembly memories, whose pages it commits later.
constexpr size_t kReservationBytes = size_t{4} << 30;

// X(value, name, doc). The name is what crosses to JavaScript.
#define EXTMEM_HOOK_STATUSES(X)                                                                        \
  X(kInstalled, installed, "the slots are rewritten")                                                  \
  X(kUnsupported, unsupported, "not this C library or this platform")                                  \
  X(kOriginalsDiffer, originalsDiffer, "two ways to find the real malloc disagree")                    \
  X(kIndirect, indirect, "the real malloc is chosen by a resolver function")                           \
  X(kAudited, audited, "an auditor of the loader (LD_AUDIT) stands in the slots")                      \
  X(kForeign, foreign, "the executable's slots hold functions of somebody else, see `profileForeign`") \
  X(kProtected, protected, "the system refuses to write to the slots")                                 \
  X(kNoMemory, noMemory, "the system has no memory for the tables")                                    \
  X(kRunning, running, "it runs already, for another environment of this process")

enum class HookStatus : uint32_t {
#define EXTMEM_HOOK_STATUS(value, name, doc) value,
  EXTMEM_HOOK_STATUSES(EXTMEM_HOOK_STATUS)
#undef EXTMEM_HOOK_STATUS
};

struct HookReport {
  uint32_t objects;          // looked at
  uint32_t patched_objects;  // at least one slot rewritten
  uint32_t slots;            // rewritten now
  uint32_t refused_slots;    // the system refused to write to them
  uint32_t foreign_slots;    // hold a function that is neither the original nor ours: left alone
  uint32_t unreadable_objects;
  uint32_t dropped_slots;  // no room to remember the old value: left alone
  uintptr_t foreign;       // one address found in a foreign slot of the executable, or 0
};

// Rewrites the slots of all loaded objects: first those of the functions that free, then those that allocate, so that
// no block is recorded whose end would be missed.
// The observer lives for ever, since a thread may be on its way to it when the hooks are removed.
HookStatus HookInstall(const HookObserver* observer);
// Rewrites the slots of objects that were loaded since. Cheap when nothing was; true when something changed.
bool HookRescan();
// Writes the old values back where a slot still holds our hook.
void HookRemove();
HookReport HookCoverage();

}  // namespace extmem

#endif  // EXTMEM_PROFILE_HOOK_H_
