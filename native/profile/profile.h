// The native profiler: hooks, sampling, stacks and the table of live samples put together.
//
// One per process. Any environment may call these functions, no hook does: they wait for the loader and allocate. What
// the hooks report comes in through a HookObserver (hook.h). A forked child inherits the hooks, but samples nothing.
#ifndef EXTMEM_PROFILE_PROFILE_H_
#define EXTMEM_PROFILE_PROFILE_H_

#include <cstdint>

#include "profile/hook.h"
#include "profile/stack.h"

namespace extmem {

struct ProfileOptions {
  uint64_t mean_bytes;                  // between samples; > 0
  uint32_t max_samples_per_cpu_second;  // of the CPU time of the process; 0 = no limit
  uint32_t depth;                       // frames kept
  uint64_t seed;                        // 0 = from the clock
};

struct SampleRate {
  uint64_t mean_bytes;  // in force now: the limit may have raised it
  uint64_t raises;      // how often it did
};

// kRunning when it runs already: the first one owns it.
HookStatus ProfileStart(const ProfileOptions& options);
// Nothing happens when it does not run.
void ProfileStop();
void ProfileSetRate(uint64_t mean_bytes);
// Follows objects that were loaded or unloaded since.
bool ProfileRescan();
SampleRate ProfileRate();
uint64_t ProfileOwnBytes();

// The calling thread runs JavaScript whose frames may be decoded from now on: null, or the name of what is missing for
// that, a symbol, a file, or process_vm_readv.
const char* ProfileRegisterThread();
void ProfileUnregisterThread();
// The environment of the calling thread ends: its isolate is about to be taken down, and nobody else would stop a
// profiler that it started.
void ProfileThreadEnds();
// The handle of the stack of the caller, as a sample would show it or as the self-test wants it; 0 when the table is
// full, and in a forked child. Not from a hook.
__attribute__((noinline)) uint64_t ProfileCapture(StackOf what);

// While one exists, numbers of stacks and frames keep their meaning. Not from a hook; on any thread.
class ProfileReading {
 public:
  ProfileReading();
  ~ProfileReading();
  ProfileReading(const ProfileReading&) = delete;
  ProfileReading& operator=(const ProfileReading&) = delete;

 private:
  const bool locked_;
};

}  // namespace extmem

#endif  // EXTMEM_PROFILE_PROFILE_H_
