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

// 0 unless the first argument is a number that the table has given out.
uint32_t IdAt(napi_env env, napi_callback_info info, const InternTable& table) {
  const int64_t id = IntegerAt(env, info, 0, 0);
  return id >= 1 && id < table.count() ? static_cast<uint32_t>(id) : 0;
}

#define EXTMEM_ENUM_NAME(value, name, doc) EXTMEM_NAME_ROW(name, doc)
constexpr NameRow kHookStatuses[] = {EXTMEM_HOOK_STATUSES(EXTMEM_ENUM_NAME)};
constexpr NameRow kFrameKinds[] = {EXTMEM_FRAME_KINDS(EXTMEM_ENUM_NAME)};
#undef EXTMEM_ENUM_NAME

template <typename Enum>
napi_value NameOf(napi_env env, Rows<NameRow> names, Enum value) {
  return Text(env, names[static_cast<size_t>(value)].name);
}

napi_value Start(napi_env env, napi_callback_info info) {
  ProfileOptions options;
  options.mean_bytes = static_cast<uint64_t>(IntegerAt(env, info, 0, 0));
  options.max_samples_per_second = static_cast<uint32_t>(IntegerAt(env, info, 1, 0));
  options.depth = static_cast<uint32_t>(IntegerAt(env, info, 2, 0));
  options.seed = static_cast<uint64_t>(IntegerAt(env, info, 3, 0));
  return NameOf(env, kHookStatuses, ProfileStart(options));
}

napi_value Stop(napi_env env, napi_callback_info) {
  ProfileStop();
  return nullptr;
}

napi_value SetRate(napi_env env, napi_callback_info info) {
  ProfileSetRate(static_cast<uint64_t>(IntegerAt(env, info, 0, 0)));
  return nullptr;
}

napi_value Rescan(napi_env env, napi_callback_info) { return Boolean(env, ProfileRescan()); }

napi_value RegisterThread(napi_env env, napi_callback_info) {
  const char* missing = ProfileRegisterThread();
  return missing == nullptr ? Null(env) : Text(env, missing);
}

napi_value UnregisterThread(napi_env env, napi_callback_info) {
  ProfileUnregisterThread();
  return nullptr;
}

napi_value SetLevel(napi_env env, napi_callback_info info) {
  const int64_t level = IntegerAt(env, info, 0, 0);
  StackSetLevel(level >= 2 ? StackLevel::kLines : level >= 1 ? StackLevel::kNames : StackLevel::kNative);
  return nullptr;
}

napi_value Capture(napi_env env, napi_callback_info) { return Number(env, ProfileCapture()); }

napi_value Counters(napi_env env, napi_callback_info info) {
  const Doubles into = DoublesOf(env, ArgumentAt(env, info, 0));
  const ProfileNumbers numbers = CountProfile();
  if (into.length >= sizeof(numbers) / sizeof(double)) memcpy(into.data, &numbers, sizeof(numbers));
  return nullptr;
}

napi_value Totals(napi_env env, napi_callback_info) {
  const uint32_t count = Stacks().count();
  std::vector<uint32_t> oldest(count);
  LiveOldest(oldest.data(), count);
  std::vector<StackNumbers> rows;
  for (uint32_t stack = 0; stack < count; stack++) {
    const StackTotals totals = LiveTotals(stack);
    if (totals.samples != 0) rows.push_back(CountStack(stack, totals, oldest[stack]));
  }
  return Numbers(env, rows.data(), rows.size() * sizeof(StackNumbers) / sizeof(double));
}

napi_value StackOf(napi_env env, napi_callback_info info) {
  const uint32_t id = IdAt(env, info, Stacks());
  const uint32_t length = id == 0 ? 0 : Stacks().Length(id) / sizeof(uint32_t);
  const uint32_t* frames = id == 0 ? nullptr : static_cast<const uint32_t*>(Stacks().Bytes(id));
  double numbers[kMaxDepth];
  for (uint32_t i = 0; i < length; i++) numbers[i] = frames[i];
  return Numbers(env, numbers, length);
}

napi_value InternedText(napi_env env, uint32_t id) {
  if (id == 0) return Text(env, "", 0);
  return Text(env, static_cast<const char*>(StackStrings().Bytes(id)), StackStrings().Length(id));
}

napi_value FrameOf(napi_env env, napi_callback_info info) {
  const uint32_t id = IdAt(env, info, StackFrames());
  if (id == 0) return Null(env);
  const FrameRecord& frame = *static_cast<const FrameRecord*>(StackFrames().Bytes(id));
  napi_value object = nullptr;
  napi_create_object(env, &object);
  const struct {
    const char* name;
    napi_value value;
  } fields[] = {
      {"kind", NameOf(env, kFrameKinds, frame.kind)}, {"pc", Number(env, static_cast<double>(frame.pc))},
      {"generation", Number(env, frame.generation)},  {"name", InternedText(env, frame.name)},
      {"script", InternedText(env, frame.script)},    {"line", Number(env, frame.line)},
      {"column", Number(env, frame.column)},
  };
  for (const auto& field : fields) napi_set_named_property(env, object, field.name, field.value);
  return object;
}

