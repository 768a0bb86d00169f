// The control block that glibc keeps of each thread (struct pthread): what stands at fixed places in it.
//
// x86-64. The block is the high end of what glibc maps for a thread, with the thread-local variables and then the stack
// below it; %fs points to it. The main thread's lies in memory of the loader instead.
//
//   0x000  tcb   its own address     sysdeps/x86_64/nptl/tls.h, tcbhead_t: %fs:0 holds it by the ABI of thread-local
//   0x010  self  its own address     storage, and code of the C library reads the other
//   0x2d0  tid   the kernel's id     nptl/descr.h: behind 704 bytes for that head and a list node; glibc 2.26-2.42.
//                                    The kernel clears it when the thread ends; glibc keeps the stack for the next one
//
// Checked at run time: both self pointers, wherever a block is sought. The place of the id is not: were it another one,
// living and cached stacks would be told apart wrongly, their bytes not. peek_self_test compares all three with the
// libc that it runs on. On other processors no block points to itself, so none is found.
#ifndef EXTMEM_OS_THREAD_BLOCK_H_
#define EXTMEM_OS_THREAD_BLOCK_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

constexpr uint64_t kThreadBlockAlignment = 16;   // 64 as glibc 2.36 is built
constexpr uint64_t kMaxThreadBlockBytes = 4096;  // 2368 in glibc 2.36
constexpr size_t kThreadIdOffset = 0x2d0;

// Whether the words read at `address` (at least three) begin a block.
inline bool IsThreadBlock(const uint64_t* words, uint64_t address) {
  return words[0] == address && words[2] == address;
}

// Where the block of the calling thread is, 0 when that is not known here. For hooks.
inline uintptr_t ThisThreadBlock() {
  uintptr_t block = 0;
#if defined(__x86_64__)
  asm("mov %%fs:0, %0" : "=r"(block));
#endif
  return block;
}

}  // namespace extmem

#endif  // EXTMEM_OS_THREAD_BLOCK_H_
