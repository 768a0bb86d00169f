// The profiler's share of the binding. Numbers out; ids, not pointers; text only for names that come from the program.
#include "binding/profile_exports.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "binding/values.h"
#include "os/symbols.h"
#include "profile/counters.h"
#include "profile/live.h"
#include "profile/profile.h"

namespace extmem {
namespace {

#define EXTMEM_ENUM_NAME(value, name, doc) EXTMEM_NAME_ROW(name, doc)
constexpr NameRow kHookStatuses[] = {EXTMEM_HOOK_STATUSES(EXTMEM_ENUM_NAME)};
constexpr NameRow kFrameKinds[] = {EXTMEM_FRAME_KINDS(EXTMEM_ENUM_NAME)};
#undef EXTMEM_ENUM_NAME

template <typename Enum>
Napi::String NameOf(Napi::Env env, Rows<NameRow> names, Enum value) {
  return Napi::String::New(env, names[static_cast<size_t>(value)].name);
}

Napi::Value Start(const Napi::CallbackInfo& info) {
  ProfileOptions options;
  options.mean_bytes = static_cast<uint64_t>(IntegerAt(info, 0));
  options.max_samples_per_cpu_second = static_cast<uint32_t>(IntegerAt(info, 1));
  options.depth = static_cast<uint32_t>(IntegerAt(info, 2));
  options.seed = static_cast<uint64_t>(IntegerAt(info, 3));
  return NameOf(info.Env(), kHookStatuses, ProfileStart(options));
}

void Stop(const Napi::CallbackInfo&) { ProfileStop(); }

void SetRate(const Napi::CallbackInfo& info) { ProfileSetRate(static_cast<uint64_t>(IntegerAt(info, 0))); }

Napi::Value Rescan(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), ProfileRescan()); }

Napi::Value RegisterThread(const Napi::CallbackInfo& info) {
  const char* missing = ProfileRegisterThread();
  return missing == nullptr ? info.Env().Null() : Napi::String::New(info.Env(), missing);
}

void UnregisterThread(const Napi::CallbackInfo&) { ProfileUnregisterThread(); }

constexpr uint32_t BitOf(CodeTier tier) { return tier == CodeTier::kUnknown ? 0 : 1u << static_cast<uint32_t>(tier); }

void SetLevel(const Napi::CallbackInfo& info) {
  const int64_t level = IntegerAt(info, 0);
  const int64_t tiers = IntegerAt(info, 1, ~int64_t{0});
  for (int i = 1; i < kCodeTiers; i++) {
    const auto tier = static_cast<CodeTier>(i);
    if ((tiers & BitOf(tier)) == 0) continue;
    StackSetLevel(tier, level >= 2 ? TierLevel::kLines : level >= 1 ? TierLevel::kNames : TierLevel::kRefused);
  }
}

Napi::Value Capture(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(ProfileCapture(StackOf::kAllocation)));
}

void Counters(const Napi::CallbackInfo& info) {
  Napi::Float64Array into = DoublesAt(info, 0);
  const ProfileNumbers numbers = CountProfile();
  if (into.ByteLength() >= sizeof(numbers)) memcpy(into.Data(), &numbers, sizeof(numbers));
}

std::vector<StackNumbers> ReadTotals() {
  std::vector<StackNumbers> rows;
  ProfileReading reading;
  const uint32_t count = Stacks().count();
  std::vector<uint32_t> oldest(count);
  LiveOldest(oldest.data(), count);
  for (uint32_t stack = 0; stack < count; stack++) {
    const StackTotals totals = LiveTotals(stack);
    if (totals.samples != 0) rows.push_back(CountStack(Stacks().Handle(stack), totals, oldest[stack]));
  }
  return rows;
}

Napi::Value RowsOf(Napi::Env env, const std::vector<StackNumbers>& rows) {
  return Doubles(env, rows.data(), rows.size() * sizeof(StackNumbers) / sizeof(double));
}

Napi::Value Totals(const Napi::CallbackInfo& info) { return RowsOf(info.Env(), ReadTotals()); }

// The table of live samples is walked for it: a tenth of a millisecond and more of the main thread.
class TotalsWork : public Napi::AsyncWorker {
 public:
  TotalsWork(Napi::Env env, napi_deferred deferred) : AsyncWorker(env, "extmem"), deferred_(deferred) {}

 protected:
  void Execute() override { rows_ = ReadTotals(); }
  void OnOK() override { napi_resolve_deferred(Env(), deferred_, RowsOf(Env(), rows_)); }

