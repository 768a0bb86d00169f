#include "os/symbols.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "os/elf_image.h"
#include "os/lock.h"
#include "os/own_pages.h"
#include "os/process_files.h"
#include "os/safe_read.h"

namespace extmem {
namespace {

Lock g_lock;
std::vector<Module>& KnownList() {
  static std::vector<Module>* list = new std::vector<Module>;  // outlives every thread
  return *list;
}

// A file mapped for reading, with its symbol table.
class SymbolFile {
 public:
  explicit SymbolFile(const char* path) {
    const ProcessFile file(path);
    if (!file.IsOurs()) return;
    const off_t size = lseek(file.fd(), 0, SEEK_END);
    if (size > static_cast<off_t>(sizeof(ElfW(Ehdr)))) {
      void* data = mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_PRIVATE, file.fd(), 0);
      if (data != MAP_FAILED) {
        data_ = static_cast<const uint8_t*>(data);
        size_ = static_cast<size_t>(size);
      }
    }
    if (data_ != nullptr) FindTables();
  }
  ~SymbolFile() {
    if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
  }
  SymbolFile(const SymbolFile&) = delete;
  SymbolFile& operator=(const SymbolFile&) = delete;

  size_t count() const { return count_; }
  const ElfW(Sym) & symbol(size_t index) const { return symbols_[index]; }
  const char* name(const ElfW(Sym) & symbol) const {
    return symbol.st_name < strings_size_ ? strings_ + symbol.st_name : "";
  }
  // The file may have been replaced since it was loaded: its first bytes must be those in memory.
  bool Matches(uintptr_t low) const {
    uint8_t loaded[512];
    return data_ != nullptr && size_ >= sizeof(loaded) && ReadUnknown(low, loaded, sizeof(loaded)) &&
           memcmp(loaded, data_, sizeof(loaded)) == 0;
  }

 private:
  template <typename T>
  const T* At(uint64_t offset, uint64_t bytes) const {
    return offset <= size_ && bytes <= size_ - offset ? reinterpret_cast<const T*>(data_ + offset) : nullptr;
  }

  void FindTables() {
    const auto* header = At<ElfW(Ehdr)>(0, sizeof(ElfW(Ehdr)));
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_shentsize != sizeof(ElfW(Shdr))) return;
    const auto* sections = At<ElfW(Shdr)>(header->e_shoff, uint64_t{header->e_shnum} * sizeof(ElfW(Shdr)));
    if (sections == nullptr) return;
    // The full table when there is one; a stripped file still exports some names.
    for (const uint32_t wanted : {SHT_SYMTAB, SHT_DYNSYM}) {
      for (int i = 0; i < header->e_shnum && count_ == 0; i++) {
        const ElfW(Shdr)& table = sections[i];
        if (table.sh_type != wanted || table.sh_link >= header->e_shnum) continue;
        const ElfW(Shdr)& strings = sections[table.sh_link];
        symbols_ = At<ElfW(Sym)>(table.sh_offset, table.sh_size);
        strings_ = At<char>(strings.sh_offset, strings.sh_size);
        if (symbols_ == nullptr || strings_ == nullptr || strings.sh_size == 0 ||
            strings_[strings.sh_size - 1] != '\0') {
          continue;
        }
        strings_size_ = strings.sh_size;
        count_ = table.sh_size / sizeof(ElfW(Sym));
      }
    }
  }

  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* strings_ = nullptr;
  uint64_t strings_size_ = 0;
  size_t count_ = 0;
};

const char* FileOf(const Module& module) { return module.path.empty() ? "/proc/self/exe" : module.path.c_str(); }

std::string Demangled(const char* name) {
  int status;
  char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string text = status == 0 && plain != nullptr ? plain : name;
  free(plain);
  return text;
}

const Module* ModuleOf(const std::vector<Module>& modules, const Address& address) {
  const Module* found = nullptr;
  for (const Module& module : modules) {
    if (address.pc < module.low || address.pc >= module.high) continue;
    // An object may have been used before it was noted, so the nearest one serves when none fits exactly.
    const bool fits = address.generation >= module.first_generation && address.generation <= module.last_generation;
    if (fits) return &module;
    found = &module;
  }
  return found;
}

