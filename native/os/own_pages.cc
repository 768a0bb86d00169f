#include "os/own_pages.h"

#include <atomic>

#include "os/lock.h"

namespace extmem {

namespace {

constexpr size_t kGuardBytes = 64 << 10;  // a page of any size; keeps the kernel from merging us with a neighbour
constexpr size_t kAlignment = 64;         // a cache line

#if !defined(MADV_WIPEONFORK)
#define MADV_WIPEONFORK 18
#endif

Lock g_lock;
size_t g_taken = kAlignment;  // of which the first word is not zero, but in a child
bool g_wiped = false;         // valid once g_start is set
std::atomic<uintptr_t> g_start{0};
std::atomic<pid_t> g_process{0};

std::atomic<uint32_t>* Mark(uintptr_t start) { return reinterpret_cast<std::atomic<uint32_t>*>(start); }

// 0 when the system refuses. Precondition: the caller holds the lock.
uintptr_t Reserve() {
  void* reserved = MapPages(kOwnPagesBytes + 2 * kGuardBytes, PROT_NONE);
  if (reserved == nullptr) return 0;
  const uintptr_t start = reinterpret_cast<uintptr_t>(reserved) + kGuardBytes;
  if (syscall(SYS_mprotect, start, kOwnPagesBytes, PROT_READ | PROT_WRITE) != 0) {
    syscall(SYS_munmap, reserved, kOwnPagesBytes + 2 * kGuardBytes);
    return 0;
  }
  g_wiped = syscall(SYS_madvise, start, kOwnPagesBytes, MADV_WIPEONFORK) == 0;
  Mark(start)->store(1, std::memory_order_relaxed);
  g_start.store(start, std::memory_order_release);
  return start;
}

uintptr_t Start() {
  const uintptr_t start = g_start.load(std::memory_order_acquire);
  if (start != 0) return start;
  Locked locked(&g_lock);
  return g_start.load(std::memory_order_relaxed) != 0 ? g_start.load(std::memory_order_relaxed) : Reserve();
}

}  // namespace

void* TakeOwnPages(size_t bytes) {
  const uintptr_t start = Start();
  if (start == 0) return nullptr;
  Locked locked(&g_lock);
  if (bytes > kOwnPagesBytes - g_taken) return nullptr;
  void* taken = reinterpret_cast<void*>(start + g_taken);
  g_taken += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (g_taken > kOwnPagesBytes) g_taken = kOwnPagesBytes;
  return taken;
}

bool InForkedChild() {
  const uintptr_t start = Start();
  if (start != 0 && g_wiped) return Mark(start)->load(std::memory_order_relaxed) == 0;
  const pid_t self = static_cast<pid_t>(syscall(SYS_getpid));  // older libraries remember it across a bare fork
  pid_t first = 0;
  return !g_process.compare_exchange_strong(first, self) && first != self;
}

OwnPagesBounds BoundsOfOwnPages() {
  const uintptr_t start = g_start.load(std::memory_order_acquire);
  return {start, start == 0 ? 0 : start + kOwnPagesBytes};
}

}  // namespace extmem
