// Numbers that each isolate publishes about itself, readable from every other one: V8 counters are per isolate, and a
// worker's are invisible from the main thread. TypeScript fills the rows and reads them; here they are only kept.
//
// A short lock guards the rows: they are a few doubles each, and are read once per sample. A forked child publishes
// nothing and sees none.
#ifndef EXTMEM_BINDING_ISOLATE_TABLE_H_
#define EXTMEM_BINDING_ISOLATE_TABLE_H_

#include <cstddef>

namespace extmem {

// X(name, doc)
#define EXTMEM_ISOLATE_NUMBERS(X)                                                    \
  X(threadId, "of node:worker_threads; 0 is the main thread")                        \
  X(atMs, "when the row was filled, CLOCK_MONOTONIC, the clock of process.hrtime()") \
  X(heapUsedBytes, "used_heap_size of V8")                                           \
  X(heapTotalBytes, "total_heap_size of V8")                                         \
  X(externalBytes, "external memory by V8's own account")                            \
  X(arrayBuffersBytes, "of ArrayBuffers, by Node's account; NaN is unknown")         \
  X(declaredBytes, "external memory declared by anybody, see `declaredBytes()`")

#define EXTMEM_ISOLATE_NUMBER(name, doc) +1
constexpr size_t kIsolateNumbers = 0 EXTMEM_ISOLATE_NUMBERS(EXTMEM_ISOLATE_NUMBER);
#undef EXTMEM_ISOLATE_NUMBER

// `owner` identifies the environment. False when the table is full (4096 isolates).
bool PublishIsolate(const void* owner, const double* numbers);
void RemoveIsolate(const void* owner);
// Rows of all but `except`, at most `rows`; returns how many there are.
size_t CopyIsolates(const void* except, double* into, size_t rows);

}  // namespace extmem

#endif  // EXTMEM_BINDING_ISOLATE_TABLE_H_
