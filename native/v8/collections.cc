#include "v8/collections.h"

#include "os/clock.h"
#include "os/elf_image.h"
#include "v8/heap_counters.h"

namespace extmem {

namespace {

// v8::GCType
constexpr int kScavenge = 1;
constexpr int kMinorMarkSweep = 2;
constexpr int kMarkSweepCompact = 4;
constexpr int kAll = 31;

using Callback = void (*)(void* isolate, int type, int flags, void* data);

struct {
  void* (*current)();
  void (*add_prologue)(void* isolate, Callback callback, void* data, int types);
  void (*add_epilogue)(void* isolate, Callback callback, void* data, int types);
  void (*remove_prologue)(void* isolate, Callback callback, void* data);
  void (*remove_epilogue)(void* isolate, Callback callback, void* data);
} g_v8;

bool FindAll() {
  return FindFunction("_ZN2v87Isolate10GetCurrentEv", &g_v8.current) &&
         FindFunction("_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
                      &g_v8.add_prologue) &&
         FindFunction("_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
                      &g_v8.add_epilogue) &&
         FindFunction("_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
                      &g_v8.remove_prologue) &&
         FindFunction("_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
                      &g_v8.remove_epilogue);
}

}  // namespace

bool Collections::Watch() {
  static const bool found = FindAll();
  if (!found || isolate_ != nullptr) return false;
  isolate_ = g_v8.current();
  if (isolate_ == nullptr) return false;
  running_ = 0;
  numbers_ = {0, 0, 0, 0, NAN, NAN};
  g_v8.add_prologue(isolate_, Begins, this, kAll);
  g_v8.add_epilogue(isolate_, Ends, this, kAll);
  return true;
}

void Collections::Unwatch() {
  if (isolate_ == nullptr) return;
  g_v8.remove_prologue(isolate_, Begins, this);
  g_v8.remove_epilogue(isolate_, Ends, this);
  isolate_ = nullptr;
}

void Collections::Begins(void*, int type, int, void* self) {
  Collections& collections = *static_cast<Collections*>(self);
  if (collections.running_ != 0) return;
  collections.running_ = type;
  collections.began_ns_ = MonotonicNs();
}

void Collections::Ends(void* isolate, int type, int, void* self) {
  Collections& collections = *static_cast<Collections*>(self);
  if (collections.running_ != type) return;
  collections.running_ = 0;
  const uint64_t now_ns = MonotonicNs();
  CollectionNumbers& numbers = collections.numbers_;
  numbers.pauseMs += static_cast<double>(now_ns - collections.began_ns_) / 1e6;
  if (type == kScavenge || type == kMinorMarkSweep) {
    numbers.minorCount++;
  } else if (type == kMarkSweepCompact) {
    numbers.majorCount++;
    numbers.afterMajorBytes = UsedHeapBytes(isolate);
    numbers.afterMajorAtMs = static_cast<double>(now_ns) / 1e6;
  } else {
    numbers.otherCount++;
  }
}

}  // namespace extmem
