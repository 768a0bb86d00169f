// The profiler's share of the binding. Numbers out; ids, not pointers; text only for names that come from the program.
#include "profile_exports.h"

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "foreign_maps.h"
#include "live.h"
#include "profile.h"
#include "symbols.h"

namespace extmem {
namespace {

double NumberAt(const Napi::CallbackInfo& info, size_t index) {
  return info.Length() > index && info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : 0;
}

uint32_t IdAt(const Napi::CallbackInfo& info, const InternTable& table) {
  const double id = NumberAt(info, 0);
  return id >= 1 && id < table.count() ? static_cast<uint32_t>(id) : 0;
}

Napi::Float64Array Numbers(Napi::Env env, const double* values, size_t count) {
  Napi::Float64Array array = Napi::Float64Array::New(env, count);
  for (size_t i = 0; i < count; i++) array[i] = values[i];
  return array;
}

Napi::Value Start(const Napi::CallbackInfo& info) {
  ProfileOptions options;
  options.mean_bytes = static_cast<uint64_t>(NumberAt(info, 0));
  options.max_samples_per_second = static_cast<uint32_t>(NumberAt(info, 1));
  options.depth = static_cast<uint32_t>(NumberAt(info, 2));
  options.seed = static_cast<uint64_t>(NumberAt(info, 3));
  return Napi::Number::New(info.Env(), static_cast<double>(ProfileStart(options)));
}

Napi::Value Stop(const Napi::CallbackInfo& info) {
  ProfileStop();
  return info.Env().Undefined();
}

Napi::Value UnregisterThread(const Napi::CallbackInfo& info) {
  ProfileUnregisterThread();
  return info.Env().Undefined();
}

Napi::Value SetRate(const Napi::CallbackInfo& info) {
  ProfileSetRate(static_cast<uint64_t>(NumberAt(info, 0)));
  return info.Env().Undefined();
}

Napi::Value Rescan(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), ProfileRescan()); }

Napi::Value RegisterThread(const Napi::CallbackInfo& info) {
  const char* missing = StackLoadLayout();
  const bool known = ProfileRegisterThread();
  const bool decodes = ThisThread()->isolate != nullptr;
  if (decodes) return info.Env().Null();
  return Napi::String::New(info.Env(), missing != nullptr ? missing : known ? "code ranges" : "stack bounds");
}

Napi::Value SetLevel(const Napi::CallbackInfo& info) {
  const double level = NumberAt(info, 0);
  StackSetLevel(level >= 2 ? StackLevel::kLines : level >= 1 ? StackLevel::kNames : StackLevel::kNative);
  return info.Env().Undefined();
}

Napi::Value Capture(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ProfileCapture());
}

Napi::Value Counters(const Napi::CallbackInfo& info) {
  const LiveCounters live = LiveCount();
  const StackTotals sum = LiveSum();
  const StackCounters stacks = StackCount();
  const ProfileCounters profile = ProfileCount();
  const HookReport hooks = HookCoverage();
  const ForeignCounters maps = ForeignCount();
  const double values[] = {
      static_cast<double>(profile.mean_bytes),
      static_cast<double>(profile.rate_raises),
      static_cast<double>(live.samples),
      static_cast<double>(live.tracked),
      static_cast<double>(live.refused),
      static_cast<double>(live.overwritten),
      static_cast<double>(sum.allocated_bytes),
      static_cast<double>(sum.freed_bytes),
      static_cast<double>(sum.allocated_count_256) / 256,
      static_cast<double>(sum.freed_count_256) / 256,
      static_cast<double>(sum.live_variance_kib2) * 1048576,
      static_cast<double>(Stacks().count() - 1),
      static_cast<double>(Stacks().refused()),
      static_cast<double>(StackFrames().refused() + StackStrings().refused()),
      static_cast<double>(stacks.decoded),
      static_cast<double>(stacks.unreadable),
      static_cast<double>(stacks.unwalked),
      static_cast<double>(stacks.broken),
      static_cast<double>(stacks.repaired),
      static_cast<double>(ProfileOwnBytes()),
      static_cast<double>(hooks.objects),
      static_cast<double>(hooks.patched_objects),
      static_cast<double>(hooks.slots),
      static_cast<double>(hooks.refused_slots),
      static_cast<double>(hooks.foreign_slots),
      static_cast<double>(hooks.unreadable_objects),
      static_cast<double>(hooks.dropped_slots),
      static_cast<double>(maps.bytes),
      static_cast<double>(maps.ranges),
      static_cast<double>(maps.refused),
  };
  return Numbers(info.Env(), values, std::size(values));
}

