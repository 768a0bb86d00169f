// The profiler's share of the binding. Numbers out; ids, not pointers; text only for names that come from the program.
#include "binding/profile_exports.h"

#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "os/symbols.h"
#include "profile/live.h"
#include "profile/profile.h"
#include "profile/seen_mappings.h"

namespace extmem {
namespace {

// A failed call leaves a null value that further calls refuse in turn (see addon.cc).
double ArgumentAt(napi_env env, napi_callback_info info, size_t index) {
  size_t count = 4;
  napi_value arguments[4] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  double number = 0;
  if (index < count && arguments[index] != nullptr) napi_get_value_double(env, arguments[index], &number);
  return number;
}

// 0 unless the first argument is a number that the table has given out.
uint32_t IdAt(napi_env env, napi_callback_info info, const InternTable& table) {
  const double id = ArgumentAt(env, info, 0);
  return id >= 1 && id < table.count() ? static_cast<uint32_t>(id) : 0;
}

napi_value Number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value Text(napi_env env, const char* text, size_t length) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text, length, &result);
  return result;
}

napi_value Null(napi_env env) {
  napi_value result = nullptr;
  napi_get_null(env, &result);
  return result;
}

napi_value Undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

napi_value Numbers(napi_env env, const double* values, size_t count) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, count * sizeof(double), &data, &buffer) != napi_ok) return nullptr;
  if (count != 0) memcpy(data, values, count * sizeof(double));
  napi_create_typedarray(env, napi_float64_array, count, buffer, 0, &array);
  return array;
}

// One number after the other; counts stay exact up to 2^53.
template <typename... Values>
napi_value Row(napi_env env, Values... values) {
  const double row[] = {static_cast<double>(values)...};
  return Numbers(env, row, std::size(row));
}

napi_value Start(napi_env env, napi_callback_info info) {
  ProfileOptions options;
  options.mean_bytes = static_cast<uint64_t>(ArgumentAt(env, info, 0));
  options.max_samples_per_second = static_cast<uint32_t>(ArgumentAt(env, info, 1));
  options.depth = static_cast<uint32_t>(ArgumentAt(env, info, 2));
  options.seed = static_cast<uint64_t>(ArgumentAt(env, info, 3));
  return Number(env, static_cast<double>(ProfileStart(options)));
}

napi_value Stop(napi_env env, napi_callback_info) {
  ProfileStop();
  return Undefined(env);
}

napi_value SetRate(napi_env env, napi_callback_info info) {
  ProfileSetRate(static_cast<uint64_t>(ArgumentAt(env, info, 0)));
  return Undefined(env);
}

napi_value Rescan(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_get_boolean(env, ProfileRescan(), &result);
  return result;
}

napi_value RegisterThread(napi_env env, napi_callback_info) {
  const char* missing = ProfileRegisterThread();
  return missing == nullptr ? Null(env) : Text(env, missing, NAPI_AUTO_LENGTH);
}

napi_value UnregisterThread(napi_env env, napi_callback_info) {
  ProfileUnregisterThread();
  return Undefined(env);
}

napi_value SetLevel(napi_env env, napi_callback_info info) {
  const double level = ArgumentAt(env, info, 0);
  StackSetLevel(level >= 2 ? StackLevel::kLines : level >= 1 ? StackLevel::kNames : StackLevel::kNative);
  return Undefined(env);
}

napi_value Capture(napi_env env, napi_callback_info) { return Number(env, ProfileCapture()); }

napi_value Counters(napi_env env, napi_callback_info) {
  const LiveCounters live = LiveCount();
  const StackTotals sum = LiveSum();
  const StackCounters stacks = StackCount();
  const ProfileCounters profile = ProfileCount();
  const HookReport hooks = HookCoverage();
  const SeenCounters maps = SeenCount();
  return Row(env, profile.mean_bytes, profile.rate_raises, live.samples, live.tracked, live.refused, live.overwritten,
             sum.allocated_bytes, sum.freed_bytes, static_cast<double>(sum.allocated_count_256) / 256,
             static_cast<double>(sum.freed_count_256) / 256, static_cast<double>(sum.live_variance_kib2) * 1048576,
             Stacks().count() - 1, Stacks().refused(), StackFrames().refused() + StackStrings().refused(),
             stacks.decoded, stacks.unreadable, stacks.unwalked, stacks.broken, stacks.repaired, ProfileOwnBytes(),
             hooks.objects, hooks.patched_objects, hooks.slots, hooks.refused_slots, hooks.foreign_slots,
             hooks.unreadable_objects, hooks.dropped_slots, maps.bytes, maps.ranges, maps.refused);
}

