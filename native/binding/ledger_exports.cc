// The reader thread and the ledger, for JavaScript: when a pass runs, and what it found. What numbers mean is the
// business of TypeScript.
#include "binding/ledger_exports.h"

#include <string>
#include <utility>
#include <vector>

#include "binding/environment.h"
#include "binding/values.h"
#include "ledger/allocator.h"
#include "ledger/fields.h"
#include "ledger/pass.h"
#include "ledger/reader.h"
#include "os/peek_self.h"

namespace extmem {
namespace {

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

napi_value Open(napi_env env, napi_callback_info info) {
  Environment* self = Environment::Of(env);
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
  Environment* self = Environment::Of(env);
  if (self != nullptr) self->Close();
  return nullptr;
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

napi_value ProbeMachine(napi_env env, napi_callback_info) {
  return Number(env, ProbeCapabilities(AddressOfNewObject(env)));
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
    {"allocator", Allocator, "(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown'",
     "Which C allocator serves this process."},
    {"probe", ProbeMachine, "(): number",
     "What works here, a sum of `probes.*`. Reads smaps once, on the calling thread."},
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
constexpr NumberTable kNumbers[] = {
    {"PassNumbers", "passFields", "What passes found, read by `read()`; NaN is unknown", kPassRows},
};

}  // namespace

Exports LedgerExports() { return {kFunctions, kBits, kNumbers, {}}; }

}  // namespace extmem
