#include "binding/environment.h"

#include "binding/isolate_table.h"
#include "ledger/reader.h"

namespace extmem {

void CallOnPass(Napi::Env env, Napi::Function callback, void*, void*) {
  if (env == nullptr || callback.IsEmpty()) return;  // the environment is being torn down
  if (napi_call_function(env, env.Undefined(), callback, 0, nullptr, nullptr) != napi_pending_exception) return;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

void Environment::Close() {
  CloseReader(this);
  // After the join nobody calls it any more.
  if (on_pass != nullptr) on_pass.Abort();
  on_pass = OnPass();
  RemoveIsolate(this);
  heap_sampling.Stop();
}

}  // namespace extmem
