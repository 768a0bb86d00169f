// The addon: a thin handle per environment over one process-wide core. native/binding is the only room that speaks
// Node-API, through node-addon-api (addon_api.h says how).
//
// Numbers cross as Float64Arrays whose order is that of a table, so a sample costs one copy and no objects. There is no
// policy and no user-facing text here: TypeScript decides when a pass runs and what its numbers mean, and it validates
// arguments; a wrong type that gets here anyway is ignored (values.h).
//
// A row of a table is the one place for an export: the function with its TypeScript signature and doc, or the name of a
// number. scripts/binding-types.mjs prints lib/binding/binding.d.ts from them, and a test fails when it is stale.
#include "binding/declaration.h"
#include "binding/environment.h"
#include "binding/isolate_exports.h"
#include "binding/ledger_exports.h"
#include "binding/log_exports.h"
#include "binding/profile_exports.h"
#include "ledger/allocator.h"
#include "profile/profile.h"

namespace extmem {
namespace {

Napi::Object Bits(Napi::Env env, Rows<BitRow> rows) {
  Napi::Object object = Napi::Object::New(env);
  for (const BitRow& row : rows) object.Set(row.name, row.bit);
  return object;
}

Napi::Array Names(Napi::Env env, Rows<NameRow> rows) {
  Napi::Array names = Napi::Array::New(env, rows.size());
  for (uint32_t i = 0; i < rows.size(); i++) names.Set(i, rows[i].name);
  return names;
}

// Runs when the environment ends, whichever way: a worker that is terminated, process.exit, the end of the program.
// The instance data itself goes with its env, later.
void OnEnvironmentEnd(Environment* self) {
  self->Close();
  self->collections.Unwatch();
  ProfileThreadEnds();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Environment* self = new Environment;
  env.SetInstanceData(self);
  env.AddCleanupHook(OnEnvironmentEnd, self);
  DetectAllocator();

  const Exports parts[] = {LedgerExports(), IsolateExports(), ProfileExports(), LogExports()};
  for (const Exports& part : parts) {
    for (const FunctionRow& row : part.functions) exports.Set(row.name, row.make(env, row.name, nullptr));
    for (const BitTable& table : part.bits) exports.Set(table.property, Bits(env, table.rows));
    for (const NumberTable& table : part.numbers) exports.Set(table.property, Names(env, table.rows));
  }
  exports.Set("declaration", Declaration(parts));
  return exports;
}

}  // namespace

NODE_API_MODULE(extmem, Init)

}  // namespace extmem
