#include "os/background_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "os/elf_image.h"

namespace extmem {
namespace {

// All signals but those that glibc uses inside setuid and pthread_cancel: blocking these would hang the callers.
// Raw, because the symbol is bound to glibc 2.32. The kernel's mask is 64 bits.
class BlockedSignals {
 public:
  BlockedSignals() {
    const uint64_t all = ~(uint64_t{1} << 31 | uint64_t{1} << 32);
    blocked_ = syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof(before_)) == 0;
  }
  ~BlockedSignals() {
    if (blocked_) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof(before_));
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  uint64_t before_ = 0;
  bool blocked_ = false;
};

// glibc puts the thread-local variables of all loaded objects, and its own block, on the stack of each thread. It tells
// how much that is to those who know the name, as Java does; 0 where there is no such name.
size_t BytesTakenByLibc() {
  size_t (*least)(const pthread_attr_t*);
  const pthread_attr_t usual = {};
  return FindFunction("__pthread_get_minstack", &least) ? least(&usual) : 0;
}

}  // namespace

bool BackgroundThread::Start(void (*body)(void*), void* data, size_t stack_bytes) {
  uv_thread_options_t options{};
  options.flags = UV_THREAD_HAS_STACK_SIZE;
  options.stack_size = stack_bytes + BytesTakenByLibc();
  BlockedSignals blocked;  // inherited by the thread
  return uv_thread_create_ex(&thread_, &options, body, data) == 0;
}

void BackgroundThread::Join() { uv_thread_join(&thread_); }

}  // namespace extmem
