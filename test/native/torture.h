// Everything that is nasty to an allocation hook, from native code: run by Node (test/torture-addon), and under
// sanitizers and valgrind (hooks_test.cc). A broken promise of the allocator ends the process with a message.
#ifndef EXTMEM_TEST_NATIVE_TORTURE_H_
#define EXTMEM_TEST_NATIVE_TORTURE_H_

#include <cstddef>

namespace torture {

// Blocks that threads free, resize and hand to each other; they stay until FreeRaced.
void RaceRealloc(int rounds);
void FreeRaced(int);
struct Held {
  size_t bytes;
  size_t blocks;
};
Held RacedBlocks();

void EveryForm(int rounds);
// Exceptions and jumps between allocations.
void Throws(int rounds);
// The same through operator new; nothing under sanitizers and valgrind. Some allocators abort instead.
void ThrowsThroughNew(int rounds);
void ThreadStorm(int rounds);
void ForkStorm(int rounds);
// Children that libc does not know of, made while another thread allocates.
void RawForkStorm(int rounds);
// Opens and closes reloaded.so, which lies beside the caller's object.
void Reload(int rounds);
// A thread of its own does so until the end.
void BeginLoads(int);
void EndLoads(int);
void SmallStack(int rounds);
// How far down the stack of a thread of its own an allocation reaches, from the frame that calls malloc.
size_t StackOfMalloc();
// From now on memory cannot be written by /proc/self/mem (1), nor by process_vm_writev (2), as in a strict sandbox.
void DenyWrites(int ways);
// From now on memory cannot be read by process_vm_readv.
void DenyReads(int);
// From now on no thread can be started.
void DenyThreads(int);

}  // namespace torture

#endif  // EXTMEM_TEST_NATIVE_TORTURE_H_
