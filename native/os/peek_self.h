// Memory of this process, read through the kernel: process_vm_readv, or /proc/self/mem where that is refused
// (seccomp profiles that forbid ptrace-like calls, Yama). One object per pass; not shared between threads.
#ifndef EXTMEM_OS_PEEK_SELF_H_
#define EXTMEM_OS_PEEK_SELF_H_

#include <sys/types.h>

#include <optional>

#include "os/peek.h"
#include "os/process_files.h"

namespace extmem {

class PeekSelf final : public Peek {
 public:
  // `buffer` holds page map entries while a range is counted.
  PeekSelf(uint64_t* buffer, size_t buffer_words);
  PeekSelf(const PeekSelf&) = delete;
  PeekSelf& operator=(const PeekSelf&) = delete;

  bool Read(uint64_t address, void* into, size_t size) override;
  bool ResidentBytes(uint64_t start, uint64_t end, uint64_t* bytes) override;

  uint64_t failures() const { return failures_; }

  // The three ways one by one, for probe().
  bool ReadByCall(uint64_t address, void* into, size_t size);
  bool ReadByFile(uint64_t address, void* into, size_t size);

 private:
  pid_t pid_;
  std::optional<ProcessFile> memory_;
  std::optional<ProcessFile> pagemap_;
  bool call_refused_ = false;
  uint64_t failures_ = 0;
  uint64_t* buffer_;
  size_t buffer_words_;
};

}  // namespace extmem

#endif  // EXTMEM_OS_PEEK_SELF_H_
