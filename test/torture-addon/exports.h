// The functions of an addon of the tests, by name.
#ifndef EXTMEM_TEST_TORTURE_ADDON_EXPORTS_H_
#define EXTMEM_TEST_TORTURE_ADDON_EXPORTS_H_

#include <node_api.h>

#include <initializer_list>

struct ExportedFunction {
  const char* name;
  napi_callback call;
};

inline napi_value Export(napi_env env, napi_value exports, std::initializer_list<ExportedFunction> functions) {
  for (const ExportedFunction& function : functions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  return exports;
}

#endif  // EXTMEM_TEST_TORTURE_ADDON_EXPORTS_H_
