// V8's sampling heap profiler, of which an isolate has one, started and stopped without the inspector.
//
// The inspector starts it with a flag that has every reading collect all garbage first: a pause of tens of milliseconds
// that nobody asked for. Whether it does is the starter's choice alone, so a profiler that was started here is read
// through the inspector without any. Node-API does not offer the call; V8 exports it, under the same name since V8 8,
// and the name of a C++ function tells its arguments.
#ifndef EXTMEM_V8_HEAP_SAMPLING_H_
#define EXTMEM_V8_HEAP_SAMPLING_H_

#include <cstdint>

namespace extmem {

enum class HeapSamplingStart { kStarted, kRunByOthers, kUnsupported };

// Of one isolate, and on its thread only.
class HeapSampling {
 public:
  // A mean of `mean_bytes` between samples, with `depth` frames each.
  HeapSamplingStart Start(uint64_t mean_bytes, int depth);
  // Nothing happens unless it was started here. Must come before the isolate is taken down: V8 13.6 (Node 24) frees the
  // samples of a running profiler twice then, 18 of 18 processes died of it.
  void Stop();

 private:
  void* profiler_ = nullptr;  // while it runs
};

}  // namespace extmem

#endif  // EXTMEM_V8_HEAP_SAMPLING_H_
