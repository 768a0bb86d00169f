// Where the .bss of a loaded object ends, read from the ELF program headers that are mapped with it.
//
// The loader maps the file part of the last writable segment and puts anonymous zero pages behind it (p_memsz >
// p_filesz). The kernel may merge those pages with whatever anonymous mapping follows, so the end matters, not only
// the fact. dl_iterate_phdr knows the same, but takes the loader's lock: nothing in a pass may wait for a dlopen.
#ifndef EXTMEM_OS_ELF_BSS_H_
#define EXTMEM_OS_ELF_BSS_H_

#include "os/peek.h"

namespace extmem {

// End (page rounded) of the memory image of the 64-bit ELF object whose first page is mapped at `base`; 0: not one.
uint64_t ElfBssEnd(Peek& memory, uint64_t base);

}  // namespace extmem

#endif  // EXTMEM_OS_ELF_BSS_H_
