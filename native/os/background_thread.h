// A thread of our own, which takes no part in what the program does with its threads: all signals are blocked on it.
//
// Made by libuv, whose functions Node exports: pthread_create and pthread_join as symbols are bound to glibc 2.34.
// Threads: Start and Join by one thread at a time. Whoever started it joins it before the next start.
#ifndef EXTMEM_OS_BACKGROUND_THREAD_H_
#define EXTMEM_OS_BACKGROUND_THREAD_H_

#include <uv.h>

#include <cstddef>

namespace extmem {

class BackgroundThread {
 public:
  // Runs body(data) with `stack_bytes` for itself. False: the system refuses. Enters the loader.
  bool Start(void (*body)(void*), void* data, size_t stack_bytes);
  void Join();

 private:
  uv_thread_t thread_{};
};

}  // namespace extmem

#endif  // EXTMEM_OS_BACKGROUND_THREAD_H_
