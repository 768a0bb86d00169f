#include "os/own_pages.h"

#include <atomic>

#include "os/lock.h"

namespace extmem {

namespace {

constexpr size_t kGuardBytes = 64 << 10;  // a page of any size; keeps the kernel from merging us with a neighbour
constexpr size_t kAlignment = 64;         // a cache line

Lock g_lock;
size_t g_taken = 0;
std::atomic<uintptr_t> g_start{0};

}  // namespace

void* TakeOwnPages(size_t bytes) {
  Locked locked(&g_lock);
  uintptr_t start = g_start.load(std::memory_order_relaxed);
  if (start == 0) {
    void* reserved = MapPages(kOwnPagesBytes + 2 * kGuardBytes, PROT_NONE);
    if (reserved == nullptr) return nullptr;
    start = reinterpret_cast<uintptr_t>(reserved) + kGuardBytes;
    if (syscall(SYS_mprotect, start, kOwnPagesBytes, PROT_READ | PROT_WRITE) != 0) {
      syscall(SYS_munmap, reserved, kOwnPagesBytes + 2 * kGuardBytes);
      return nullptr;
    }
    g_start.store(start, std::memory_order_release);
  }
  if (bytes > kOwnPagesBytes - g_taken) return nullptr;
  void* taken = reinterpret_cast<void*>(start + g_taken);
  g_taken += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (g_taken > kOwnPagesBytes) g_taken = kOwnPagesBytes;
  return taken;
}

OwnPagesBounds BoundsOfOwnPages() {
  const uintptr_t start = g_start.load(std::memory_order_acquire);
  return {start, start == 0 ? 0 : start + kOwnPagesBytes};
}

}  // namespace extmem
