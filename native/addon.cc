// Speaks Node-API (with profile_exports.cc, and nothing else does): a thin handle per environment over one process-wide core.
//
// Numbers cross as one Float64Array whose order is the field table, so a sample costs one copy and no objects. There
// is no policy and no user-facing text here: TypeScript decides when a pass runs and what its numbers mean, and it
// validates arguments; a wrong type that gets here anyway is ignored.
//
// `kExports` is the one place for an export: its row is the function, its TypeScript signature and its doc comment.
// scripts/binding-types.mjs prints lib/binding.d.ts from it, and a test fails when that file is stale.
#include <napi.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "allocator.h"
#include "declaration.h"
#include "fields.h"
#include "isolate_table.h"
#include "own_memory.h"
#include "pass.h"
#include "profile.h"
#include "profile_exports.h"
#include "reader.h"

namespace extmem {
namespace {

struct Environment {
  napi_threadsafe_function on_pass = nullptr;
};

Environment* Of(const Napi::CallbackInfo& info) { return info.Env().GetInstanceData<Environment>(); }

// Runs on the JavaScript thread. An environment that is being torn down, or a callback that throws, is not our
// business to report: the throw becomes an uncaught exception as for any callback, by Node itself.
void CallOnPass(napi_env env, napi_value callback, void*, void*) {
  if (env == nullptr || callback == nullptr) return;
  napi_value receiver = nullptr;
  if (napi_get_undefined(env, &receiver) == napi_ok) napi_call_function(env, receiver, callback, 0, nullptr, nullptr);
}

void SignalPass(void* on_pass) {
  napi_call_threadsafe_function(static_cast<napi_threadsafe_function>(on_pass), nullptr, napi_tsfn_nonblocking);
}

void CloseEnvironmentReader(Environment* self) {
  CloseReader(self);
  if (self->on_pass == nullptr) return;
  napi_release_threadsafe_function(self->on_pass, napi_tsfn_abort);
  self->on_pass = nullptr;
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment* self = Of(info);
  if (info.Length() < 1 || !info[0].IsFunction() || self->on_pass != nullptr) return Napi::Boolean::New(env, false);
  napi_threadsafe_function on_pass = nullptr;
  const napi_status created = napi_create_threadsafe_function(env, info[0], nullptr, Napi::String::New(env, "extmem"),
                                                              1, 1, nullptr, nullptr, nullptr, CallOnPass, &on_pass);
  if (created != napi_ok) return Napi::Boolean::New(env, false);
  napi_unref_threadsafe_function(env, on_pass);
  const bool opened = OpenReader(self, SignalPass, on_pass);
  if (opened) {
    self->on_pass = on_pass;
  } else {
    napi_release_threadsafe_function(on_pass, napi_tsfn_abort);
  }
  return Napi::Boolean::New(env, opened);
}

Napi::Value Watch(const Napi::CallbackInfo& info) {
  std::vector<std::string> paths;
  if (info.Length() > 0 && info[0].IsArray()) {
    const Napi::Array array = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
      const Napi::Value path = array.Get(i);
      paths.push_back(path.IsString() ? path.As<Napi::String>().Utf8Value() : std::string());
    }
  }
  WatchFiles(std::move(paths));
  return info.Env().Undefined();
}

uint32_t PartsOf(const Napi::CallbackInfo& info) {
  return info.Length() > 0 && info[0].IsNumber() ? info[0].As<Napi::Number>().Uint32Value() : 0;
}

Napi::Value Request(const Napi::CallbackInfo& info) {
  RequestPass(PartsOf(info));
  return info.Env().Undefined();
}

Napi::Value Run(const Napi::CallbackInfo& info) {
  RunNow(PartsOf(info));
  return info.Env().Undefined();
}

bool IsFloat64Array(const Napi::CallbackInfo& info, size_t length) {
  if (info.Length() < 1 || !info[0].IsTypedArray()) return false;
  const Napi::TypedArray array = info[0].As<Napi::TypedArray>();
  return array.TypedArrayType() == napi_float64_array && array.ElementLength() >= length;
}

Napi::Value Read(const Napi::CallbackInfo& info) {
  if (IsFloat64Array(info, kFieldCount)) CopyNumbers(info[0].As<Napi::Float64Array>().Data());
  return info.Env().Undefined();
}

Napi::Value Texts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<WatchedText> texts = WatchedTexts();
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    Napi::Value text = env.Null();
    if (texts[i].readable) text = Napi::String::New(env, texts[i].text);
    array.Set(static_cast<uint32_t>(i), text);
  }
  return array;
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  CloseEnvironmentReader(Of(info));
  return info.Env().Undefined();
}

Napi::Value DeclaredBytes(const Napi::CallbackInfo& info) {
  int64_t bytes = 0;
  napi_adjust_external_memory(info.Env(), 0, &bytes);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Value Allocator(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), AllocatorName(DetectAllocator()));
}

// A napi_value is the address of a handle, and the handle holds the tagged pointer (low bit 1 on heap objects). That
// is V8's business, not an API: read through the kernel, so that a V8 which does otherwise yields a refused probe.
uint64_t AddressOfNewObject(Napi::Env env) {
  const Napi::Object object = Napi::Object::New(env);
  OwnMemory memory(nullptr, 0);
  uint64_t tagged = 0;
  const uint64_t handle = reinterpret_cast<uint64_t>(static_cast<napi_value>(object));
  if (!memory.Read(handle, &tagged, sizeof(tagged)) || (tagged & 1) == 0) return 0;
  return tagged - 1;
}

