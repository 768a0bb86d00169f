// A library that is opened, used and closed again and again.
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) void* reloaded_allocate(size_t bytes) { return malloc(bytes); }
extern "C" __attribute__((visibility("default"))) void reloaded_free(void* block) { free(block); }
