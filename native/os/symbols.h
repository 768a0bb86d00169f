// Return addresses -> module and function, at report time. Reads the symbol tables of files: never from a hook, and
// best on a thread where a few tens of milliseconds do not matter.
#ifndef EXTMEM_OS_SYMBOLS_H_
#define EXTMEM_OS_SYMBOLS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "os/modules.h"

namespace extmem {

struct Symbol {
  std::string module;   // path; empty when the address lies in no module
  std::string name;     // demangled; empty when the module tells none
  uint64_t offset = 0;  // from the function's start, else from the module's base
};

// `modules` are those of KnownModules(). What lies in none, or may lie in another one, has no module.
std::vector<Symbol> Symbolize(const std::vector<Module>& modules, const std::vector<CodePlace>& places);

// Where a table among the local symbols of the executable lies in this process, by its mangled name: `min_rows` to
// `max_rows` rows of `row_bytes`, of which `rows` receives the number. 0 when it is not there.
uintptr_t FindStaticTable(const char* name, uint64_t row_bytes, uint64_t min_rows, uint64_t max_rows, uint64_t* rows);

}  // namespace extmem

#endif  // EXTMEM_OS_SYMBOLS_H_