Napi::Value ProbeMachine(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ProbeCapabilities(AddressOfNewObject(info.Env())));
}

Napi::Value Publish(const Napi::CallbackInfo& info) {
  bool published = false;
  if (IsFloat64Array(info, 0)) {
    const Napi::Float64Array array = info[0].As<Napi::Float64Array>();
    double numbers[kIsolateNumbers];
    for (size_t i = 0; i < kIsolateNumbers; i++) numbers[i] = i < array.ElementLength() ? array[i] : 0;
    published = PublishIsolate(Of(info), numbers);
  }
  return Napi::Boolean::New(info.Env(), published);
}

Napi::Value Isolates(const Napi::CallbackInfo& info) {
  const size_t rows = CopyIsolates(Of(info), nullptr, 0);
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), rows * kIsolateNumbers);
  // A worker may have come or gone in between: rows that are gone stay 0, whose thread id no worker has.
  CopyIsolates(Of(info), array.Data(), rows);
  return array;
}

constexpr ExportRow kExports[] = {
    {"open", Open, "(onPass: () => void): boolean",
     "Starts the reader thread; `onPass` is called on this thread after each requested pass and keeps no process "
     "alive. "
     "False: another environment of this process owns it, or no thread could be started."},
    {"watch", Watch, "(paths: readonly string[]): void",
     "Text files that each quick part reads, at most 64 KiB of each."},
    {"request", Request, "(parts: number): void",
     "Wakes the reader; `parts` is a sum of `parts.*`. Requests made during a pass are joined into the next one."},
    {"run", Run, "(parts: number): void", "The same on the calling thread. Works without `open()`."},
    {"read", Read, "(into: Float64Array): void",
     "Copies the latest numbers, in the order of `passFields`; NaN is unknown."},
    {"texts", Texts, "(): (string | null)[]", "The watched files, in their order; null: unreadable, or not read yet."},
    {"close", Close, "(): void", "Stops and joins the reader, when this environment opened it."},
    {"declaredBytes", DeclaredBytes, "(): number",
     "External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`."},
    {"allocator", Allocator, "(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown'",
     "Which C allocator serves this process."},
    {"probe", ProbeMachine, "(): number",
     "What works here, a sum of `probes.*`. Reads smaps once, on the calling thread."},
    {"publishIsolate", Publish, "(numbers: Float64Array): boolean",
     "Publishes up to 8 numbers of this isolate, for `isolates()` of the others. False: the table is full."},
    {"isolates", Isolates, "(): Float64Array", "Rows of 8 numbers, of all other isolates that published."},
};

constexpr BitRow kParts[] = {
    {"quick", kQuick, "statm, fds by kind, threads, watched texts"},
    {"ledger", kLedger, "one pass over smaps"},
    {"allocator", kAllocator, "mallinfo2, or the counters of another allocator"},
    {"reclaimable", kReclaimable, "bins of malloc_info; glibc only"},
};

constexpr BitRow kProbes[] = {
    {"smapsReadable", kSmapsReadable, "/proc/self/smaps can be read"},
    {"vmFlagsPresent", kVmFlagsPresent, "it has VmFlags lines"},
    {"v8HabitConfirmed", kV8HabitConfirmed, "a known V8 object lies in a mapping with the dc flag"},
    {"v8HeaderConfirmed", kV8HeaderConfirmed, "and in a page whose header is one of the known layouts"},
    {"readByCall", kReadByCallWorks, "process_vm_readv works"},
    {"readByFile", kReadByFileWorks, "/proc/self/mem works"},
    {"pagemapReadable", kPagemapReadable, "/proc/self/pagemap tells what is resident"},
    {"mallinfo2Found", kMallinfo2Found, "glibc 2.33 or later serves malloc"},
    {"mallocInfoFound", kMallocInfoFound, "glibc serves malloc"},
};

Napi::Object Bits(Napi::Env env, const BitRow* rows, size_t count) {
  Napi::Object object = Napi::Object::New(env);
  for (size_t i = 0; i < count; i++) object.Set(rows[i].name, Napi::Number::New(env, rows[i].bit));
  return object;
}

// Runs when the environment ends, whichever way: a worker that is terminated, process.exit, the end of the program.
void OnEnvironmentEnd(void* data) {
  Environment* self = static_cast<Environment*>(data);
  CloseEnvironmentReader(self);
  RemoveIsolate(self);
  ProfileThreadEnds();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Environment* self = new Environment;
  env.SetInstanceData<Environment>(self);
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, self);
  DetectAllocator();

  for (const Rows<ExportRow>& rows : {Rows<ExportRow>{kExports, std::size(kExports)}, ProfileExports()}) {
    for (const ExportRow& row : rows) exports.Set(row.name, Napi::Function::New(env, row.call, row.name));
  }
  Napi::Array fields = Napi::Array::New(env, kFieldCount);
  for (size_t i = 0; i < kFieldCount; i++)
    fields.Set(static_cast<uint32_t>(i), Napi::String::New(env, kFieldTable[i].name));
  exports.Set("passFields", fields);
  exports.Set("parts", Bits(env, kParts, std::size(kParts)));
  exports.Set("probes", Bits(env, kProbes, std::size(kProbes)));
  exports.Set("declaration",
              Declaration({kExports, std::size(kExports)}, ProfileExports(), {kParts, std::size(kParts)}, {kProbes, std::size(kProbes)}));
  return exports;
}

}  // namespace

NODE_API_MODULE(extmem, Init)

}  // namespace extmem
