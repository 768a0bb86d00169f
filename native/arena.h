// Memory of the profiler itself. It comes straight from the system, so that no table of ours ever passes through the
// allocator that is being watched, and it is never given back: a thread may still be inside a hook when profiling
// stops. Pages are zero and cost nothing until they are touched.
//
// All tables lie in one reservation of kArenaBytes, which bounds what the profiler can ever hold, and which the ledger
// knows as ours (leaf `runtime`). Any thread.
#ifndef EXTMEM_NATIVE_ARENA_H_
#define EXTMEM_NATIVE_ARENA_H_

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace extmem {

// The tables take 10 MiB when all are full.
constexpr size_t kArenaBytes = size_t{12} << 20;

// A raw system call: the mmap of libc may be wrapped by others. Null when the system refuses.
inline void* MapPages(size_t bytes, int protection = PROT_READ | PROT_WRITE) {
  long address = syscall(SYS_mmap, nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address < 0 && address > -4096 ? nullptr : reinterpret_cast<void*>(address);
}

// Zeros, for ever. Null when the arena is used up or the system refuses.
void* TakeFromArena(size_t bytes);

template <typename T>
T* ArenaArray(size_t count) {
  return static_cast<T*>(TakeFromArena(count * sizeof(T)));
}

struct ArenaBounds {
  uintptr_t start, end;  // both 0 before the first use
};
ArenaBounds BoundsOfArena();

}  // namespace extmem

#endif  // EXTMEM_NATIVE_ARENA_H_
