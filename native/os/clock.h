// Clocks of the kernel: no allocation, no lock, any thread, also from hooks.
#ifndef EXTMEM_OS_CLOCK_H_
#define EXTMEM_OS_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace extmem {

inline uint64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}
inline uint64_t MonotonicNs() { return ClockNs(CLOCK_MONOTONIC); }
inline double MonotonicUs() { return static_cast<double>(MonotonicNs()) / 1e3; }
// Read from memory that the kernel shares, without a look at the hardware; late by some milliseconds.
inline uint32_t CoarseSeconds() { return static_cast<uint32_t>(ClockNs(CLOCK_MONOTONIC_COARSE) / 1'000'000'000); }
// Of all threads of the process: a system call of some .3 us.
inline uint64_t ProcessCpuNs() { return ClockNs(CLOCK_PROCESS_CPUTIME_ID); }
inline double ThreadCpuUs() { return static_cast<double>(ClockNs(CLOCK_THREAD_CPUTIME_ID)) / 1e3; }

}  // namespace extmem

#endif  // EXTMEM_OS_CLOCK_H_
