#include "v8/heap_sampling.h"

#include "os/elf_image.h"

namespace extmem {

namespace {

constexpr int kSamplingNoFlags = 0;  // v8::HeapProfiler::SamplingFlags

struct {
  void* (*current)();
  void* (*heap_profiler)(void* isolate);
  bool (*start)(void* heap_profiler, uint64_t mean_bytes, int depth, int flags);
  void (*stop)(void* heap_profiler);
} g_v8;

bool FindAll() {
  return FindFunction("_ZN2v87Isolate10GetCurrentEv", &g_v8.current) &&
         FindFunction("_ZN2v87Isolate15GetHeapProfilerEv", &g_v8.heap_profiler) &&
         FindFunction("_ZN2v812HeapProfiler25StartSamplingHeapProfilerEmiNS0_13SamplingFlagsE", &g_v8.start) &&
         FindFunction("_ZN2v812HeapProfiler24StopSamplingHeapProfilerEv", &g_v8.stop);
}

}  // namespace

HeapSamplingStart HeapSampling::Start(uint64_t mean_bytes, int depth) {
  if (mean_bytes == 0 || depth < 1) return HeapSamplingStart::kUnsupported;  // V8 ends the process over it
  static const bool found = FindAll();
  void* isolate = found ? g_v8.current() : nullptr;
  if (isolate == nullptr) return HeapSamplingStart::kUnsupported;
  void* profiler = g_v8.heap_profiler(isolate);
  if (!g_v8.start(profiler, mean_bytes, depth, kSamplingNoFlags)) return HeapSamplingStart::kRunByOthers;
  profiler_ = profiler;
  return HeapSamplingStart::kStarted;
}

void HeapSampling::Stop() {
  if (profiler_ != nullptr) g_v8.stop(profiler_);
  profiler_ = nullptr;
}

}  // namespace extmem
