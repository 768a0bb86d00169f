// From JavaScript values to C++ and back, where node-addon-api would throw at a wrong type: here it gives nothing.
#ifndef EXTMEM_BINDING_VALUES_H_
#define EXTMEM_BINDING_VALUES_H_

#include <cstddef>
#include <cstdint>

#include "binding/addon_api.h"

namespace extmem {

// A number cut to 64 bits, NaN to 0; `otherwise` when it is none.
int64_t IntegerAt(const Napi::CallbackInfo& info, size_t index, int64_t otherwise = 0);
// Of length 0 when it is no Float64Array.
Napi::Float64Array DoublesAt(const Napi::CallbackInfo& info, size_t index);
// A Float64Array with a copy of `count` doubles.
Napi::Value Doubles(Napi::Env env, const void* doubles, size_t count);

}  // namespace extmem

#endif  // EXTMEM_BINDING_VALUES_H_
