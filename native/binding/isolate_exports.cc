// What belongs to the calling isolate: its declared memory, its heap, its collections, its heap profiler, its row in
// the table of isolates, its weak references.
#include "binding/isolate_exports.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "binding/environment.h"
#include "binding/isolate_table.h"
#include "binding/values.h"

namespace extmem {
namespace {

Napi::Value DeclaredBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Napi::MemoryManagement::AdjustExternalMemory(info.Env(), 0));
}

Napi::Value Publish(const Napi::CallbackInfo& info) {
  Napi::Float64Array from = DoublesAt(info, 0);
  const bool published =
      from.ElementLength() >= kIsolateNumbers && PublishIsolate(info.Env().GetInstanceData<Environment>(), from.Data());
  return Napi::Boolean::New(info.Env(), published);
}

Napi::Value Isolates(const Napi::CallbackInfo& info) {
  const Environment* self = info.Env().GetInstanceData<Environment>();
  const size_t rows = CopyIsolates(self, nullptr, 0);
  if (rows == 0) return {};  // undefined: the usual case should cost nothing
  std::vector<double> numbers(rows * kIsolateNumbers);
  // A worker may have come or gone in between: who came has no room, and a row of who is gone would pass for the main
  // thread's, whose id is 0.
  const size_t copied = std::min(rows, CopyIsolates(self, numbers.data(), rows));
  return Doubles(info.Env(), numbers.data(), copied * kIsolateNumbers);
}

HeapCounters& HeapCountersOf(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Environment>()->heap_counters;
}

Napi::Value FindHeapCounters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  HeapCounters& counters = HeapCountersOf(info);
  if (!counters.Find(static_cast<uint64_t>(IntegerAt(info, 0, -1)))) return env.Null();
  Napi::Array names = Napi::Array::New(env, counters.spaces());
  // Not by an index, which dies of a worker that is terminated meanwhile.
  for (uint32_t i = 0; i < counters.spaces(); i++) names.Set(i, Napi::String::New(env, counters.SpaceName(i)));
  return names;
}

void CountHeap(const Napi::CallbackInfo& info) {
  Napi::Float64Array into = DoublesAt(info, 0);
  const HeapCounters& counters = HeapCountersOf(info);
  if (into.ByteLength() < sizeof(HeapNumbers) + counters.spaces() * sizeof(HeapSpaceNumbers)) return;
  HeapNumbers numbers;
  HeapSpaceNumbers spaces[kMaxHeapSpaces];
  if (!counters.Count(&numbers, spaces)) return;
  memcpy(into.Data(), &numbers, sizeof(numbers));
  memcpy(into.Data() + sizeof(numbers) / sizeof(double), spaces, counters.spaces() * sizeof(HeapSpaceNumbers));
}

Collections& CollectionsOf(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Environment>()->collections;
}

Napi::Value WatchCollections(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), HeapCountersOf(info).found() && CollectionsOf(info).Watch());
}

void UnwatchCollections(const Napi::CallbackInfo& info) { CollectionsOf(info).Unwatch(); }

void CountCollections(const Napi::CallbackInfo& info) {
  Napi::Float64Array into = DoublesAt(info, 0);
  const CollectionNumbers& numbers = CollectionsOf(info).numbers();
  if (into.ByteLength() >= sizeof(numbers)) memcpy(into.Data(), &numbers, sizeof(numbers));
}

HeapSampling& HeapSamplingOf(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Environment>()->heap_sampling;
}

Napi::Value StartSampling(const Napi::CallbackInfo& info) {
  const HeapSamplingStart start =
      HeapSamplingOf(info).Start(static_cast<uint64_t>(IntegerAt(info, 0)), static_cast<int>(IntegerAt(info, 1)));
  if (start == HeapSamplingStart::kUnsupported) return info.Env().Null();
  return Napi::Boolean::New(info.Env(), start == HeapSamplingStart::kStarted);
}

void StopSampling(const Napi::CallbackInfo& info) { HeapSamplingOf(info).Stop(); }

WeakRefs& RefsOf(const Napi::CallbackInfo& info) { return info.Env().GetInstanceData<Environment>()->weak_refs; }

