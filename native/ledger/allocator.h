// What the C allocator of this process says of itself. Which one that is, is looked up at run time by the symbols it
// exports: linking against them would bind us to glibc 2.33 (mallinfo2), and to one allocator.
//
// Threads: DetectAllocator once on a JavaScript thread (it opens the program's own symbol table); the readers then on
// any thread. mallinfo2 and malloc_info walk every free chunk under the arena lock (0.3 us each): they are the calls
// that can stop the program, so each is timed and the decision to go on calling is TypeScript's.
// Units: bytes, virtual. What an allocator cannot tell is NaN; a zero is never presented as a measurement.
#ifndef EXTMEM_LEDGER_ALLOCATOR_H_
#define EXTMEM_LEDGER_ALLOCATOR_H_

#include <cstdint>

namespace extmem {

enum class AllocatorKind : uint8_t { kUnknown, kGlibc, kJemalloc, kTcmalloc, kMimalloc };

struct AllocatorCounters {
  double call_us;  // CPU time of the slowest call made: being preempted says nothing of the next call
  double in_use_bytes;
  double system_bytes;
  double mmapped_bytes;
};

AllocatorKind DetectAllocator();
const char* AllocatorName(AllocatorKind kind);
bool HasMallinfo2();
bool HasMallocInfo();

AllocatorCounters ReadAllocator();

// glibc only; NaN elsewhere. Sets `call_us`.
double ReadReclaimableBytes(double* call_us);

// Bytes that a preloaded allocator holds by its own account, its metadata included; 0 under glibc.
uint64_t PreloadedAllocatorBytes();

}  // namespace extmem

#endif  // EXTMEM_LEDGER_ALLOCATOR_H_
