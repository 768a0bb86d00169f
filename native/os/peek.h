// How the classifier looks at memory: an interface, so that unit tests feed it literals.
//
// Reads go through the kernel and never dereference: another thread may unmap what we look at at any moment, and an
// address that is gone must be a `false`, not a SIGSEGV.
#ifndef EXTMEM_OS_PEEK_H_
#define EXTMEM_OS_PEEK_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

constexpr uint64_t kPageBytes = 4096;

class Peek {
 public:
  // Copies `size` bytes at `address`. False: nothing usable was copied.
  virtual bool Read(uint64_t address, void* into, size_t size) = 0;
  // Bytes of [start, end) that are resident. False: cannot be known here.
  virtual bool ResidentBytes(uint64_t start, uint64_t end, uint64_t* bytes) = 0;

 protected:
  ~Peek() = default;  // never deleted through this interface
};

}  // namespace extmem

#endif  // EXTMEM_OS_PEEK_H_