// Names the addresses of one module; `wanted` is sorted by address.
void SymbolizeModule(const Module& module, const std::vector<std::pair<uint64_t, Symbol*>>& wanted) {
  SymbolFile file(FileOf(module));
  if (!file.Matches(module.low)) return;
  for (size_t i = 0; i < file.count(); i++) {
    const ElfW(Sym)& symbol = file.symbol(i);
    const int type = ELF64_ST_TYPE(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0 || (type != STT_FUNC && type != STT_NOTYPE)) continue;
    const uint64_t start = module.base + symbol.st_value;
    const uint64_t end = start + symbol.st_size;
    auto at =
        std::lower_bound(wanted.begin(), wanted.end(), start,
                         [](const std::pair<uint64_t, Symbol*>& item, uint64_t value) { return item.first < value; });
    for (; at != wanted.end() && at->first < end; ++at) {
      if (!at->second->name.empty()) continue;  // an alias
      at->second->name = Demangled(file.name(symbol));
      at->second->offset = at->first - start;
    }
  }
}

struct Note {
  uint32_t generation;
  std::vector<Module>* known;
  std::vector<bool> seen;
};

int NoteObject(dl_phdr_info* info, size_t, void* data) {
  Note* note = static_cast<Note*>(data);
  LoadedObject object;
  ParseObject(*info, &object);
  if (object.low >= object.high) return 0;
  for (size_t i = 0; i < note->known->size(); i++) {
    const Module& module = (*note->known)[i];
    if (module.last_generation == UINT32_MAX && module.low == object.low && module.path == object.path) {
      note->seen[i] = true;
      return 0;
    }
  }
  note->known->push_back({object.low, object.high, object.base, object.path, note->generation, UINT32_MAX});
  note->seen.push_back(true);
  return 0;
}

}  // namespace

void NoteModules(uint32_t generation) {
  if (InForkedChild()) return;
  Locked locked(&g_lock);
  std::vector<Module>& known = KnownList();
  Note note = {generation, &known, std::vector<bool>(known.size(), false)};
  dl_iterate_phdr(NoteObject, &note);
  for (size_t i = 0; i < known.size(); i++) {
    if (!note.seen[i] && known[i].last_generation == UINT32_MAX) known[i].last_generation = generation;
  }
}

std::vector<Module> KnownModules() {
  if (InForkedChild()) return {};
  Locked locked(&g_lock);
  return KnownList();
}

std::vector<Symbol> Symbolize(const std::vector<Module>& modules, const std::vector<Address>& addresses) {
  std::vector<Symbol> symbols(addresses.size());
  std::map<const Module*, std::vector<std::pair<uint64_t, Symbol*>>> by_module;
  for (size_t i = 0; i < addresses.size(); i++) {
    const Module* module = ModuleOf(modules, addresses[i]);
    if (module == nullptr) continue;
    symbols[i].module = module->path;
    symbols[i].offset = addresses[i].pc - module->base;
    if (module->path.empty()) {
      char path[4096];
      const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
      symbols[i].module = length > 0 ? std::string(path, static_cast<size_t>(length)) : "node";
    }
    by_module[module].push_back({addresses[i].pc - 1, &symbols[i]});
  }
  for (auto& entry : by_module) {
    std::sort(entry.second.begin(), entry.second.end());
    SymbolizeModule(*entry.first, entry.second);
  }
  return symbols;
}

uintptr_t FindStaticSymbol(const char* name, uint64_t multiple, uint64_t* size) {
  SymbolFile file("/proc/self/exe");
  uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        *static_cast<uintptr_t*>(data) = info->dlpi_addr;  // the executable comes first
        return 1;
      },
      &base);
  for (size_t i = 0; i < file.count(); i++) {
    const ElfW(Sym)& symbol = file.symbol(i);
    if (symbol.st_size == 0 || symbol.st_size % multiple != 0 || ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT) continue;
    if (strcmp(file.name(symbol), name) != 0) continue;
    *size = symbol.st_size;
    return base + symbol.st_value;
  }
  return 0;
}

}  // namespace extmem
