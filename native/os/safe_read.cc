#include "os/safe_read.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace extmem {

namespace {

// page | generation in the bits below the page size: one word, so that a reader sees both or neither.
// Sets of four, and a hash to find them: V8 keeps its spaces at round distances, and two hot pages in one cell would
// cost each frame of each stack two system calls.
constexpr uint32_t kRemembered = 1u << 13;
constexpr uint32_t kWays = 4;
alignas(64) std::atomic<uintptr_t> g_pages[kRemembered];
std::atomic<uint32_t> g_generation{1};
std::atomic<uint64_t> g_asked{0};

// Whether the kernel copies the mask of signals that is to be set before it refuses to set it in a way that it does not
// know. Asking so takes a third of the time of process_vm_readv; nothing is changed.
std::atomic<bool> g_asks_by_mask{false};

// The error of that.
int MaskError(uintptr_t word) {
  constexpr long kNoWay = -1, kMaskBytes = 8;
  return syscall(SYS_rt_sigprocmask, kNoWay, word, nullptr, kMaskBytes) == 0 ? 0 : errno;
}

// Precondition: `page` is the address of one.
bool AskForPage(uintptr_t page) {
  char byte;
  if (g_asks_by_mask.load(std::memory_order_relaxed)) return MaskError(page) == EINVAL;
  return ReadUnknown(page, &byte, 1);
}

std::atomic<uintptr_t>* SetOf(uintptr_t page) {
  return &g_pages[((page / kReadPage) * 0x9E3779B97F4A7C15ull >> 32) % (kRemembered / kWays) * kWays];
}

}  // namespace

bool ReadUnknown(uintptr_t address, void* into, size_t size) {
  iovec local = {into, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  // The id is asked each time: after a fork it is another one. Both calls are cheap next to a page fault.
  long pid = syscall(SYS_getpid);
  return syscall(SYS_process_vm_readv, pid, &local, 1L, &remote, 1L, 0L) == static_cast<long>(size);
}

bool ReadableNow(uintptr_t low, uintptr_t high) {
  uintptr_t page = low & ~(kReadPage - 1);
  if (g_asks_by_mask.load(std::memory_order_relaxed)) {
    while (page < high && MaskError(page) == EINVAL) page += kReadPage;
    return page >= high;
  }
  constexpr size_t kBatch = 16;  // a hook runs on any stack, and most threads use but a few pages of theirs
  iovec pages[kBatch];
  char bytes[kBatch];
  while (page < high) {
    size_t count = 0;
    for (; count < kBatch && page < high; page += kReadPage) pages[count++] = {reinterpret_cast<void*>(page), 1};
    iovec into = {bytes, count};
    const long got = syscall(SYS_process_vm_readv, syscall(SYS_getpid), &into, 1L, pages, count, 0L);
    if (got != static_cast<long>(count)) return false;
  }
  return true;
}

bool SafeReadWorks() {
  uintptr_t word = 42, copy = 0;
  const uintptr_t address = reinterpret_cast<uintptr_t>(&word);
  g_asks_by_mask.store(MaskError(address) == EINVAL && MaskError(kReadPage) == EFAULT, std::memory_order_relaxed);
  return ReadUnknown(address, &copy, sizeof(copy)) && copy == 42;
}

void SafeReadForgetAll() {
  const uint32_t generation = g_generation.fetch_add(1, std::memory_order_release) + 1;
  if (generation % kReadPage != 0) return;
  // The numbers begin anew: what was remembered under them long ago must not come back.
  for (std::atomic<uintptr_t>& page : g_pages) page.store(0, std::memory_order_relaxed);
}

void SafeReadForget(uintptr_t start, size_t length) {
  // V8 unmaps at every collection: asking for all other pages anew would cost the next sample some 50 us.
  if (length / kReadPage >= kRemembered) return SafeReadForgetAll();
  const uintptr_t end = start + length;
  for (uintptr_t page = start & ~(kReadPage - 1); page < end; page += kReadPage) {
    std::atomic<uintptr_t>* set = SetOf(page);
    for (uint32_t way = 0; way < kWays; way++) {
      uintptr_t held = set[way].load(std::memory_order_relaxed);
      if ((held & ~(kReadPage - 1)) == page) set[way].compare_exchange_strong(held, 0, std::memory_order_relaxed);
    }
  }
}

bool PageReadable(uintptr_t page) {
  uintptr_t generation = g_generation.load(std::memory_order_acquire) % kReadPage;
  std::atomic<uintptr_t>* set = SetOf(page);
  for (uint32_t way = 0; way < kWays; way++) {
    if (set[way].load(std::memory_order_relaxed) == (page | generation)) return true;
  }
  const uint64_t asked = g_asked.fetch_add(1, std::memory_order_relaxed);
  if (!AskForPage(page)) return false;
  // One after the other: an old page costs a call once more, a hot one comes back to a place of its own.
  set[asked % kWays].store(page | generation, std::memory_order_relaxed);
  return true;
}

uint64_t SafeReadAsked() { return g_asked.load(std::memory_order_relaxed); }

}  // namespace extmem
