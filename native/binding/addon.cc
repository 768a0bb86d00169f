// Speaks Node-API (with profile_exports.cc and weak_refs.cc, and nothing else does): a thin handle per environment over
// one process-wide core.
//
// Numbers cross as Float64Arrays whose order is that of a table, so a sample costs one copy and no objects. There is no
// policy and no user-facing text here: TypeScript decides when a pass runs and what its numbers mean, and it validates
// arguments; a wrong type that gets here anyway is ignored.
//
// Plain C calls, on purpose: a worker may be terminated inside any of these functions, and from then on every call
// fails. Here a failed call leaves a null value that further calls refuse in turn, down to the return; a wrapper that
// turns failures into exceptions aborts the process instead, for a terminating environment lets nothing be thrown.
//
// A row of a table is the one place for an export: the function with its TypeScript signature and doc, or the name of a
// number. scripts/binding-types.mjs prints lib/binding/binding.d.ts from them, and a test fails when it is stale.
#include <node_api.h>

#include "binding/declaration.h"
#include "binding/environment.h"
#include "binding/isolate_exports.h"
#include "binding/ledger_exports.h"
#include "binding/profile_exports.h"
#include "binding/values.h"
#include "ledger/allocator.h"
#include "profile/profile.h"

namespace extmem {
namespace {

napi_value Bits(napi_env env, Rows<BitRow> rows) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
  for (const BitRow& row : rows) napi_set_named_property(env, object, row.name, Number(env, row.bit));
  return object;
}

napi_value Names(napi_env env, Rows<NameRow> rows) {
  napi_value names = nullptr;
  napi_create_array_with_length(env, rows.size(), &names);
  for (size_t i = 0; i < rows.size(); i++) {
    napi_set_element(env, names, static_cast<uint32_t>(i), Text(env, rows[i].name));
  }
  return names;
}

// Runs when the environment ends, whichever way: a worker that is terminated, process.exit, the end of the program.
void OnEnvironmentEnd(void* data) {
  Environment* self = static_cast<Environment*>(data);
  self->Close();
  ProfileThreadEnds();
  delete self;
}

napi_value Init(napi_env env, napi_value exports) {
  Environment* self = new Environment;
  if (napi_set_instance_data(env, self, nullptr, nullptr) != napi_ok ||
      napi_add_env_cleanup_hook(env, OnEnvironmentEnd, self) != napi_ok) {
    napi_set_instance_data(env, nullptr, nullptr, nullptr);
    delete self;
    return exports;
  }
  DetectAllocator();

  const Exports parts[] = {LedgerExports(), IsolateExports(), ProfileExports()};
  for (const Exports& part : parts) {
    for (const FunctionRow& row : part.functions) {
      napi_value function = nullptr;
      napi_create_function(env, row.name, NAPI_AUTO_LENGTH, row.call, nullptr, &function);
      napi_set_named_property(env, exports, row.name, function);
    }
    for (const BitTable& table : part.bits) {
      napi_set_named_property(env, exports, table.property, Bits(env, table.rows));
    }
    for (const NumberTable& table : part.numbers) {
      napi_set_named_property(env, exports, table.property, Names(env, table.rows));
    }
  }
  napi_set_named_property(env, exports, "declaration", Text(env, Declaration(parts)));
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() { return Init(env, exports); }

}  // namespace extmem
