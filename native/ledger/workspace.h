// The memory a pass works in: one reservation of its own, so that measuring does not move the malloc heap that is
// measured, and so that our own bytes have an address range that the ledger can name (leaf `runtime`).
//
// Reserved once, committed as the table grows, kept between passes. One per thread that runs passes at a time.
#ifndef EXTMEM_LEDGER_WORKSPACE_H_
#define EXTMEM_LEDGER_WORKSPACE_H_

#include <cstddef>
#include <cstdint>

#include "ledger/mappings.h"
#include "ledger/smaps.h"

namespace extmem {

class Workspace {
 public:
  static constexpr size_t kTextBytes = 64 * 1024;
  static constexpr size_t kPagemapBytes = 64 * 1024;
  static constexpr size_t kMaxRanges = 16;

  Workspace();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // False when the address space is exhausted: then there is nothing to work in, and the pass stays unknown.
  bool ok() const { return base_ != nullptr; }
  char* text() const { return base_ + kGuardBytes; }
  uint64_t* pagemap() const { return reinterpret_cast<uint64_t*>(text() + kTextBytes); }
  size_t pagemap_words() const { return kPagemapBytes / sizeof(uint64_t); }
  Vma* table() const { return reinterpret_cast<Vma*>(text() + kTextBytes + kPagemapBytes); }
  size_t capacity() const { return capacity_; }
  size_t committed_bytes() const { return committed_bytes_; }
  // Makes room for twice as many mappings. False at the limit (some 300 000).
  bool Grow();

  // The workspaces that exist in this process now; returns how many were written.
  static size_t Ranges(Range* into);

 private:
  static constexpr size_t kGuardBytes = 4096;  // keeps the kernel from merging us with a neighbour
  static constexpr size_t kReservedBytes = size_t{12} << 20;
  static constexpr size_t kFirstTableBytes = 128 * 1024;

  bool Commit(size_t table_bytes);

  char* base_ = nullptr;
  size_t capacity_ = 0;
  size_t committed_bytes_ = 0;
  size_t slot_ = kMaxRanges;
};

}  // namespace extmem

#endif  // EXTMEM_LEDGER_WORKSPACE_H_
