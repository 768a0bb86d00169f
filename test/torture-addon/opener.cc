// Opens a library, allocates by it and closes it again: open(path) tells where it lies, hold(function, bytes) keeps a
// block for ever, holdThrough(function, bytes) one that this addon allocates for it, close(moves) closes it, and with
// `moves` takes its place, so that the next one lies elsewhere.
#include <dlfcn.h>
#include <link.h>
#include <node_api.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "exports.h"

namespace {

void* g_library = nullptr;
void* g_base = nullptr;
void* volatile g_kept = nullptr;

std::string TextOf(napi_env env, napi_value value) {
  char text[4096];
  size_t length = 0;
  napi_get_value_string_utf8(env, value, text, sizeof(text), &length);
  return {text, length};
}

napi_value Open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value path, base;
  napi_get_cb_info(env, info, &count, &path, nullptr, nullptr);
  g_library = dlopen(TextOf(env, path).c_str(), RTLD_NOW | RTLD_LOCAL);
  link_map* map = nullptr;
  if (g_library != nullptr) dlinfo(g_library, RTLD_DI_LINKMAP, &map);
  g_base = map == nullptr ? nullptr : reinterpret_cast<void*>(map->l_addr);
  napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(g_base)), &base);
  return base;
}

__attribute__((noinline)) void* Allocate(size_t bytes) {
  void* block = malloc(bytes);
  asm volatile("" : : "r"(block) : "memory");  // no jump: the frame stays
  return block;
}

template <typename Function, typename Call>
napi_value Hold(napi_env env, napi_callback_info info, Call call) {
  size_t count = 2;
  napi_value arguments[2];
  int64_t bytes = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int64(env, arguments[1], &bytes);
  auto function = reinterpret_cast<Function*>(dlsym(g_library, TextOf(env, arguments[0]).c_str()));
  if (function != nullptr) g_kept = call(function, static_cast<size_t>(bytes));
  return nullptr;
}

napi_value HoldByItself(napi_env env, napi_callback_info info) {
  return Hold<void*(size_t)>(env, info, [](auto* function, size_t bytes) { return function(bytes); });
}

napi_value HoldThrough(napi_env env, napi_callback_info info) {
  return Hold<void*(void* (*)(size_t), size_t)>(env, info,
                                                [](auto* function, size_t bytes) { return function(Allocate, bytes); });
}

napi_value Close(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value moves;
  bool wanted = false;
  napi_get_cb_info(env, info, &count, &moves, nullptr, nullptr);
  napi_get_value_bool(env, moves, &wanted);
  dlclose(g_library);
  if (wanted) mmap(g_base, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
  return Export(env, exports, {{"open", Open}, {"hold", HoldByItself}, {"holdThrough", HoldThrough}, {"close", Close}});
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