 private:
  const napi_deferred deferred_;
  std::vector<StackNumbers> rows_;
};

Napi::Value TotalsLater(const Napi::CallbackInfo& info) {
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  if (napi_create_promise(info.Env(), &deferred, &promise) != napi_ok) return {};
  (new TotalsWork(info.Env(), deferred))->Queue();
  return {info.Env(), promise};
}

// The frames of a stack: all that were kept, or those that may be shown.
Napi::Value FramesOf(Napi::Env env, int64_t stack, bool all) {
  double numbers[kMaxDepth];
  size_t count = 0;
  {
    ProfileReading reading;
    const uint32_t id = Stacks().FromHandle(stack);
    const uint32_t* frames = id == 0 ? nullptr : static_cast<const uint32_t*>(Stacks().Bytes(id));
    const uint32_t length = id == 0 ? 0 : Stacks().Length(id) / sizeof(uint32_t);
    for (uint32_t i = 0; i < length; i++) {
      if (all || FrameIsShown(*static_cast<const FrameRecord*>(StackFrames().Bytes(frames[i]))))
        numbers[count++] = static_cast<double>(StackFrames().Handle(frames[i]));
    }
  }
  return Doubles(env, numbers, count);
}

Napi::Value FramesOfStack(const Napi::CallbackInfo& info) { return FramesOf(info.Env(), IntegerAt(info, 0), false); }

Napi::Value FramesOfTest(const Napi::CallbackInfo& info) {
  return FramesOf(info.Env(), static_cast<int64_t>(ProfileCapture(StackOf::kTest)), true);
}

std::string InternedText(uint32_t id) {
  if (id == 0) return "";
  return {static_cast<const char*>(StackStrings().Bytes(id)), StackStrings().Length(id)};
}

Napi::Value FrameOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  FrameRecord frame;
  LinePlace place;
  std::string name, script;
  {
    ProfileReading reading;
    const uint32_t id = StackFrames().FromHandle(IntegerAt(info, 0));
    if (id == 0) return env.Null();
    frame = *static_cast<const FrameRecord*>(StackFrames().Bytes(id));
    place = FrameLine(id);
    name = InternedText(frame.name);
    script = InternedText(frame.script);
  }
  const bool has_pc = frame.kind != FrameKind::kJavaScript;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", NameOf(env, kFrameKinds, frame.kind));
  object.Set("pc", has_pc ? static_cast<double>(frame.place) : 0);
  object.Set("name", name);
  object.Set("script", script);
  object.Set("line", LineOfPlace(place));
  object.Set("column", ColumnOfPlace(place));
  object.Set("tier", BitOf(frame.tier));
  return object;
}

// Symbol tables are read on a thread of the pool, and the promise resolves to one text: rows of three values for
// hundreds of addresses would take some 10 ms of the main thread.
class SymbolWork : public Napi::AsyncWorker {
 public:
  SymbolWork(Napi::Env env, napi_deferred deferred, std::vector<CodePlace> places)
      : AsyncWorker(env, "extmem"), deferred_(deferred), modules_(KnownModules()), places_(std::move(places)) {}

 protected:
  void Execute() override {
    for (const Symbol& symbol : Symbolize(modules_, places_)) {
      for (const std::string& part : {symbol.module, symbol.name, std::to_string(symbol.offset)}) {
        text_.append(part).push_back('\0');
      }
    }
  }

  void OnOK() override { napi_resolve_deferred(Env(), deferred_, Napi::String::New(Env(), text_)); }

 private:
  const napi_deferred deferred_;
  const std::vector<Module> modules_;
  const std::vector<CodePlace> places_;
  std::string text_;
};

Napi::Value Symbols(const Napi::CallbackInfo& info) {
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  // A Napi::Promise::Deferred whose creation failed hands out an uninitialised promise.
  if (napi_create_promise(info.Env(), &deferred, &promise) != napi_ok) return {};
  Napi::Float64Array frames = DoublesAt(info, 0);
  std::vector<CodePlace> places;
  ProfileReading reading;
  for (size_t i = 0; i < frames.ElementLength(); i++) {
    const uint32_t id = StackFrames().FromHandle(static_cast<int64_t>(frames[i]));
    places.push_back(id == 0 ? CodePlace{0, 0} : FramePlace(id));
  }
  (new SymbolWork(info.Env(), deferred, std::move(places)))->Queue();
  return {info.Env(), promise};
}

