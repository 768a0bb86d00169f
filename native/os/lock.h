// The one lock of the addon, and how a thread waits for another one under it.
//
// The lock sleeps in the kernel when it is taken: hooks may not use a mutex of libc that others could wrap, and a spin
// lock turns one preempted owner into a stall of every allocating thread.
//
// Order. There are two kinds, and who holds one of the second takes none of the first:
//   no hook takes it   the profiler's control, the list of modules, the reader's state, the table of isolates. Its
//                      owner may allocate and call the loader. (That of dlclose, whose caller may do so too, takes the
//                      control when it is free.) Under the control the list may be taken, else never two.
//                      The reserve of descriptors may be taken under any of them.
//   hooks take it      interned tables, seen mappings, vacant isolates, own pages. Held for microseconds, never across
//                      an allocation or a call into the loader: either may end in a hook that waits for it. Own pages
//                      may be taken under any other.
// None is held while a pass runs or a callback is called.
//
// Fork. The child has one thread, and what another one held is held there for ever. Hooks come to no lock in a child,
// and neither does what a session that is still running there calls of the reader, the table of isolates, the profiler,
// the list of modules and the counts of seen mappings: all ask InForkedChild() first (own_pages.h) and do nothing.
#ifndef EXTMEM_OS_LOCK_H_
#define EXTMEM_OS_LOCK_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace extmem {

inline void Futex(std::atomic<uint32_t>* word, int operation, uint32_t value, const timespec* timeout = nullptr) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), operation, value, timeout, nullptr, 0);
}

class Lock {
 public:
  void Acquire() {
    uint32_t free = kFree;
    if (state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) return;
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree) Futex(&state_, FUTEX_WAIT_PRIVATE, kAwaited);
  }
  bool TryAcquire() {
    uint32_t free = kFree;
    return state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire);
  }
  void Release() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) Futex(&state_, FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  enum : uint32_t { kFree, kHeld, kAwaited };
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

// Something that one thread waits for and others bring about, under a lock. Not for hooks.
class Condition {
 public:
  static constexpr uint64_t kForever = UINT64_MAX;

  // Precondition: the caller holds `lock`; it is free during the wait. Returns after a Wake(), when the time is over
  // (CLOCK_MONOTONIC), or for no reason: the caller looks again at what it waits for.
  void Wait(Lock* lock, uint64_t timeout_ns) {
    constexpr uint64_t kSecond = 1'000'000'000;
    const timespec timeout = {static_cast<time_t>(timeout_ns / kSecond), static_cast<long>(timeout_ns % kSecond)};
    // Read under the lock: a change that the caller did not see is followed by a Wake() that the kernel sees here.
    const uint32_t wakes = wakes_.load(std::memory_order_relaxed);
    lock->Release();
    Futex(&wakes_, FUTEX_WAIT_PRIVATE, wakes, timeout_ns == kForever ? nullptr : &timeout);
    lock->Acquire();
  }
  // Call it after the change.
  void Wake() {
    wakes_.fetch_add(1, std::memory_order_relaxed);
    Futex(&wakes_, FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  std::atomic<uint32_t> wakes_{0};
};

}  // namespace extmem

#endif  // EXTMEM_OS_LOCK_H_