Napi::Value Totals(const Napi::CallbackInfo& info) {
  constexpr size_t kRow = 9;
  const uint32_t count = Stacks().count();
  std::vector<uint32_t> oldest(count);
  LiveOldest(oldest.data(), count);
  std::vector<double> rows;
  for (uint32_t stack = 0; stack < count; stack++) {
    const StackTotals totals = LiveTotals(stack);
    if (totals.samples == 0) continue;
    const double row[kRow] = {
        static_cast<double>(stack),
        static_cast<double>(totals.allocated_bytes),
        static_cast<double>(totals.allocated_count_256) / 256,
        static_cast<double>(totals.freed_bytes),
        static_cast<double>(totals.freed_count_256) / 256,
        static_cast<double>(totals.live_variance_kib2) * 1048576,
        static_cast<double>(totals.samples),
        static_cast<double>(totals.live_samples),
        oldest[stack] == UINT32_MAX ? -1 : static_cast<double>(oldest[stack]),
    };
    rows.insert(rows.end(), row, row + kRow);
  }
  return Numbers(info.Env(), rows.data(), rows.size());
}

Napi::Value StackOf(const Napi::CallbackInfo& info) {
  const uint32_t id = IdAt(info, Stacks());
  const uint32_t length = id == 0 ? 0 : Stacks().Length(id) / sizeof(uint32_t);
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), length);
  if (id == 0) return array;
  const uint32_t* frames = static_cast<const uint32_t*>(Stacks().Bytes(id));
  for (uint32_t i = 0; i < length; i++) array[i] = frames[i];
  return array;
}

Napi::Value StringOf(Napi::Env env, uint32_t id) {
  if (id == 0) return Napi::String::New(env, "");
  return Napi::String::New(env, static_cast<const char*>(StackStrings().Bytes(id)), StackStrings().Length(id));
}

Napi::Value FrameOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const uint32_t id = IdAt(info, StackFrames());
  if (id == 0) return env.Null();
  const FrameRecord& frame = *static_cast<const FrameRecord*>(StackFrames().Bytes(id));
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", Napi::Number::New(env, static_cast<double>(frame.kind)));
  object.Set("pc", Napi::Number::New(env, static_cast<double>(frame.pc)));
  object.Set("generation", Napi::Number::New(env, frame.generation));
  object.Set("name", StringOf(env, frame.name));
  object.Set("script", StringOf(env, frame.script));
  object.Set("line", Napi::Number::New(env, frame.line));
  object.Set("column", Napi::Number::New(env, frame.column));
  return object;
}

// Symbol tables are read on a thread of the pool; the promise resolves to rows of [module, name, offset].
class SymbolWorker : public Napi::AsyncWorker {
 public:
  SymbolWorker(Napi::Env env, std::vector<Address> addresses)
      : Napi::AsyncWorker(env, "extmem"), deferred_(env), modules_(KnownModules()), addresses_(std::move(addresses)) {}
  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override { symbols_ = Symbolize(modules_, addresses_); }

