// What one environment (the main thread's, a worker's) holds while it lives.
#ifndef EXTMEM_BINDING_ENVIRONMENT_H_
#define EXTMEM_BINDING_ENVIRONMENT_H_

#include <node_api.h>

#include "binding/weak_refs.h"

namespace extmem {

struct Environment {
  napi_threadsafe_function on_pass = nullptr;  // null unless this environment owns the reader
  WeakRefs weak_refs;

  // Null when Init failed.
  static Environment* Of(napi_env env);
  // Stops and joins the reader, when this environment owns it, and takes back what it published.
  void Close();
};

}  // namespace extmem

#endif  // EXTMEM_BINDING_ENVIRONMENT_H_
