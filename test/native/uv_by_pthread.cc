// The few libuv functions that the addon uses, on plain pthreads: Node exports them to the addon, but a test program
// has no Node around it, and libuv's library need not be installed.
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>
#include <uv.h>

extern "C" {

int uv_mutex_init(uv_mutex_t* mutex) { return pthread_mutex_init(mutex, nullptr); }
void uv_mutex_lock(uv_mutex_t* mutex) { pthread_mutex_lock(mutex); }
void uv_mutex_unlock(uv_mutex_t* mutex) { pthread_mutex_unlock(mutex); }
int uv_cond_init(uv_cond_t* condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  return pthread_cond_init(condition, &attributes);
}
void uv_cond_signal(uv_cond_t* condition) { pthread_cond_signal(condition); }
void uv_cond_wait(uv_cond_t* condition, uv_mutex_t* mutex) { pthread_cond_wait(condition, mutex); }
int uv_cond_timedwait(uv_cond_t* condition, uv_mutex_t* mutex, uint64_t timeout_ns) {
  const uint64_t until_ns = uv_hrtime() + timeout_ns;
  timespec until = {static_cast<time_t>(until_ns / 1000000000), static_cast<long>(until_ns % 1000000000)};
  return pthread_cond_timedwait(condition, mutex, &until);
}
uint64_t uv_hrtime() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}
void uv_once(uv_once_t* once, void (*callback)(void)) { pthread_once(once, callback); }

int uv_thread_create_ex(uv_thread_t* thread, const uv_thread_options_t*, uv_thread_cb entry, void* argument) {
  struct Start {
    uv_thread_cb entry;
    void* argument;
  };
  // The option, a small stack, is left out: sanitizers need more.
  return pthread_create(
      thread, nullptr,
      [](void* data) -> void* {
        const Start start = *static_cast<Start*>(data);
        delete static_cast<Start*>(data);
        start.entry(start.argument);
        return nullptr;
      },
      new Start{entry, argument});
}
int uv_thread_join(uv_thread_t* thread) { return pthread_join(*thread, nullptr); }

int uv_dlopen(const char* name, uv_lib_t* library) {
  library->handle = dlopen(name, RTLD_LAZY);
  library->errmsg = nullptr;
  return library->handle == nullptr ? -1 : 0;
}
int uv_dlsym(uv_lib_t* library, const char* name, void** address) {
  *address = dlsym(library->handle, name);
  return *address == nullptr ? -1 : 0;
}
void uv_dlclose(uv_lib_t* library) {
  if (library->handle != nullptr) dlclose(library->handle);
}

}  // extern "C"
