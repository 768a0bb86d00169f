#include "binding/values.h"

#include <cstring>

namespace extmem {

int64_t IntegerAt(const Napi::CallbackInfo& info, size_t index, int64_t otherwise) {
  int64_t number = otherwise;  // stays when the call fails
  napi_get_value_int64(info.Env(), info[index], &number);
  return number;
}

Napi::Float64Array DoublesAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray()) return {};
  const Napi::Float64Array array = info[index].As<Napi::Float64Array>();  // says what it is, and checks nothing
  return array.TypedArrayType() == napi_float64_array ? array : Napi::Float64Array();
}

Napi::Value Doubles(Napi::Env env, const void* doubles, size_t count) {
  Napi::Float64Array array = Napi::Float64Array::New(env, count);
  if (array.Data() != nullptr) memcpy(array.Data(), doubles, count * sizeof(double));
  return array;
}

}  // namespace extmem