Napi::Value ForeignModule(const Napi::CallbackInfo& info) {
  const uintptr_t address = HookCoverage().foreign;
  NoteModules();
  for (const Module& module : KnownModules()) {
    if (address >= module.low && address < module.high) return Napi::String::New(info.Env(), module.path);
  }
  return info.Env().Null();
}

constexpr FunctionRow kFunctions[] = {
    {"profileStart", Napi::Function::New<Start>,
     "(meanBytes: number, maxSamplesPerCpuSecond: number, depth: number, seed: number): HookStatus",
     "Intercepts the allocator and samples. `seed` 0 is random."},
    {"profileStop", Napi::Function::New<Stop>, "(): void",
     "Restores what was intercepted and forgets the live samples."},
    {"profileRate", Napi::Function::New<SetRate>, "(meanBytes: number): void",
     "Mean bytes between samples, from now on; 0 pauses."},
    {"profileRescan", Napi::Function::New<Rescan>, "(): boolean",
     "Follows objects that were loaded or unloaded since. True: there were some."},
    {"profileRegister", Napi::Function::New<RegisterThread>, "(): string | null",
     "Lets JavaScript frames of this thread be decoded. Null: they can be; else what is missing."},
    {"profileUnregister", Napi::Function::New<UnregisterThread>, "(): void",
     "From now on only native frames of this thread are shown."},
    {"profileLevel", Napi::Function::New<SetLevel>, "(level: 0 | 1 | 2, tiers?: number): void",
     "What is shown of JavaScript in code of these tiers, or of all: 0 nothing, 1 names, 2 names and lines. Before the "
     "first call nothing is, but it is kept."},
    {"profileCapture", Napi::Function::New<Capture>, "(): number",
     "The stack of this call, as a sample would show it; 0: table full."},
    {"profileCounters", Napi::Function::New<Counters>, "(into: Float64Array): void", "Copies the counters."},
    {"profileTotals", Napi::Function::New<Totals>, "(): Float64Array", "One row for each stack that has samples."},
    {"profileTotalsLater", Napi::Function::New<TotalsLater>, "(): Promise<Float64Array>",
     "The same, read off this thread."},
    {"profileTest", Napi::Function::New<FramesOfTest>, "(): Float64Array",
     "Frame ids of this call, decoded anew. What one frame of V8 stands for follows an `unreadable` one, and has its "
     "tier."},
    {"profileStack", Napi::Function::New<FramesOfStack>, "(stack: number): Float64Array",
     "Ids of the frames of a stack that may be shown, innermost first."},
    {"profileFrame", Napi::Function::New<FrameOf>,
     "(frame: number): { kind: FrameKind; pc: number; name: string; script: string; line: number; column: number; "
     "tier: number } | null",
     "What a frame id stands for; null: no frame has it. What does not apply is 0 or empty. `pc`: from the base of its "
     "module, if that is known."},
    {"profileSymbols", Napi::Function::New<Symbols>, "(frames: Float64Array): Promise<string>",
     "Names the native code of frame ids, off this thread: module, name and offset of each, and a 0 after each of "
     "these."},
    {"profileForeign", Napi::Function::New<ForeignModule>, "(): string | null",
     "The module that intercepted the allocator before us."},
};

#define EXTMEM_TIER_BIT(value, name, doc) {#name, BitOf(CodeTier::value), doc},
constexpr BitRow kTiers[] = {EXTMEM_CODE_TIERS(EXTMEM_TIER_BIT)};
#undef EXTMEM_TIER_BIT
constexpr BitTable kBits[] = {{"tiers", kTiers}};

constexpr NameRow kProfileRows[] = {EXTMEM_PROFILE_COUNTERS(EXTMEM_NAME_ROW)};
constexpr NameRow kStackRows[] = {EXTMEM_STACK_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NumberTable kNumbers[] = {
    {"ProfileNumbers", "profileFields", "The counters of the profiler, read by `profileCounters()`", kProfileRows},
    {"StackNumbers", "stackFields", "A row of `profileTotals()`", kStackRows},
};

constexpr EnumTable kEnums[] = {
    {"HookStatus", "How `profileStart` ended", kHookStatuses},
    {"FrameKind", "What a frame of a stack is", kFrameKinds},
};

}  // namespace

Exports ProfileExports() { return {kFunctions, kBits, kNumbers, kEnums}; }

}  // namespace extmem
