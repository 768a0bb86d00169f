// Numbers that each isolate publishes about itself, readable from every other one: V8 counters are per isolate, and a
// worker's are invisible from the main thread. What the numbers mean is TypeScript's business.
//
// A short lock guards the rows: they are eight doubles each, and are read once per sample. A forked child publishes
// nothing and sees none.
#ifndef EXTMEM_BINDING_ISOLATE_TABLE_H_
#define EXTMEM_BINDING_ISOLATE_TABLE_H_

#include <cstddef>

namespace extmem {

constexpr size_t kIsolateNumbers = 8;

// `owner` identifies the environment. False when the table is full (4096 isolates).
bool PublishIsolate(const void* owner, const double* numbers);
void RemoveIsolate(const void* owner);
// Rows of all but `except`, at most `rows`; returns how many there are.
size_t CopyIsolates(const void* except, double* into, size_t rows);

}  // namespace extmem

#endif  // EXTMEM_BINDING_ISOLATE_TABLE_H_
