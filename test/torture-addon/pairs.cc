// Measures malloc + free pairs: pairs(bytes, rounds, threads) -> nanoseconds per pair, slowest thread.
#include <node_api.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "exports.h"

namespace {

uint64_t ThreadNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

// A ring, so that blocks live for a moment and the compiler cannot drop a pair.
double Loop(size_t bytes, int rounds) {
  void* ring[64] = {};
  const uint64_t start = ThreadNs();
  for (int i = 0; i < rounds; i++) {
    void*& slot = ring[i & 63];
    free(slot);
    slot = malloc(bytes);
    asm volatile("" : : "r"(slot) : "memory");
  }
  const double ns = static_cast<double>(ThreadNs() - start) / rounds;
  for (void* block : ring) free(block);
  return ns;
}

napi_value Pairs(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  int64_t bytes = 64, rounds = 1, threads = 1;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int64(env, arguments[0], &bytes);
  napi_get_value_int64(env, arguments[1], &rounds);
  napi_get_value_int64(env, arguments[2], &threads);
  std::vector<double> results(static_cast<size_t>(threads));
  if (threads == 1) {
    results[0] = Loop(static_cast<size_t>(bytes), static_cast<int>(rounds));
  } else {
    std::vector<std::thread> running;
    for (double& result : results) {
      running.emplace_back(
          [&result, bytes, rounds] { result = Loop(static_cast<size_t>(bytes), static_cast<int>(rounds)); });
    }
    for (std::thread& thread : running) thread.join();
  }
  napi_value result;
  napi_create_double(env, *std::max_element(results.begin(), results.end()), &result);
  return result;
}

napi_value Init(napi_env env, napi_value exports) { return Export(env, exports, {{"pairs", Pairs}}); }

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
