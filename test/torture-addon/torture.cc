// test/native/torture.h for Node.
#include "../native/torture.h"

#include <node_api.h>

#include <cstdint>

#include "exports.h"

namespace {

template <void (*kBody)(int)>
napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t rounds = 1;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &rounds);
  kBody(rounds);
  return nullptr;
}

// racedBlocks() -> [bytes, blocks]
napi_value RacedBlocks(napi_env env, napi_callback_info) {
  const torture::Held held = torture::RacedBlocks();
  napi_value row, number;
  napi_create_array(env, &row);
  napi_create_double(env, static_cast<double>(held.bytes), &number);
  napi_set_element(env, row, 0, number);
  napi_create_double(env, static_cast<double>(held.blocks), &number);
  napi_set_element(env, row, 1, number);
  return row;
}

napi_value StackOfMalloc(napi_env env, napi_callback_info) {
  napi_value bytes;
  napi_create_double(env, static_cast<double>(torture::StackOfMalloc()), &bytes);
  return bytes;
}

napi_value Init(napi_env env, napi_value exports) {
  return Export(env, exports,
                {
                    {"stackOfMalloc", StackOfMalloc},
                    {"raceRealloc", Call<torture::RaceRealloc>},
                    {"freeRaced", Call<torture::FreeRaced>},
                    {"racedBlocks", RacedBlocks},
                    {"everyForm", Call<torture::EveryForm>},
                    {"throws", Call<torture::Throws>},
                    {"throwsThroughNew", Call<torture::ThrowsThroughNew>},
                    {"threadStorm", Call<torture::ThreadStorm>},
                    {"forkStorm", Call<torture::ForkStorm>},
                    {"rawForkStorm", Call<torture::RawForkStorm>},
                    {"reload", Call<torture::Reload>},
                    {"beginLoads", Call<torture::BeginLoads>},
                    {"endLoads", Call<torture::EndLoads>},
                    {"smallStack", Call<torture::SmallStack>},
                    {"denyReads", Call<torture::DenyReads>},
                    {"denyThreads", Call<torture::DenyThreads>},
                    {"denyWrites", Call<torture::DenyWrites>},
                });
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
