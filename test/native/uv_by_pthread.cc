// The few libuv functions that the addon uses, on plain pthreads: Node exports them to the addon, but a test program
// has no Node around it, and libuv's library need not be installed.
#include <dlfcn.h>
#include <pthread.h>
#include <uv.h>

extern "C" {

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
