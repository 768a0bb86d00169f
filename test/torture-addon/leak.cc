// Allocates and keeps memory from a function with a name of its own: allocate(bytes), by malloc, and map(bytes).
#include <node_api.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "exports.h"

void* volatile g_kept;

// Not inlined, so that it has a frame and a symbol; not a tail call, so that the frame is there.
__attribute__((noinline)) void LeakyThumbnail(size_t bytes) {
  void* block = malloc(bytes);
  if (block != nullptr) memset(block, 1, bytes);
  g_kept = block;
}

namespace {

size_t Bytes(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int64_t bytes = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int64(env, argument, &bytes);
  return static_cast<size_t>(bytes);
}

napi_value Allocate(napi_env env, napi_callback_info info) {
  LeakyThumbnail(Bytes(env, info));
  return nullptr;
}

napi_value Map(napi_env env, napi_callback_info info) {
  const size_t bytes = Bytes(env, info);
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start != MAP_FAILED) memset(start, 1, bytes);
  g_kept = start;
  return nullptr;
}

// hold(bytes, count): blocks of one size, kept until release(every): 1 releases all, 2 every second one.
// The list of blocks is static, so that nothing but the blocks is allocated here.
struct Held {
  void* blocks[1 << 20];
  size_t count;
} g_held;

__attribute__((noinline)) void HoldBlocks(size_t bytes, size_t count) {
  for (size_t i = 0; i < count && g_held.count < 1 << 20; i++) g_held.blocks[g_held.count++] = malloc(bytes);
}

napi_value Hold(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  int64_t bytes = 0, blocks = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int64(env, arguments[0], &bytes);
  napi_get_value_int64(env, arguments[1], &blocks);
  HoldBlocks(static_cast<size_t>(bytes), static_cast<size_t>(blocks));
  return nullptr;
}

napi_value Release(napi_env env, napi_callback_info info) {
  const size_t every = Bytes(env, info);
  size_t kept = 0;
  for (size_t i = 0; i < g_held.count; i++) {
    if (i % every == 0) {
      free(g_held.blocks[i]);
    } else {
      g_held.blocks[kept++] = g_held.blocks[i];
    }
  }
  g_held.count = kept;
  return nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
  return Export(env, exports, {{"allocate", Allocate}, {"map", Map}, {"hold", Hold}, {"release", Release}});
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
