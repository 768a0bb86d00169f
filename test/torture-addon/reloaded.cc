// A library that is opened, used and closed again and again.
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) void* reloaded_allocate(size_t bytes) { return malloc(bytes); }
extern "C" __attribute__((visibility("default"))) void reloaded_free(void* block) { free(block); }
// By somebody else's code, which is watched even when this library is not yet.
extern "C" __attribute__((visibility("default"))) void* reloaded_through(void* (*allocate)(size_t), size_t bytes) {
  void* block = allocate(bytes);
  asm volatile("" : : "r"(block) : "memory");  // no jump: the frame stays
  return block;
}
