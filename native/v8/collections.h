// What V8's garbage collector did in one isolate, counted in its own callbacks. Thread of the isolate only.
//
// By a PerformanceObserver each collection takes some 80 µs on the event loop, and a program that churns Buffers has a
// thousand in a second. Node-API does not offer the callbacks; V8 exports them, with the same signature since V8 7, so
// they are looked up by name.
#ifndef EXTMEM_V8_COLLECTIONS_H_
#define EXTMEM_V8_COLLECTIONS_H_

#include <cmath>
#include <cstdint>

namespace extmem {

// X(name, doc)
#define EXTMEM_COLLECTION_NUMBERS(X)                                                       \
  X(minorCount, "collections of the young generation")                                     \
  X(majorCount, "of the whole heap")                                                       \
  X(otherCount, "incremental marking steps and weak callbacks")                            \
  X(pauseMs, "in all of them")                                                             \
  X(afterMajorBytes, "used_heap_size as the latest major collection ended; NaN: none did") \
  X(afterMajorAtMs, "when that was, CLOCK_MONOTONIC")

struct CollectionNumbers {
#define EXTMEM_NUMBER(name, doc) double name;
  EXTMEM_COLLECTION_NUMBERS(EXTMEM_NUMBER)
#undef EXTMEM_NUMBER
};

class Collections {
 public:
  // Counts from zero, in the isolate that is current and of which HeapCounters::Find() found the counters. False: V8
  // does not offer what is needed.
  bool Watch();
  // Nothing happens when it does not watch. The isolate must still live.
  void Unwatch();
  const CollectionNumbers& numbers() const { return numbers_; }

 private:
  static void Begins(void* isolate, int type, int flags, void* self);
  static void Ends(void* isolate, int type, int flags, void* self);

  void* isolate_ = nullptr;  // null while it does not watch
  int running_ = 0;          // the collection that is under way: others may begin inside it, and are part of it
  uint64_t began_ns_ = 0;
  CollectionNumbers numbers_ = {};
};

}  // namespace extmem

#endif  // EXTMEM_V8_COLLECTIONS_H_
