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
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "binding/declaration.h"
#include "binding/isolate_table.h"
#include "binding/profile_exports.h"
#include "binding/values.h"
#include "binding/weak_refs.h"
#include "ledger/allocator.h"
#include "ledger/fields.h"
#include "ledger/pass.h"
#include "ledger/reader.h"
#include "os/peek_self.h"
#include "profile/profile.h"

namespace extmem {
namespace {

struct Environment {
  napi_threadsafe_function on_pass = nullptr;
  WeakRefs weak_refs;
};

Environment* Of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

// Runs on the JavaScript thread. What the callback throws is an uncaught exception, as from any timer.
void CallOnPass(napi_env env, napi_value callback, void*, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment is being torn down
  napi_value receiver = nullptr;
  napi_get_undefined(env, &receiver);
  if (napi_call_function(env, receiver, callback, 0, nullptr, nullptr) != napi_pending_exception) return;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

// Runs on the reader's thread. A call that is already queued stands for this one too.
void SignalPass(void* on_pass) {
  napi_call_threadsafe_function(static_cast<napi_threadsafe_function>(on_pass), nullptr, napi_tsfn_nonblocking);
}

void CloseEnvironmentReader(Environment* self) {
  CloseReader(self);
  // After the join nobody calls it any more.
  if (self->on_pass != nullptr) napi_release_threadsafe_function(self->on_pass, napi_tsfn_abort);
  self->on_pass = nullptr;
}

napi_value Open(napi_env env, napi_callback_info info) {
  Environment* self = Of(env);
  napi_value callback = ArgumentAt(env, info, 0);
  const uint32_t interval_ms = static_cast<uint32_t>(IntegerAt(env, info, 1, 0));
  napi_valuetype type = napi_undefined;
  if (callback != nullptr) napi_typeof(env, callback, &type);
  if (self == nullptr || self->on_pass != nullptr || type != napi_function) return Boolean(env, false);
  napi_threadsafe_function on_pass = nullptr;
  const napi_status created = napi_create_threadsafe_function(env, callback, nullptr, Text(env, "extmem"), 1, 1,
                                                              nullptr, nullptr, nullptr, CallOnPass, &on_pass);
  if (created != napi_ok) return Boolean(env, false);
  napi_unref_threadsafe_function(env, on_pass);
  const bool opened = OpenReader(self, SignalPass, on_pass, interval_ms);
  if (opened) {
    self->on_pass = on_pass;
  } else {
    napi_release_threadsafe_function(on_pass, napi_tsfn_abort);
  }
  return Boolean(env, opened);
}

napi_value Watch(napi_env env, napi_callback_info info) {
  napi_value array = ArgumentAt(env, info, 0);
  uint32_t length = 0;
  bool is_array = false;
  if (array != nullptr && napi_is_array(env, array, &is_array) == napi_ok && is_array) {
    napi_get_array_length(env, array, &length);
  }
  std::vector<std::string> paths(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value path = nullptr;
    if (napi_get_element(env, array, i, &path) == napi_ok) paths[i] = StringOf(env, path);
  }
  WatchFiles(std::move(paths));
  return nullptr;
}

uint32_t PartsOf(napi_env env, napi_callback_info info) { return static_cast<uint32_t>(IntegerAt(env, info, 0, 0)); }

uint32_t SlotOf(napi_env env, napi_callback_info info) {
  return static_cast<uint32_t>(IntegerAt(env, info, 0, WeakRefs::kNone));
}

napi_value WeakAdd(napi_env env, napi_callback_info info) {
  Environment* self = Of(env);
  const uint32_t slot = self == nullptr ? WeakRefs::kNone : self->weak_refs.Add(env, ArgumentAt(env, info, 0));
  return Number(env, slot == WeakRefs::kNone ? -1 : static_cast<double>(slot));
}

napi_value WeakGet(napi_env env, napi_callback_info info) {
  Environment* self = Of(env);
  return self == nullptr ? nullptr : self->weak_refs.Get(env, SlotOf(env, info));
}

napi_value WeakRemove(napi_env env, napi_callback_info info) {
  Environment* self = Of(env);
  if (self != nullptr) self->weak_refs.Remove(env, SlotOf(env, info));
  return nullptr;
}

napi_value Request(napi_env env, napi_callback_info info) {
  RequestPass(PartsOf(env, info));
  return nullptr;
}

napi_value Plan(napi_env env, napi_callback_info info) {
  PlanPasses(PartsOf(env, info));
  return nullptr;
}

napi_value Run(napi_env env, napi_callback_info info) {
  RunNow(PartsOf(env, info));
  return nullptr;
}

napi_value Read(napi_env env, napi_callback_info info) {
  const Doubles into = DoublesOf(env, ArgumentAt(env, info, 0));
  if (into.length >= kFieldCount) CopyNumbers(into.data);
  return nullptr;
}

napi_value Texts(napi_env env, napi_callback_info) {
  const std::vector<WatchedText> texts = WatchedTexts();
  napi_value array = nullptr;
  napi_create_array_with_length(env, texts.size(), &array);
  for (size_t i = 0; i < texts.size() && array != nullptr; i++) {
    napi_value text = nullptr;
    napi_get_null(env, &text);
    // Numbers and names of the kernel; Latin-1 is copied as it is.
    if (texts[i].readable) napi_create_string_latin1(env, texts[i].text.data(), texts[i].text.size(), &text);
    napi_set_element(env, array, static_cast<uint32_t>(i), text);
  }
  return array;
}

napi_value Close(napi_env env, napi_callback_info) {
  Environment* self = Of(env);
  if (self == nullptr) return nullptr;
  CloseEnvironmentReader(self);
  RemoveIsolate(self);
  return nullptr;
}

napi_value DeclaredBytes(napi_env env, napi_callback_info) {
  int64_t bytes = 0;
  napi_adjust_external_memory(env, 0, &bytes);
  return Number(env, static_cast<double>(bytes));
}

napi_value Allocator(napi_env env, napi_callback_info) { return Text(env, AllocatorName(DetectAllocator())); }

// A napi_value is the address of a handle, and the handle holds the tagged pointer (low bit 1 on heap objects). That
// is V8's business, not an API: read through the kernel, so that a V8 which does otherwise yields a refused probe.
uint64_t AddressOfNewObject(napi_env env) {
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok) return 0;
  PeekSelf memory(nullptr, 0);
  uint64_t tagged = 0;
  if (!memory.Read(reinterpret_cast<uint64_t>(object), &tagged, sizeof(tagged)) || (tagged & 1) == 0) return 0;
  return tagged - 1;
}

// send(2) refuses anything but a socket, so a descriptor that the program reused meanwhile takes no harm.
napi_value SendNow(napi_env env, napi_callback_info info) {
  const int fd = static_cast<int>(IntegerAt(env, info, 0, -1));
  napi_value buffer = ArgumentAt(env, info, 1);
  void* bytes = nullptr;
  size_t size = 0;
  if (buffer == nullptr || napi_get_buffer_info(env, buffer, &bytes, &size) != napi_ok) return Number(env, -1);
  return Number(env, static_cast<double>(send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

napi_value ProbeMachine(napi_env env, napi_callback_info) {
  return Number(env, ProbeCapabilities(AddressOfNewObject(env)));
}

napi_value Publish(napi_env env, napi_callback_info info) {
  const Doubles from = DoublesOf(env, ArgumentAt(env, info, 0));
  return Boolean(env, from.length >= kIsolateNumbers && PublishIsolate(Of(env), from.data));
}

napi_value Isolates(napi_env env, napi_callback_info) {
  const size_t rows = CopyIsolates(Of(env), nullptr, 0);
  if (rows == 0) return nullptr;  // undefined: the usual case should cost nothing
  // A worker may have come or gone in between: rows that are gone stay 0, a thread id that no worker has.
  std::vector<double> numbers(rows * kIsolateNumbers);
  CopyIsolates(Of(env), numbers.data(), rows);
  return Numbers(env, numbers.data(), numbers.size());
}

constexpr FunctionRow kFunctions[] = {
    {"open", Open, "(onPass: () => void, intervalMs: number): boolean",
     "Starts the reader thread, which begins a pass by itself every `intervalMs`, or on request only when that is 0. "
     "`onPass` is called on this thread after each pass and keeps no process alive. False: another environment of this "
     "process owns it, or no thread could be started."},
    {"watch", Watch, "(paths: readonly string[]): void",
     "Text files that each quick part reads, at most 64 KiB of each."},
    {"request", Request, "(parts: number): void",
     "Wakes the reader; `parts` is a sum of `parts.*`. Requests made during a pass are joined into the next one."},
    {"plan", Plan, "(parts: number): void",
     "What the next pass that begins by itself runs beside the quick part. Wakes nobody."},
    {"run", Run, "(parts: number): void", "The same on the calling thread. Works without `open()`."},
    {"read", Read, "(into: Float64Array): void", "Copies the latest numbers of passes."},
    {"texts", Texts, "(): (string | null)[]", "The watched files, in their order; null: unreadable, or not read yet."},
    {"close", Close, "(): void",
     "Stops and joins the reader, when this environment opened it, and takes back what it published."},
    {"declaredBytes", DeclaredBytes, "(): number",
     "External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`."},
    {"sendNow", SendNow, "(fd: number, bytes: Buffer): number",
     "send(2) to a socket without waiting: how many bytes it took, or -1."},
    {"allocator", Allocator, "(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown'",
     "Which C allocator serves this process."},
    {"probe", ProbeMachine, "(): number",
     "What works here, a sum of `probes.*`. Reads smaps once, on the calling thread."},
    {"publishIsolate", Publish, "(numbers: Float64Array): boolean",
     "Publishes a row of this isolate, for `isolates()` of the others. False: the table is full."},
    {"isolates", Isolates, "(): Float64Array | undefined",
     "The rows of all other isolates that published; undefined: there are none."},
    {"weakAdd", WeakAdd, "(object: object): number",
     "Refers to an object without keeping it, not even through a minor collection as a WeakRef would. A slot, or -1."},
    {"weakGet", WeakGet, "(slot: number): object | undefined", "undefined: it was collected."},
    {"weakRemove", WeakRemove, "(slot: number): void", "Gives a slot of `weakAdd` back."},
};

constexpr BitRow kParts[] = {
    {"quick", kQuick, "statm, threads, watched texts"},
    {"ledger", kLedger, "one pass over smaps"},
    {"allocator", kAllocator, "mallinfo2, or the counters of another allocator"},
    {"reclaimable", kReclaimable, "bins of malloc_info; glibc only"},
    {"descriptors", kDescriptors, "fds by kind"},
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

constexpr BitTable kBits[] = {{"parts", kParts}, {"probes", kProbes}};

#define EXTMEM_PASS_NAME(name, part, doc) EXTMEM_NAME_ROW(name, doc)
constexpr NameRow kPassRows[] = {EXTMEM_FIELDS(EXTMEM_PASS_NAME)};
#undef EXTMEM_PASS_NAME
constexpr NameRow kIsolateRows[] = {EXTMEM_ISOLATE_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NumberTable kNumbers[] = {
    {"PassNumbers", "passFields", "What passes found, read by `read()`; NaN is unknown", kPassRows},
    {"IsolateNumbers", "isolateFields", "What an isolate publishes of itself; NaN is unknown", kIsolateRows},
};

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
  CloseEnvironmentReader(self);
  RemoveIsolate(self);
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

  const Exports parts[] = {{kFunctions, kBits, kNumbers, {}}, ProfileExports()};
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
