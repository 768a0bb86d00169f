// V8's account of an isolate's heap, and Node's of its ArrayBuffers, without the objects and strings of node:v8, and
// without the file of /proc that process.memoryUsage() reads. Thread of the isolate only.
//
// Node-API does not offer it; V8 exports the functions, under the same names since V8 8. Where their classes have what
// is not told by the names, so it is believed only after it adds up, see Find().
#ifndef EXTMEM_V8_HEAP_COUNTERS_H_
#define EXTMEM_V8_HEAP_COUNTERS_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

// X(name, doc)
#define EXTMEM_HEAP_NUMBERS(X)                                                \
  X(heapUsedBytes, "as in process.memoryUsage()")                             \
  X(heapTotalBytes, "the same")                                               \
  X(heapPhysicalBytes, "committed, and touched as far as V8 knows")           \
  X(heapLimitBytes, "at which V8 ends the process")                           \
  X(mallocedBytes, "zones of the compiler and parser")                        \
  X(externalBytes, "as in process.memoryUsage()")                             \
  X(arrayBuffersBytes, "the same, of Node's allocator; NaN: it is not known") \
  X(nativeContexts, "alive")                                                  \
  X(detachedContexts, "of these, those that no frame shows and somebody still holds")

struct HeapNumbers {
#define EXTMEM_NUMBER(name, doc) double name;
  EXTMEM_HEAP_NUMBERS(EXTMEM_NUMBER)
#undef EXTMEM_NUMBER
};

// X(name, doc)
#define EXTMEM_HEAP_SPACE_NUMBERS(X)         \
  X(usedBytes, "objects")                    \
  X(committedBytes, "taken from the system") \
  X(physicalBytes, "of these, touched as far as V8 knows")

struct HeapSpaceNumbers {
#define EXTMEM_NUMBER(name, doc) double name;
  EXTMEM_HEAP_SPACE_NUMBERS(EXTMEM_NUMBER)
#undef EXTMEM_NUMBER
};

// V8 14 has 13.
constexpr size_t kMaxHeapSpaces = 24;

class HeapCounters {
 public:
  // Whether the counters of the current isolate are where they are looked for: its spaces have to add up to the whole
  // in each of three figures, to the byte, and Node's allocator has to show `array_buffers_bytes`, which
  // process.memoryUsage() told.
  bool Find(uint64_t array_buffers_bytes);
  bool found() const { return isolate_ != nullptr; }
  size_t spaces() const { return spaces_; }
  // Owned by V8.
  const char* SpaceName(size_t space) const { return names_[space]; }

  // `spaces` has room for as many. False: they were not found.
  bool Count(HeapNumbers* numbers, HeapSpaceNumbers* spaces) const;

 private:
  void* isolate_ = nullptr;  // null until it was found
  const uint64_t* array_buffers_ = nullptr;
  size_t spaces_ = 0;
  const char* names_[kMaxHeapSpaces] = {};
};

// used_heap_size of an isolate, after a Find() that succeeded.
double UsedHeapBytes(void* isolate);

}  // namespace extmem

#endif  // EXTMEM_V8_HEAP_COUNTERS_H_