napi_value Totals(napi_env env, napi_callback_info) {
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
  return Numbers(env, rows.data(), rows.size());
}

napi_value StackOf(napi_env env, napi_callback_info info) {
  const uint32_t id = IdAt(env, info, Stacks());
  const uint32_t length = id == 0 ? 0 : Stacks().Length(id) / sizeof(uint32_t);
  const uint32_t* frames = id == 0 ? nullptr : static_cast<const uint32_t*>(Stacks().Bytes(id));
  double numbers[kMaxDepth];
  for (uint32_t i = 0; i < length; i++) numbers[i] = frames[i];
  return Numbers(env, numbers, length);
}

napi_value StringOf(napi_env env, uint32_t id) {
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
      {"kind", Number(env, static_cast<double>(frame.kind))},
      {"pc", Number(env, static_cast<double>(frame.pc))},
      {"generation", Number(env, frame.generation)},
      {"name", StringOf(env, frame.name)},
      {"script", StringOf(env, frame.script)},
      {"line", Number(env, frame.line)},
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
    napi_set_element(env, row, 0, Text(env, symbol.module.data(), symbol.module.size()));
    napi_set_element(env, row, 1, Text(env, symbol.name.data(), symbol.name.size()));
    napi_set_element(env, row, 2, Number(env, static_cast<double>(symbol.offset)));
    napi_set_element(env, rows, i, row);
  }
  napi_resolve_deferred(env, self->deferred, rows);
  napi_delete_async_work(env, self->work);
  delete self;
}

std::vector<Address> AddressesOf(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = nullptr;
  std::vector<Address> addresses;
  if (argument == nullptr ||
      napi_get_typedarray_info(env, argument, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    return addresses;
  }
  const double* pairs = static_cast<const double*>(data);
  for (size_t i = 0; i + 1 < length; i += 2) {
    addresses.push_back({static_cast<uint64_t>(pairs[i]), static_cast<uint32_t>(pairs[i + 1])});
  }
  return addresses;
}

napi_value Symbols(napi_env env, napi_callback_info info) {
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  SymbolWork* self = new SymbolWork{nullptr, deferred, KnownModules(), AddressesOf(env, info), {}};
  const bool queued = napi_create_async_work(env, nullptr, Text(env, "extmem", NAPI_AUTO_LENGTH), RunSymbols,
                                             FinishSymbols, self, &self->work) == napi_ok &&
                      napi_queue_async_work(env, self->work) == napi_ok;
  if (!queued) delete self;
  return promise;
}

napi_value ForeignModule(napi_env env, napi_callback_info) {
  const uintptr_t address = HookCoverage().foreign;
  NoteModules(StackGeneration());
  for (const Module& module : KnownModules()) {
    if (address >= module.low && address < module.high) return Text(env, module.path.data(), module.path.size());
  }
  return Null(env);
}

constexpr ExportRow kRows[] = {
    {"profileStart", Start, "(meanBytes: number, maxSamplesPerSecond: number, depth: number, seed: number): number",
     "Intercepts the allocator and samples. 0: installed; else why not, see lib/profile.ts. `seed` 0 is random."},
    {"profileStop", Stop, "(): void", "Restores what was intercepted and forgets the live samples."},
    {"profileRate", SetRate, "(meanBytes: number): void", "Mean bytes between samples, from now on; 0 pauses."},
    {"profileRescan", Rescan, "(): boolean",
     "Follows objects that were loaded or unloaded since. True: there were some."},
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
