// The objects that are or were loaded, and where in them an address lies.
//
// An object that is loaded anew, at whatever address, is the same module: what was said of its code holds again. That
// another one lies at the address of one that went is never guessed: after an unload an address in a module that may be
// the one that went is nobody's until the objects were noted again.
#ifndef EXTMEM_OS_MODULES_H_
#define EXTMEM_OS_MODULES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace extmem {

// A file as it was when its object was noted.
struct FileVersion {
  uint64_t device, inode, bytes;
  int64_t modified_ns;

  bool operator==(const FileVersion& other) const {
    return device == other.device && inode == other.inode && bytes == other.bytes && modified_ns == other.modified_ns;
  }
};

// Zeros when there is no such file; the executable when `path` is empty.
FileVersion VersionOf(const std::string& path);
uint64_t HashOf(const void* bytes, size_t length);

struct Module {
  static constexpr size_t kHeadBytes = 512;

  uintptr_t low, high, base;  // of its last time in memory
  std::string path;           // empty for the executable
  FileVersion file;
  uint64_t head;      // hash of its first kHeadBytes; 0 = they lie elsewhere
  uint64_t build_id;  // hash of what the linker gave it; 0 = nothing
  // What ModulesUnloads() was when its last time in memory was noted, first and last.
  uint32_t first_unloads, last_unloads;
  bool is_loaded;
  bool is_known;  // else the number is free
};

// A place in code that says the same each time that its object is loaded.
struct CodePlace {
  uint64_t at;      // from the base of the module; an address where no module is known
  uint32_t module;  // number of the module, from 1; else kNoModule | ModulesUnloads() of then
};
constexpr uint32_t kNoModule = 1u << 31;

// Maps the table that PlaceOf() reads. Not from a hook.
bool ModulesInit();
// Any thread, also from hooks: a search in a table of what was loaded when it was noted last.
CodePlace PlaceOf(uintptr_t pc);
// Another number whenever PlaceOf() may answer otherwise.
uint32_t ModulesEpoch();

// Before and after each unload of which we hear. Any thread.
void ModulesUnload();
// Whether there was one since the objects were noted.
bool ModulesAreStale();

// Takes note of what is loaded now. Not from a hook; a forked child knows of none.
void NoteModules();
// By number, from 1: the first stands for none.
std::vector<Module> KnownModules();

// Whether many were unloaded that nobody may refer to any more.
bool ModulesAreCrowded();
// Gives the numbers of those that were unloaded and are not kept to others.
void ForgetModules(const std::vector<bool>& kept);

}  // namespace extmem

#endif  // EXTMEM_OS_MODULES_H_
