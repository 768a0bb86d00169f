#include "safe_read.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

namespace extmem {

namespace {

// page | generation in the bits below the page size: one word, so that a reader sees both or neither.
constexpr uint32_t kRemembered = 1u << 13;
std::atomic<uintptr_t> g_pages[kRemembered];
std::atomic<uint32_t> g_generation{1};

}  // namespace

bool ReadForeign(uintptr_t address, void* into, size_t size) {
  iovec local = {into, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  // The id is asked each time: after a fork it is another one. Both calls are cheap next to a page fault.
  long pid = syscall(SYS_getpid);
  return syscall(SYS_process_vm_readv, pid, &local, 1L, &remote, 1L, 0L) == static_cast<long>(size);
}

bool SafeReadWorks() {
  uintptr_t word = 42, copy = 0;
  return ReadForeign(reinterpret_cast<uintptr_t>(&word), &copy, sizeof(copy)) && copy == 42;
}

void SafeReadForget(uintptr_t start, size_t length) {
  // V8 unmaps at every collection: asking for all other pages anew would cost the next sample some 50 us.
  if (length / kReadPage >= kRemembered) {
    g_generation.fetch_add(1, std::memory_order_release);
    return;
  }
  const uintptr_t end = start + length;
  for (uintptr_t page = start & ~(kReadPage - 1); page < end; page += kReadPage) {
    std::atomic<uintptr_t>& cell = g_pages[(page / kReadPage) % kRemembered];
    uintptr_t held = cell.load(std::memory_order_relaxed);
    if ((held & ~(kReadPage - 1)) == page) cell.compare_exchange_strong(held, 0, std::memory_order_relaxed);
  }
}

bool PageReadable(uintptr_t page) {
  uintptr_t generation = g_generation.load(std::memory_order_acquire) % kReadPage;
  std::atomic<uintptr_t>& cell = g_pages[(page / kReadPage) % kRemembered];
  if (cell.load(std::memory_order_relaxed) == (page | generation)) return true;
  char byte;
  if (!ReadForeign(page, &byte, 1)) return false;
  cell.store(page | generation, std::memory_order_relaxed);
  return true;
}

}  // namespace extmem
