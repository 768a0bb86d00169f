// Clocks by the vdso: no libuv loop, no allocation, any thread.
#ifndef EXTMEM_OS_CLOCK_H_
#define EXTMEM_OS_CLOCK_H_

#include <time.h>

namespace extmem {

inline double ClockUs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}
inline double MonotonicUs() { return ClockUs(CLOCK_MONOTONIC); }
inline double ThreadCpuUs() { return ClockUs(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace extmem

#endif  // EXTMEM_OS_CLOCK_H_
