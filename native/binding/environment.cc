#include "binding/environment.h"

#include "binding/isolate_table.h"
#include "ledger/reader.h"

namespace extmem {

Environment* Environment::Of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

void Environment::Close() {
  CloseReader(this);
  // After the join nobody calls it any more.
  if (on_pass != nullptr) napi_release_threadsafe_function(on_pass, napi_tsfn_abort);
  on_pass = nullptr;
  RemoveIsolate(this);
}

}  // namespace extmem
