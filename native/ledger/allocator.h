// What the C allocator of this process says of itself. Which one that is, is looked up at run time by the symbols it
// exports: linking against them would bind us to one allocator.
//
// Threads: DetectAllocator once on a JavaScript thread (it opens the program's own symbol table); the readers then on
// any thread. glibc's malloc_info walks every free chunk under the arena lock (0.3 us each): it is the call that can
// stop the program. So a reading makes it once, it is timed, and whether there is another reading is TypeScript's
// decision.
// Units: bytes, virtual. What an allocator cannot tell is NaN; a zero is never presented as a measurement.
#ifndef EXTMEM_LEDGER_ALLOCATOR_H_
#define EXTMEM_LEDGER_ALLOCATOR_H_

#include <cstdint>

namespace extmem {

enum class AllocatorKind : uint8_t { kUnknown, kGlibc, kJemalloc, kTcmalloc, kMimalloc };

struct AllocatorCounters {
  double call_us;  // CPU time of the reading: being preempted says nothing of the next one
  double in_use_bytes;
  double system_bytes;
  double mmapped_bytes;
  double reclaimable_bytes;  // what a trim would give back; only glibc tells
};

AllocatorKind DetectAllocator();
const char* AllocatorName(AllocatorKind kind);
bool HasMallocInfo();

AllocatorCounters ReadAllocator();

// Bytes that a preloaded allocator holds by its own account, its metadata included; 0 under glibc.
uint64_t PreloadedAllocatorBytes();

}  // namespace extmem

#endif  // EXTMEM_LEDGER_ALLOCATOR_H_
