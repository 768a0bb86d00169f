// Memory of the profiler itself. It comes straight from the system, so that no table of ours ever passes through the
// allocator that is being watched, and it is never given back: a thread may still be inside a hook when profiling
// stops. Pages are zero and cost nothing until they are touched.
#ifndef EXTMEM_NATIVE_ARENA_H_
#define EXTMEM_NATIVE_ARENA_H_

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace extmem {

// A raw system call: the mmap of libc may be wrapped by others. Null when the system refuses.
inline void* MapPages(size_t bytes) {
  long address =
      syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address < 0 && address > -4096 ? nullptr : reinterpret_cast<void*>(address);
}

template <typename T>
T* MapArray(size_t count) {
  return static_cast<T*>(MapPages(count * sizeof(T)));
}

}  // namespace extmem

#endif  // EXTMEM_NATIVE_ARENA_H_
