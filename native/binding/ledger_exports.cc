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

// Runs on the reader's thread. A call that is already queued stands for this one too.
void SignalPass(void* on_pass) { OnPass(static_cast<napi_threadsafe_function>(on_pass)).NonBlockingCall(); }

Napi::Value Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment* self = env.GetInstanceData<Environment>();
  if (self->on_pass != nullptr || !info[0].IsFunction()) return Napi::Boolean::New(env, false);
  const OnPass on_pass = OnPass::New(env, info[0].As<Napi::Function>(), "extmem", 1, 1);
  if (on_pass == nullptr) return Napi::Boolean::New(env, false);
  on_pass.Unref(env);
  const bool opened = OpenReader(self, SignalPass, on_pass, static_cast<uint32_t>(IntegerAt(info, 1)));
  if (opened) {
    self->on_pass = on_pass;
  } else {
    on_pass.Abort();
  }
  return Napi::Boolean::New(env, opened);
}

Napi::Value HasThread(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), ReaderHasThread()); }

void Watch(const Napi::CallbackInfo& info) {
  const Napi::Array list = info[0].As<Napi::Array>();
  std::vector<std::string> paths(list.IsArray() ? list.Length() : 0);
  for (uint32_t i = 0; i < paths.size(); i++) {
    Napi::Value path;
    if (list.Get(i).UnwrapTo(&path) && path.IsString()) paths[i] = path.As<Napi::String>();
  }
  WatchFiles(std::move(paths));
}

uint32_t PartsOf(const Napi::CallbackInfo& info) { return static_cast<uint32_t>(IntegerAt(info, 0)); }

void Request(const Napi::CallbackInfo& info) { RequestPass(PartsOf(info)); }

void Plan(const Napi::CallbackInfo& info) { PlanPasses(PartsOf(info)); }

void Run(const Napi::CallbackInfo& info) { RunNow(PartsOf(info)); }

void Read(const Napi::CallbackInfo& info) {
  Napi::Float64Array into = DoublesAt(info, 0);
  if (into.ElementLength() >= kFieldCount) CopyNumbers(into.Data());
}

Napi::Value Texts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<WatchedText> texts = WatchedTexts();
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    napi_value text = env.Null();
    // Numbers and names of the kernel; Latin-1 is copied as it is, which Napi::String does not offer.
    if (texts[i].readable) napi_create_string_latin1(env, texts[i].text.data(), texts[i].text.size(), &text);
    array.Set(static_cast<uint32_t>(i), text);
  }
  return array;
}

void Close(const Napi::CallbackInfo& info) { info.Env().GetInstanceData<Environment>()->Close(); }

Napi::Value Allocator(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), AllocatorName(DetectAllocator()));
}

// A napi_value is the address of a handle, and the handle holds the tagged pointer (low bit 1 on heap objects). That
// is V8's business, not an API: read through the kernel, so that a V8 which does otherwise yields a refused probe.
uint64_t AddressOfNewObject(Napi::Env env) {
  const napi_value object = Napi::Object::New(env);
  PeekSelf memory(nullptr, 0);
  uint64_t tagged = 0;
  if (!memory.Read(reinterpret_cast<uint64_t>(object), &tagged, sizeof(tagged)) || (tagged & 1) == 0) return 0;
  return tagged - 1;
}

Napi::Value ProbeMachine(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ProbeCapabilities(AddressOfNewObject(info.Env())));
}

constexpr FunctionRow kFunctions[] = {
    {"open", Napi::Function::New<Open>, "(onPass: () => void, intervalMs: number): boolean",
     "Starts the reader thread, which begins a pass by itself every `intervalMs`, or on request only when that is 0. "
     "`onPass` is called on this thread after each pass and keeps no process alive. False: another environment of this "
     "process owns it."},
    {"hasThread", Napi::Function::New<HasThread>, "(): boolean",
     "Whether the reader that was opened has a thread. False: the system refused one, and passes are for `run` alone."},
    {"watch", Napi::Function::New<Watch>, "(paths: readonly string[]): void",
     "Text files that each quick part reads, at most 64 KiB of each."},
    {"request", Napi::Function::New<Request>, "(parts: number): void",
     "Wakes the reader; `parts` is a sum of `parts.*`. Requests made during a pass are joined into the next one."},
    {"plan", Napi::Function::New<Plan>, "(parts: number): void",
     "What the next pass that begins by itself runs beside the quick part. Wakes nobody."},
    {"run", Napi::Function::New<Run>, "(parts: number): void",
     "The same on the calling thread. Works without `open()`."},
    {"read", Napi::Function::New<Read>, "(into: Float64Array): void", "Copies the latest numbers of passes."},
    {"texts", Napi::Function::New<Texts>, "(): (string | null)[]",
     "The watched files, in their order; null: unreadable, or not read yet."},
    {"close", Napi::Function::New<Close>, "(): void",
     "Stops and joins the reader, when this environment opened it, and takes back what it published."},
    {"allocator", Napi::Function::New<Allocator>, "(): 'glibc' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'unknown'",
     "Which C allocator serves this process."},
    {"probe", Napi::Function::New<ProbeMachine>, "(): number",
     "What works here, a sum of `probes.*`. Reads smaps once, on the calling thread."},
};

constexpr BitRow kParts[] = {
    {"quick", kQuick, "statm, threads, watched texts"},
    {"ledger", kLedger, "one pass over smaps"},
    {"allocator", kAllocator, "malloc_info, or the counters of another allocator"},
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