  void OnOK() override {
    Napi::Env env = Env();
    Napi::Array rows = Napi::Array::New(env, symbols_.size());
    for (size_t i = 0; i < symbols_.size(); i++) {
      Napi::Array row = Napi::Array::New(env, 3);
      row.Set(0u, Napi::String::New(env, symbols_[i].module));
      row.Set(1u, Napi::String::New(env, symbols_[i].name));
      row.Set(2u, Napi::Number::New(env, static_cast<double>(symbols_[i].offset)));
      rows.Set(static_cast<uint32_t>(i), row);
    }
    deferred_.Resolve(rows);
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::vector<Module> modules_;
  std::vector<Address> addresses_;
  std::vector<Symbol> symbols_;
};

Napi::Value Symbols(const Napi::CallbackInfo& info) {
  std::vector<Address> addresses;
  if (info.Length() > 0 && info[0].IsTypedArray()) {
    const Napi::Float64Array pairs = info[0].As<Napi::Float64Array>();
    for (size_t i = 0; i + 1 < pairs.ElementLength(); i += 2) {
      addresses.push_back({static_cast<uint64_t>(pairs[i]), static_cast<uint32_t>(pairs[i + 1])});
    }
  }
  SymbolWorker* worker = new SymbolWorker(info.Env(), std::move(addresses));  // deletes itself
  worker->Queue();
  return worker->Promise();
}

Napi::Value ForeignModule(const Napi::CallbackInfo& info) {
  const uintptr_t address = HookCoverage().foreign;
  NoteModules(StackGeneration());
  for (const Module& module : KnownModules()) {
    if (address >= module.low && address < module.high) return Napi::String::New(info.Env(), module.path);
  }
  return info.Env().Null();
}

constexpr ExportRow kRows[] = {
    {"profileStart", Start,
     "(meanBytes: number, maxSamplesPerSecond: number, depth: number, seed: number): number",
     "Intercepts the allocator and samples. 0: installed; else why not, see lib/profile.ts. `seed` 0 is random."},
    {"profileStop", Stop, "(): void", "Restores what was intercepted and forgets the live samples."},
    {"profileRate", SetRate, "(meanBytes: number): void", "Mean bytes between samples, from now on; 0 pauses."},
    {"profileRescan", Rescan, "(): boolean", "Follows objects that were loaded or unloaded since. True: there were some."},
    {"profileRegister", RegisterThread, "(): string | null",
     "Lets JavaScript frames of this thread be decoded. Null: they can be; else what is missing."},
    {"profileUnregister", UnregisterThread, "(): void", "From now on only native frames of this thread are shown."},
    {"profileLevel", SetLevel, "(level: 0 | 1 | 2): void", "Frames shown: 0 native only, 1 names, 2 names and lines."},
    {"profileCapture", Capture, "(): number", "The stack of this call, as a sample would show it; 0: table full."},
    {"profileCounters", Counters, "(): Float64Array", "In the order of `counterNames` in lib/profile.ts."},
    {"profileTotals", Totals, "(): Float64Array",
     "Rows of 9 per stack: id, allocated bytes and count, freed bytes and count, variance of the live bytes, samples, "
     "live samples, monotonic second of the oldest live one or -1."},
    {"profileStack", StackOf, "(stack: number): Float64Array", "Frame ids of a stack, innermost first."},
    {"profileFrame", FrameOf,
     "(frame: number): { kind: number; pc: number; generation: number; name: string; script: string; line: number; "
     "column: number } | null",
     "kind 0 native, 1 builtin of V8, 2 JavaScript, 3 unreadable, 4 marks a mapping."},
    {"profileSymbols", Symbols, "(pairs: Float64Array): Promise<[module: string, name: string, offset: number][]>",
     "Names pairs of pc and generation, off this thread."},
    {"profileForeign", ForeignModule, "(): string | null", "The module that intercepted the allocator before us."},
};

}  // namespace

Rows<ExportRow> ProfileExports() { return {kRows, std::size(kRows)}; }

}  // namespace extmem
