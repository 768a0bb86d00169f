#include "os/peek_self.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace extmem {

PeekSelf::PeekSelf(uint64_t* buffer, size_t buffer_words)
    : pid_(getpid()), buffer_(buffer), buffer_words_(buffer_words) {}

bool PeekSelf::ReadByCall(uint64_t address, void* into, size_t size) {
  if (call_refused_) return false;
  iovec local{into, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t got = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  if (got < 0 && (errno == EPERM || errno == ENOSYS)) call_refused_ = true;
  return got == static_cast<ssize_t>(size);
}

bool PeekSelf::ReadByFile(uint64_t address, void* into, size_t size) {
  if (!memory_) memory_.emplace("/proc/self/mem");
  return memory_->ReadAt(into, size, address) == static_cast<ssize_t>(size);
}

bool PeekSelf::Read(uint64_t address, void* into, size_t size) {
  if (ReadByCall(address, into, size)) return true;
  if (call_refused_ && ReadByFile(address, into, size)) return true;
  failures_++;
  return false;
}

bool PeekSelf::ResidentBytes(uint64_t start, uint64_t end, uint64_t* bytes) {
  if (!pagemap_) pagemap_.emplace("/proc/self/pagemap");
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  uint64_t resident = 0;
  for (uint64_t page = start / kPageBytes; page < end / kPageBytes;) {
    const size_t want = std::min<uint64_t>(end / kPageBytes - page, buffer_words_);
    const ssize_t got = pagemap_->ReadAt(buffer_, want * sizeof(uint64_t), page * sizeof(uint64_t));
    if (got < static_cast<ssize_t>(sizeof(uint64_t))) return false;
    const size_t entries = static_cast<size_t>(got) / sizeof(uint64_t);
    for (size_t i = 0; i < entries; i++) resident += (buffer_[i] & kPresent) != 0;
    page += entries;
  }
  *bytes = resident * kPageBytes;
  return true;
}

}  // namespace extmem
