#include "os/slot_writer.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace extmem {

SlotWriter::SlotWriter() : memory_("/proc/self/mem", O_RDWR), page_bytes_(getauxval(AT_PAGESZ)) {}

bool SlotWriter::WriteByFile(std::atomic<uintptr_t>* place, uintptr_t value) {
  return memory_.WriteAt(&value, sizeof(value), reinterpret_cast<uintptr_t>(place)) == sizeof(value);
}

bool SlotWriter::WriteByCall(std::atomic<uintptr_t>* place, uintptr_t value) {
  const iovec local{&value, sizeof(value)};
  const iovec remote{place, sizeof(value)};
  const long self = syscall(SYS_getpid);
  return syscall(SYS_process_vm_writev, self, &local, 1L, &remote, 1L, 0L) == static_cast<long>(sizeof(value));
}

bool SlotWriter::Write(const LoadedObject& object, std::atomic<uintptr_t>* place, uintptr_t value) {
  if (WriteByFile(place, value) || WriteByCall(place, value)) return true;
  if (errno != EFAULT) return false;
  // As the loader does it: the page that the range begins in is protected, the one that it ends in is not.
  const uintptr_t page = reinterpret_cast<uintptr_t>(place) & ~(page_bytes_ - 1);
  if (page < (object.relro_low & ~(page_bytes_ - 1)) || page >= (object.relro_high & ~(page_bytes_ - 1))) return false;
  if (syscall(SYS_mprotect, page, page_bytes_, PROT_READ | PROT_WRITE) != 0) return false;
  const bool written = WriteByCall(place, value);
  syscall(SYS_mprotect, page, page_bytes_, PROT_READ);
  return written;
}

}  // namespace extmem
