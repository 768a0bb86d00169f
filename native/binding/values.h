// Between JavaScript values and C++. A wrong type, or a call that fails because the environment ends, gives nothing: an
// empty text, no numbers, a null value that further calls refuse in turn.
#ifndef EXTMEM_BINDING_VALUES_H_
#define EXTMEM_BINDING_VALUES_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace extmem {

// Null when there is no such argument.
napi_value ArgumentAt(napi_env env, napi_callback_info info, size_t index);
// Cut to 64 bits, NaN is 0.
int64_t IntegerAt(napi_env env, napi_callback_info info, size_t index, int64_t otherwise);

struct Doubles {
  double* data = nullptr;
  size_t length = 0;
};
// Of a Float64Array; good as long as the value is.
Doubles DoublesOf(napi_env env, napi_value value);
std::string StringOf(napi_env env, napi_value value);

napi_value Null(napi_env env);
napi_value Boolean(napi_env env, bool value);
napi_value Number(napi_env env, double value);
napi_value Text(napi_env env, const char* text, size_t length = NAPI_AUTO_LENGTH);
napi_value Text(napi_env env, const std::string& text);
// A Float64Array with a copy of `count` doubles.
napi_value Numbers(napi_env env, const void* doubles, size_t count);

}  // namespace extmem

#endif  // EXTMEM_BINDING_VALUES_H_