// Symbol tables are read on a thread of the pool; the promise resolves to rows of [module, name, offset].
struct SymbolWork {
  napi_async_work work;
  napi_deferred deferred;
  std::vector<Module> modules;
  std::vector<Address> addresses;
  std::vector<Symbol> symbols;
};

void RunSymbols(napi_env, void* data) {
  SymbolWork* self = static_cast<SymbolWork*>(data);
  self->symbols = Symbolize(self->modules, self->addresses);
}

void FinishSymbols(napi_env env, napi_status, void* data) {
  SymbolWork* self = static_cast<SymbolWork*>(data);
  napi_value rows = nullptr;
  napi_create_array_with_length(env, self->symbols.size(), &rows);
  for (uint32_t i = 0; i < self->symbols.size(); i++) {
    const Symbol& symbol = self->symbols[i];
    napi_value row = nullptr;
    napi_create_array_with_length(env, 3, &row);
    napi_set_element(env, row, 0, Text(env, symbol.module));
    napi_set_element(env, row, 1, Text(env, symbol.name));
    napi_set_element(env, row, 2, Number(env, static_cast<double>(symbol.offset)));
    napi_set_element(env, rows, i, row);
  }
  napi_resolve_deferred(env, self->deferred, rows);
  napi_delete_async_work(env, self->work);
  delete self;
}

std::vector<Address> AddressesOf(const Doubles& pairs) {
  std::vector<Address> addresses;
  for (size_t i = 0; i + 1 < pairs.length; i += 2) {
    addresses.push_back({static_cast<uint64_t>(pairs.data[i]), static_cast<uint32_t>(pairs.data[i + 1])});
  }
  return addresses;
}

napi_value Symbols(napi_env env, napi_callback_info info) {
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  SymbolWork* self =
      new SymbolWork{nullptr, deferred, KnownModules(), AddressesOf(DoublesOf(env, ArgumentAt(env, info, 0))), {}};
  const bool queued = napi_create_async_work(env, nullptr, Text(env, "extmem"), RunSymbols, FinishSymbols, self,
                                             &self->work) == napi_ok &&
                      napi_queue_async_work(env, self->work) == napi_ok;
  if (!queued) delete self;
  return promise;
}

napi_value ForeignModule(napi_env env, napi_callback_info) {
  const uintptr_t address = HookCoverage().foreign;
  NoteModules(StackGeneration());
  for (const Module& module : KnownModules()) {
    if (address >= module.low && address < module.high) return Text(env, module.path);
  }
  return Null(env);
}

constexpr FunctionRow kFunctions[] = {
    {"profileStart", Start, "(meanBytes: number, maxSamplesPerSecond: number, depth: number, seed: number): HookStatus",
     "Intercepts the allocator and samples. `seed` 0 is random."},
    {"profileStop", Stop, "(): void", "Restores what was intercepted and forgets the live samples."},
    {"profileRate", SetRate, "(meanBytes: number): void", "Mean bytes between samples, from now on; 0 pauses."},
    {"profileRescan", Rescan, "(): boolean",
     "Follows objects that were loaded or unloaded since. True: there were some."},
    {"profileRegister", RegisterThread, "(): string | null",
     "Lets JavaScript frames of this thread be decoded. Null: they can be; else what is missing."},
    {"profileUnregister", UnregisterThread, "(): void", "From now on only native frames of this thread are shown."},
    {"profileLevel", SetLevel, "(level: 0 | 1 | 2): void", "Frames shown: 0 native only, 1 names, 2 names and lines."},
    {"profileCapture", Capture, "(): number", "The stack of this call, as a sample would show it; 0: table full."},
    {"profileCounters", Counters, "(into: Float64Array): void", "Copies the counters."},
    {"profileTotals", Totals, "(): Float64Array", "One row for each stack that has samples."},
    {"profileStack", StackOf, "(stack: number): Float64Array", "Frame ids of a stack, innermost first."},
    {"profileFrame", FrameOf,
     "(frame: number): { kind: FrameKind; pc: number; generation: number; name: string; script: string; line: number; "
     "column: number } | null",
     "What a frame id stands for; null: no frame has it. What does not apply is 0 or empty."},
    {"profileSymbols", Symbols, "(pairs: Float64Array): Promise<[module: string, name: string, offset: number][]>",
     "Names pairs of pc and generation, off this thread."},
    {"profileForeign", ForeignModule, "(): string | null", "The module that intercepted the allocator before us."},
};

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

Exports ProfileExports() { return {kFunctions, {}, kNumbers, kEnums}; }

}  // namespace extmem