uint32_t SlotOf(const Napi::CallbackInfo& info) { return static_cast<uint32_t>(IntegerAt(info, 0, WeakRefs::kNone)); }

Napi::Value WeakAdd(const Napi::CallbackInfo& info) {
  const uint32_t slot = RefsOf(info).Add(info.Env(), info[0]);
  return Napi::Number::New(info.Env(), slot == WeakRefs::kNone ? -1 : static_cast<double>(slot));
}

Napi::Value WeakGet(const Napi::CallbackInfo& info) { return {info.Env(), RefsOf(info).Get(info.Env(), SlotOf(info))}; }

void WeakRemove(const Napi::CallbackInfo& info) { RefsOf(info).Remove(info.Env(), SlotOf(info)); }

constexpr FunctionRow kFunctions[] = {
    {"declaredBytes", Napi::Function::New<DeclaredBytes>, "(): number",
     "External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`."},
    {"publishIsolate", Napi::Function::New<Publish>, "(numbers: Float64Array): boolean",
     "Publishes a row of this isolate, for `isolates()` of the others. False: the table is full."},
    {"isolates", Napi::Function::New<Isolates>, "(): Float64Array | undefined",
     "The rows of all other isolates that published; undefined: there are none."},
    {"findHeapCounters", Napi::Function::New<FindHeapCounters>, "(arrayBuffersBytes: number): string[] | null",
     "Looks for the counters of this isolate's heap, and for the one that shows what process.memoryUsage() told. The "
     "names of its spaces; null: they are not where they are looked for."},
    {"heapCounters", Napi::Function::New<CountHeap>, "(into: Float64Array): void",
     "Copies them: a row of `heapFields`, and one of `heapSpaceFields` for each space."},
    {"watchCollections", Napi::Function::New<WatchCollections>, "(): boolean",
     "Counts the collections of this isolate, from zero. False: this V8 does not offer it, or its heap counters were "
     "not found."},
    {"unwatchCollections", Napi::Function::New<UnwatchCollections>, "(): void", "Ends that; the counts stay."},
    {"collectionCounters", Napi::Function::New<CountCollections>, "(into: Float64Array): void",
     "Copies the counters of `watchCollections`."},
    {"startHeapSampling", Napi::Function::New<StartSampling>, "(meanBytes: number, depth: number): boolean | null",
     "Starts V8's sampling heap profiler, so that reading it collects no garbage. False: somebody else runs it. Null: "
     "this V8 does not offer it."},
    {"stopHeapSampling", Napi::Function::New<StopSampling>, "(): void", "Stops it, when it was started here."},
    {"weakAdd", Napi::Function::New<WeakAdd>, "(object: object): number",
     "Refers to an object without keeping it, not even through a minor collection as a WeakRef would. A slot, or -1."},
    {"weakGet", Napi::Function::New<WeakGet>, "(slot: number): object | undefined", "undefined: it was collected."},
    {"weakRemove", Napi::Function::New<WeakRemove>, "(slot: number): void", "Gives a slot of `weakAdd` back."},
};

constexpr NameRow kIsolateRows[] = {EXTMEM_ISOLATE_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NameRow kCollectionRows[] = {EXTMEM_COLLECTION_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NameRow kHeapRows[] = {EXTMEM_HEAP_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NameRow kHeapSpaceRows[] = {EXTMEM_HEAP_SPACE_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NumberTable kNumbers[] = {
    {"IsolateNumbers", "isolateFields", "What an isolate publishes of itself; NaN is unknown", kIsolateRows},
    {"CollectionNumbers", "collectionFields", "The collections of this isolate, read by `collectionCounters()`",
     kCollectionRows},
    {"HeapNumbers", "heapFields", "V8's counters of this isolate, read by `heapCounters()`", kHeapRows},
    {"HeapSpaceNumbers", "heapSpaceFields", "A space of its heap", kHeapSpaceRows},
};

}  // namespace

Exports IsolateExports() { return {kFunctions, {}, kNumbers, {}}; }

}  // namespace extmem
