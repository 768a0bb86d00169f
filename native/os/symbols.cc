#include "os/symbols.h"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "os/elf_image.h"
#include "os/process_files.h"

namespace extmem {
namespace {

// The symbol table of a file. Read in pieces: a mapping of it would count as ours for as long as it is looked through,
// which is 5 to 10 MiB for Node's own executable.
class SymbolFile {
 public:
  explicit SymbolFile(const char* path) : file_(path) {
    if (file_.IsOurs()) FindTables();
  }

  // Calls visit(symbol) for each, until it returns false.
  template <typename Visit>
  void ForEach(Visit visit) const {
    std::vector<ElfW(Sym)> piece(kPieceSymbols);
    for (uint64_t first = 0; first < count_; first += piece.size()) {
      if (count_ - first < piece.size()) piece.resize(count_ - first);
      if (!Read(symbols_ + first * sizeof(ElfW(Sym)), piece.data(), piece.size() * sizeof(ElfW(Sym)))) return;
      for (const ElfW(Sym) & symbol : piece) {
        if (!visit(symbol)) return;
      }
    }
  }
  std::string Name(const ElfW(Sym) & symbol) const {
    std::string name;
    for (uint64_t at = symbol.st_name; at < strings_bytes_;) {
      char piece[256];
      const size_t bytes = static_cast<size_t>(std::min<uint64_t>(sizeof(piece), strings_bytes_ - at));
      if (!Read(strings_ + at, piece, bytes)) break;
      const size_t length = strnlen(piece, bytes);
      name.append(piece, length);
      if (length < bytes) break;
      at += bytes;
    }
    return name;
  }
  // The file may have been replaced since it was loaded: its first bytes must be those that were in memory.
  bool Is(const Module& module) const {
    uint8_t stored[Module::kHeadBytes];
    return module.head != 0 && Read(0, stored, sizeof(stored)) && HashOf(stored, sizeof(stored)) == module.head;
  }

 private:
  static constexpr size_t kPieceSymbols = 2048;  // 48 KiB

  bool Read(uint64_t offset, void* into, size_t bytes) const {
    return file_.ReadAt(into, bytes, offset) == static_cast<ssize_t>(bytes);
  }

  void FindTables() {
    ElfW(Ehdr) header;
    if (!Read(0, &header, sizeof(header)) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_shentsize != sizeof(ElfW(Shdr))) {
      return;
    }
    std::vector<ElfW(Shdr)> sections(header.e_shnum);
    if (!Read(header.e_shoff, sections.data(), sections.size() * sizeof(ElfW(Shdr)))) return;
    // The full table when there is one; a stripped file still exports some names.
    for (const uint32_t wanted : {SHT_SYMTAB, SHT_DYNSYM}) {
      for (const ElfW(Shdr) & table : sections) {
        if (table.sh_type != wanted || table.sh_link >= sections.size()) continue;
        symbols_ = table.sh_offset;
        count_ = table.sh_size / sizeof(ElfW(Sym));
        strings_ = sections[table.sh_link].sh_offset;
        strings_bytes_ = sections[table.sh_link].sh_size;
        if (count_ != 0) return;
      }
    }
  }

  const ProcessFile file_;
  uint64_t symbols_ = 0;  // offsets in the file
  uint64_t count_ = 0;
  uint64_t strings_ = 0;
  uint64_t strings_bytes_ = 0;
};

const char* FileOf(const Module& module) { return module.path.empty() ? "/proc/self/exe" : module.path.c_str(); }

std::string Demangled(const char* name) {
  int status;
  char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string text = status == 0 && plain != nullptr ? plain : name;
  free(plain);
  return text;
}

// An address is in the module that was there when it was seen: no object was unloaded between then and a look at it.
const Module* ModuleOf(const std::vector<Module>& modules, const CodePlace& place) {
  if ((place.module & kNoModule) == 0) {
    const bool known = place.module < modules.size() && modules[place.module].is_known;
    return known ? &modules[place.module] : nullptr;
  }
  const uint32_t unloads = place.module & ~kNoModule;
  for (const Module& module : modules) {
    if (module.is_known && place.at >= module.low && place.at < module.high && unloads >= module.first_unloads &&
        unloads <= module.last_unloads) {
      return &module;
    }
  }
  return nullptr;
}

// Names offsets in one module; `wanted` is sorted by them.
void SymbolizeModule(const Module& module, const std::vector<std::pair<uint64_t, Symbol*>>& wanted) {
  const SymbolFile file(FileOf(module));
  if (!file.Is(module) || !(VersionOf(module.path) == module.file)) return;
  file.ForEach([&](const ElfW(Sym) & symbol) {
    const int type = ELF64_ST_TYPE(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0 || (type != STT_FUNC && type != STT_NOTYPE)) return true;
    const uint64_t start = symbol.st_value;
    const uint64_t end = start + symbol.st_size;
    auto at =
        std::lower_bound(wanted.begin(), wanted.end(), start,
                         [](const std::pair<uint64_t, Symbol*>& item, uint64_t value) { return item.first < value; });
    for (; at != wanted.end() && at->first < end; ++at) {
      if (!at->second->name.empty()) continue;  // an alias
      at->second->name = Demangled(file.Name(symbol).c_str());
      at->second->offset = at->first - start;
    }
    return true;
  });
}

}  // namespace

std::vector<Symbol> Symbolize(const std::vector<Module>& modules, const std::vector<CodePlace>& places) {
  std::vector<Symbol> symbols(places.size());
  std::map<const Module*, std::vector<std::pair<uint64_t, Symbol*>>> by_module;
  for (size_t i = 0; i < places.size(); i++) {
    const CodePlace& place = places[i];
    const Module* module = ModuleOf(modules, place);
    if (module == nullptr) continue;
    symbols[i].module = module->path;
    symbols[i].offset = (place.module & kNoModule) != 0 ? place.at - module->base : place.at;
    if (module->path.empty()) {
      char path[4096];
      const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
      symbols[i].module = length > 0 ? std::string(path, static_cast<size_t>(length)) : "node";
    }
    by_module[module].push_back({symbols[i].offset - 1, &symbols[i]});
  }
  for (auto& entry : by_module) {
    std::sort(entry.second.begin(), entry.second.end());
    SymbolizeModule(*entry.first, entry.second);
  }
  return symbols;
}

uintptr_t FindStaticTable(const char* name, uint64_t row_bytes, uint64_t min_rows, uint64_t max_rows, uint64_t* rows) {
  const SymbolFile file("/proc/self/exe");
  uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        *static_cast<uintptr_t*>(data) = info->dlpi_addr;  // the executable comes first
        return 1;
      },
      &base);
  uintptr_t found = 0;
  file.ForEach([&](const ElfW(Sym) & symbol) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_size % row_bytes != 0 ||
        symbol.st_size < min_rows * row_bytes || symbol.st_size > max_rows * row_bytes || file.Name(symbol) != name) {
      return true;
    }
    *rows = symbol.st_size / row_bytes;
    found = base + symbol.st_value;
    return false;
  });
  return found;
}

}  // namespace extmem
