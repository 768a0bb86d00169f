// Measures what one malloc takes: held(bytes) -> nanoseconds of CPU time of the calling thread.
#include <node_api.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>

#include "exports.h"

namespace {

double ThreadNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

napi_value Held(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  int64_t bytes = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int64(env, argument, &bytes);
  const double start = ThreadNs();
  void* block = malloc(static_cast<size_t>(bytes));
  asm volatile("" : : "r"(block) : "memory");
  const double held = ThreadNs() - start;
  free(block);
  napi_create_double(env, held, &result);
  return result;
}

napi_value Init(napi_env env, napi_value exports) { return Export(env, exports, {{"held", Held}}); }

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
