// Writes words on pages that are read-only after relocation. Not for hooks.
#ifndef EXTMEM_OS_PAGE_OPENER_H_
#define EXTMEM_OS_PAGE_OPENER_H_

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "os/elf_image.h"
#include "os/proc_maps.h"

namespace extmem {

// Makes pages writable one at a time and gives each its former protection back.
class PageOpener {
 public:
  explicit PageOpener(const ProcMaps& map) : map_(map), page_bytes_(getauxval(AT_PAGESZ)) {}
  ~PageOpener() { Close(); }

  bool Write(const LoadedObject& object, std::atomic<uintptr_t>* place, uintptr_t value) {
    uintptr_t page = reinterpret_cast<uintptr_t>(place) & ~(page_bytes_ - 1);
    if (page != page_ && !Open(object, page)) return false;
    place->store(value, std::memory_order_release);
    return true;
  }

 private:
  bool Open(const LoadedObject& object, uintptr_t page) {
    Close();
    const MapLine* line = map_.Find(page);
    bool relro = page >= (object.relro_low & ~(page_bytes_ - 1)) && page < object.relro_high;
    int former = line != nullptr ? line->protection : relro ? PROT_READ : PROT_READ | PROT_WRITE;
    if ((former & PROT_WRITE) == 0 && Protect(page, former | PROT_WRITE) != 0) return false;
    page_ = page;
    former_ = former;
    return true;
  }
  void Close() {
    if (page_ != 0 && (former_ & PROT_WRITE) == 0) Protect(page_, former_);
    page_ = 0;
  }
  long Protect(uintptr_t page, int protection) { return syscall(SYS_mprotect, page, page_bytes_, protection); }

  const ProcMaps& map_;
  const uintptr_t page_bytes_;
  uintptr_t page_ = 0;
  int former_ = 0;
};

}  // namespace extmem

#endif  // EXTMEM_OS_PAGE_OPENER_H_
