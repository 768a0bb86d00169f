#include "binding/values.h"

#include <cstring>

namespace extmem {

napi_value ArgumentAt(napi_env env, napi_callback_info info, size_t index) {
  constexpr size_t kMost = 4;
  size_t count = kMost;
  napi_value arguments[kMost] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  return index < count && index < kMost ? arguments[index] : nullptr;
}

int64_t IntegerAt(napi_env env, napi_callback_info info, size_t index, int64_t otherwise) {
  int64_t number = otherwise;
  napi_value value = ArgumentAt(env, info, index);
  if (value != nullptr) napi_get_value_int64(env, value, &number);
  return number;
}

Doubles DoublesOf(napi_env env, napi_value value) {
  bool is_typed_array = false;
  if (value == nullptr || napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return {};
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return {};
  return type == napi_float64_array && data != nullptr ? Doubles{static_cast<double*>(data), length} : Doubles{};
}

std::string StringOf(napi_env env, napi_value value) {
  size_t length = 0;
  if (value == nullptr || napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return {};
  std::string text(length + 1, '\0');  // the call also writes a terminating zero
  napi_get_value_string_utf8(env, value, text.data(), text.size(), &length);
  text.resize(length);
  return text;
}

napi_value Null(napi_env env) {
  napi_value result = nullptr;
  napi_get_null(env, &result);
  return result;
}

napi_value Boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value Number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value Text(napi_env env, const char* text, size_t length) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text, length, &result);
  return result;
}

napi_value Text(napi_env env, const std::string& text) { return Text(env, text.data(), text.size()); }

napi_value Numbers(napi_env env, const void* doubles, size_t count) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, count * sizeof(double), &data, &buffer) != napi_ok) return nullptr;
  if (count != 0) memcpy(data, doubles, count * sizeof(double));
  napi_create_typedarray(env, napi_float64_array, count, buffer, 0, &array);
  return array;
}

}  // namespace extmem
