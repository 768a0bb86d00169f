#include "os/elf_bss.h"

#include <elf.h>

#include <cstring>

namespace extmem {

uint64_t ElfBssEnd(Peek& memory, uint64_t base) {
  Elf64_Ehdr header;
  if (!memory.Read(base, &header, sizeof(header))) return 0;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return 0;
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > kPageBytes) return 0;
  constexpr uint16_t kMaxHeaders = 32;
  Elf64_Phdr rows[kMaxHeaders];
  const uint16_t count = header.e_phnum < kMaxHeaders ? header.e_phnum : kMaxHeaders;
  if (count == 0 || !memory.Read(base + header.e_phoff, rows, count * sizeof(Elf64_Phdr))) return 0;
  uint64_t lowest = UINT64_MAX;
  uint64_t highest = 0;
  for (uint16_t i = 0; i < count; i++) {
    if (rows[i].p_type != PT_LOAD || rows[i].p_memsz > UINT64_MAX - rows[i].p_vaddr) continue;
    const uint64_t end = rows[i].p_vaddr + rows[i].p_memsz;
    if (rows[i].p_vaddr < lowest) lowest = rows[i].p_vaddr;
    if (end > highest) highest = end;
  }
  if (lowest >= highest) return 0;
  const uint64_t span = highest - lowest / kPageBytes * kPageBytes;
  return (base + span + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace extmem
