// A lock that sleeps in the kernel when it is taken. Hooks may not use a mutex of libc that others could wrap, and a
// spin lock turns one preempted owner into a stall of every allocating thread.
// It is held for microseconds, never across an allocation and never across a call into the loader.
#ifndef EXTMEM_OS_LOCK_H_
#define EXTMEM_OS_LOCK_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace extmem {

class Lock {
 public:
  void Acquire() {
    uint32_t free = kFree;
    if (state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) return;
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree) Futex(FUTEX_WAIT_PRIVATE, kAwaited);
  }
  void Release() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) Futex(FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  enum : uint32_t { kFree, kHeld, kAwaited };
  void Futex(int operation, uint32_t value) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&state_), operation, value, nullptr, nullptr, 0);
  }
  std::atomic<uint32_t> state_{kFree};
};

class Locked {
 public:
  explicit Locked(Lock* lock) : lock_(lock) { lock_->Acquire(); }
  ~Locked() { lock_->Release(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Lock* lock_;
};

}  // namespace extmem

#endif  // EXTMEM_OS_LOCK_H_
