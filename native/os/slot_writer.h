// Writes import slots of loaded objects, on pages that are read-only after relocation. Not for hooks.
//
// Others change the protection of these pages: the loader of another thread, when it has relocated an object, and
// profilers like us. So a store of our own could fault whatever was looked up before it, and a protection given back
// could be one that somebody relies on no more. The kernel stores for us instead, and fails where it cannot:
//   /proc/self/mem     writes to read-only private pages, as for a debugger, and changes no protection.
//   process_vm_writev  where that is refused (no /proc, gVisor, proc_mem.force_override=never). It does not write to a
//                      read-only page, so a page that the loader is done with is opened around it. Another profiler
//                      that writes to that very page in these microseconds could be left without its permission; the
//                      loader cannot, it protects a page once, and nothing is unmapped during dl_iterate_phdr.
// Where both are refused the slot is left alone.
//
// Other threads call through the slot meanwhile. They see the old or the new value: eight aligned bytes are copied by
// one move, or by a string move of processors that have short ones fast (slot_writer_test.cc looks for torn values).
#ifndef EXTMEM_OS_SLOT_WRITER_H_
#define EXTMEM_OS_SLOT_WRITER_H_

#include <atomic>
#include <cstdint>

#include "os/elf_image.h"
#include "os/process_files.h"

namespace extmem {

class SlotWriter {
 public:
  SlotWriter();
  SlotWriter(const SlotWriter&) = delete;
  SlotWriter& operator=(const SlotWriter&) = delete;

  // `place` is aligned and lies in `object`, which cannot be unloaded now: called from dl_iterate_phdr.
  bool Write(const LoadedObject& object, std::atomic<uintptr_t>* place, uintptr_t value);

  // The two ways one by one, for tests.
  bool WriteByFile(std::atomic<uintptr_t>* place, uintptr_t value);
  bool WriteByCall(std::atomic<uintptr_t>* place, uintptr_t value);

 private:
  const ProcessFile memory_;
  const uintptr_t page_bytes_;
};

}  // namespace extmem

#endif  // EXTMEM_OS_SLOT_WRITER_H_
