// Memory of the profiler itself. It comes straight from the system, so that no table of ours ever passes through the
// allocator that is being watched, and it is never given back: a thread may still be inside a hook when profiling
// stops. Pages are zero and cost nothing until they are touched.
//
// All tables lie in one reservation of kOwnPagesBytes, which bounds what the profiler can ever hold, and which the
// ledger knows as ours (leaf `runtime`). Any thread.
//
// A forked child sees zeros here, whoever forked it: libc, or a bare system call as in sandboxes, of which no handler
// of libc learns (MADV_WIPEONFORK). That is also how it knows what it is.
#ifndef EXTMEM_OS_OWN_PAGES_H_
#define EXTMEM_OS_OWN_PAGES_H_

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace extmem {

// The tables take 10 MiB when all are full.
constexpr size_t kOwnPagesBytes = size_t{12} << 20;

// A raw system call: the mmap of libc may be wrapped by others. Null when the system refuses.
inline void* MapPages(size_t bytes, int protection = PROT_READ | PROT_WRITE) {
  long address = syscall(SYS_mmap, nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address < 0 && address > -4096 ? nullptr : reinterpret_cast<void*>(address);
}

// Zeros, for ever. Null when the reservation is used up or the system refuses.
void* TakeOwnPages(size_t bytes);

template <typename T>
T* OwnArray(size_t count) {
  return static_cast<T*>(TakeOwnPages(count * sizeof(T)));
}

// True in a child that was forked from the process that asked first, or took pages. Any thread, also from hooks. Before
// Linux 4.14 the process id tells, which is the same in a child that is the first of a namespace, as its parent was.
bool InForkedChild();

struct OwnPagesBounds {
  uintptr_t start, end;  // both 0 before the first use
};
OwnPagesBounds BoundsOfOwnPages();

}  // namespace extmem

#endif  // EXTMEM_OS_OWN_PAGES_H_
