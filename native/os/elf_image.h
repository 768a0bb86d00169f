// The loaded objects of this process as the loader sees them: ranges, symbols, relocations. Metadata in the wild is
// wrong at times, so every pointer is checked against the loaded segments before it is used, and an object that does
// not check is reported as unreadable rather than guessed at.
#ifndef EXTMEM_OS_ELF_IMAGE_H_
#define EXTMEM_OS_ELF_IMAGE_H_

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

namespace extmem {

// The relocations that put the address of a symbol into a word: for calls, for data, and in initialised data.
#if defined(__x86_64__)
constexpr uint32_t kCallRelocation = R_X86_64_JUMP_SLOT, kDataRelocation = R_X86_64_GLOB_DAT,
                   kWordRelocation = R_X86_64_64;
#elif defined(__aarch64__)
constexpr uint32_t kCallRelocation = R_AARCH64_JUMP_SLOT, kDataRelocation = R_AARCH64_GLOB_DAT,
                   kWordRelocation = R_AARCH64_ABS64;
#endif

struct LoadedObject {
  const char* path;  // empty for the executable; owned by the loader
  uintptr_t base;
  uintptr_t low, high;              // span of the loaded segments
  uintptr_t relro_low, relro_high;  // read-only after relocation; equal when there is none
  const ElfW(Sym) * symbols;
  const char* strings;
  size_t strings_bytes;
  const uint32_t* gnu_hash;           // may be null
  const uint32_t* hash;               // may be null
  const ElfW(Versym) * versions;      // may be null
  const ElfW(Rela) * relocations[2];  // of the procedure linkage table; of data
  size_t relocation_count[2];

  bool Contains(uintptr_t address) const { return address >= low && address < high; }
  // Null when the offset lies outside the string table.
  const char* String(size_t offset) const { return offset < strings_bytes ? strings + offset : nullptr; }
};

// False: no dynamic section, or one that does not check. The ranges are filled in either way.
bool ParseObject(const dl_phdr_info& info, LoadedObject* object);

// The definition of `name` in this object: default version, non-zero size and value. Null when it has none. The rule
// of the non-zero size skips the entries by which an executable lends its own call stubs as addresses of functions.
const ElfW(Sym) * FindDefined(const LoadedObject& object, const char* name);

// The first definition in load order, as the loader would bind it; null when there is none. Takes the loader's lock:
// never from a hook.
void* FindSymbol(const char* name);
// The same for a function, whose type is the caller's word. False: there is none.
template <typename Function>
bool FindFunction(const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(FindSymbol(name));
  return *function != nullptr;
}

}  // namespace extmem

#endif  // EXTMEM_OS_ELF_IMAGE_H_
