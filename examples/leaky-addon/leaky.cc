// A native addon with the classic mistake: it allocates a work area per call and gives it back only if it is asked to.
// V8 never learns of these bytes, so heap snapshots and process.memoryUsage() stay flat while RSS climbs.

#include <node_api.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

// checksum(bytes, release): sums up a scratch area of `bytes`; without `release` the area is forgotten.
static napi_value Checksum(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  uint32_t bytes = 0;
  bool release = false;
  napi_get_value_uint32(env, arguments[0], &bytes);
  napi_get_value_bool(env, arguments[1], &release);

  auto* scratch = static_cast<unsigned char*>(malloc(bytes));
  if (scratch == nullptr) {
    napi_throw_error(env, nullptr, "out of memory");
    return nullptr;
  }
  memset(scratch, 7, bytes);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < bytes; ++i) sum += scratch[i];
  if (release) free(scratch);

  napi_value result;
  napi_create_uint32(env, sum, &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "checksum", NAPI_AUTO_LENGTH, Checksum, nullptr, &function);
  napi_set_named_property(env, exports, "checksum", function);
  return exports;
}
