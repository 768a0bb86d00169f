#include "os/elf_image.h"

#include <cstring>

namespace extmem {

namespace {

// Some loaders leave addresses in the dynamic section relative to the base.
template <typename T>
const T* Pointer(const LoadedObject& object, uintptr_t value) {
  if (value < object.low) value += object.base;
  return object.Contains(value) ? reinterpret_cast<const T*>(value) : nullptr;
}

bool Matches(const LoadedObject& object, uint32_t index, const char* name) {
  const ElfW(Sym)& symbol = object.symbols[index];
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0 || symbol.st_size == 0) return false;
  const char* found = object.String(symbol.st_name);
  if (found == nullptr || strcmp(found, name) != 0) return false;
  constexpr uint16_t kHidden = 0x8000;
  return object.versions == nullptr || (object.versions[index] & kHidden) == 0;
}

const ElfW(Sym) * FindByGnuHash(const LoadedObject& object, const char* name) {
  uint32_t hash = 5381;
  for (const char* at = name; *at != '\0'; at++) hash = hash * 33 + static_cast<uint8_t>(*at);
  const uint32_t buckets = object.gnu_hash[0];
  const uint32_t first = object.gnu_hash[1];
  const uint32_t bloom_words = object.gnu_hash[2];
  const ElfW(Addr)* bloom = reinterpret_cast<const ElfW(Addr)*>(object.gnu_hash + 4);
  const uint32_t* bucket = reinterpret_cast<const uint32_t*>(bloom + bloom_words);
  const uint32_t* chain = bucket + buckets;
  if (buckets == 0 || !object.Contains(reinterpret_cast<uintptr_t>(chain))) return nullptr;
  uint32_t index = bucket[hash % buckets];
  if (index < first) return nullptr;
  for (;; index++) {
    const uint32_t* link = chain + (index - first);
    if (!object.Contains(reinterpret_cast<uintptr_t>(link + 1) - 1)) return nullptr;
    if ((*link | 1) == (hash | 1) && Matches(object, index, name)) return &object.symbols[index];
    if ((*link & 1) != 0) return nullptr;
  }
}

const ElfW(Sym) * FindByOldHash(const LoadedObject& object, const char* name) {
  const uint32_t symbols = object.hash[1];
  if (!object.Contains(reinterpret_cast<uintptr_t>(object.symbols + symbols) - 1)) return nullptr;
  for (uint32_t index = 1; index < symbols; index++) {
    if (Matches(object, index, name)) return &object.symbols[index];
  }
  return nullptr;
}

struct Search {
  const char* name;
  void* found;
};

int SearchObject(dl_phdr_info* info, size_t, void* data) {
  Search* search = static_cast<Search*>(data);
  LoadedObject object;
  if (!ParseObject(*info, &object)) return 0;
  const ElfW(Sym)* symbol = FindDefined(object, search->name);
  // A resolver of GNU_IFUNC is not the function itself.
  if (symbol == nullptr || ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) return 0;
  search->found = reinterpret_cast<void*>(object.base + symbol->st_value);
  return 1;
}

}  // namespace

bool ParseObject(const dl_phdr_info& info, LoadedObject* object) {
  *object = {};
  object->path = info.dlpi_name != nullptr ? info.dlpi_name : "";
  object->base = info.dlpi_addr;
  object->low = UINTPTR_MAX;
  const ElfW(Dyn)* dynamic = nullptr;
  size_t dynamic_count = 0;
  for (int i = 0; i < info.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = info.dlpi_phdr[i];
    const uintptr_t start = info.dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD) {
      if (start < object->low) object->low = start;
      if (start + header.p_memsz > object->high) object->high = start + header.p_memsz;
    } else if (header.p_type == PT_GNU_RELRO) {
      object->relro_low = start;
      object->relro_high = start + header.p_memsz;
    } else if (header.p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(start);
      dynamic_count = header.p_memsz / sizeof(ElfW(Dyn));
    }
  }
  if (dynamic == nullptr || object->low >= object->high) return false;
  if (!object->Contains(reinterpret_cast<uintptr_t>(dynamic))) return false;
  uintptr_t relocation[2] = {0, 0};
  size_t relocation_bytes[2] = {0, 0};
  bool has_addends = true;
  for (size_t i = 0; i < dynamic_count && dynamic[i].d_tag != DT_NULL; i++) {
    const uintptr_t value = dynamic[i].d_un.d_ptr;
    switch (dynamic[i].d_tag) {
      case DT_SYMTAB:
        object->symbols = Pointer<ElfW(Sym)>(*object, value);
        break;
      case DT_STRTAB:
        object->strings = Pointer<char>(*object, value);
        break;
      case DT_STRSZ:
        object->strings_bytes = value;
        break;
      case DT_GNU_HASH:
        object->gnu_hash = Pointer<uint32_t>(*object, value);
        break;
      case DT_HASH:
        object->hash = Pointer<uint32_t>(*object, value);
        break;
      case DT_VERSYM:
        object->versions = Pointer<ElfW(Versym)>(*object, value);
        break;
      case DT_JMPREL:
        relocation[0] = value;
        break;
      case DT_PLTRELSZ:
        relocation_bytes[0] = value;
        break;
      case DT_RELA:
        relocation[1] = value;
        break;
      case DT_RELASZ:
        relocation_bytes[1] = value;
        break;
      case DT_PLTREL:
        has_addends = value == DT_RELA;
        break;
      default:
        break;
    }
  }
  if (object->symbols == nullptr || object->strings == nullptr || !has_addends) return false;
  const uintptr_t strings = reinterpret_cast<uintptr_t>(object->strings);
  if (object->strings_bytes == 0 || object->strings_bytes > object->high - strings) return false;
  if (object->strings[object->strings_bytes - 1] != '\0') return false;
  for (int i = 0; i < 2; i++) {
    const ElfW(Rela)* first = relocation[i] != 0 ? Pointer<ElfW(Rela)>(*object, relocation[i]) : nullptr;
    if (first == nullptr) continue;
    if (relocation_bytes[i] > object->high - reinterpret_cast<uintptr_t>(first)) return false;
    object->relocations[i] = first;
    object->relocation_count[i] = relocation_bytes[i] / sizeof(ElfW(Rela));
  }
  return true;
}

const ElfW(Sym) * FindDefined(const LoadedObject& object, const char* name) {
  if (object.gnu_hash != nullptr) return FindByGnuHash(object, name);
  return object.hash != nullptr ? FindByOldHash(object, name) : nullptr;
}

void* FindSymbol(const char* name) {
  Search search = {name, nullptr};
  dl_iterate_phdr(SearchObject, &search);
  return search.found;
}

}  // namespace extmem
