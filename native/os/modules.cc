#include "os/modules.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "os/elf_image.h"
#include "os/lock.h"
#include "os/own_pages.h"

namespace extmem {
namespace {

constexpr size_t kMaxLoaded = 1024;
// Modules that are gone and still known, before somebody should look whether they are needed.
constexpr size_t kManyGone = 128;

// What is loaded, by address, for hooks. Written under a version that is odd meanwhile: who read under another one, or
// under an odd one, knows nothing.
struct Loaded {
  std::atomic<uintptr_t> low, high, base;
  std::atomic<uint32_t> module;
  std::atomic<bool> stays;  // one of those that the program was started with, which are never unloaded
};

Loaded* g_loaded = nullptr;
std::atomic<size_t> g_loaded_count{0};
std::atomic<uint32_t> g_version{0};
std::atomic<uint32_t> g_noted_unloads{0};
std::atomic<uint32_t> g_unloads{0};

// Under the lock, all of it.
Lock g_lock;
uint64_t g_noted_removals = 0;  // as the loader counts them
size_t g_gone_kept = 0;

std::vector<Module>& KnownList() {
  static std::vector<Module>* list = new std::vector<Module>(1);  // outlives every thread
  return *list;
}

// What the loader tells of an object.
struct Object {
  uintptr_t low, high, base;
  std::string path;
  uint64_t head, build_id;
  bool stays;
};

struct Objects {
  std::vector<Object> all;
  uint64_t removals = 0;
  uintptr_t loader = getauxval(AT_BASE);
  bool from_start = true;
};

// The first bytes and the notes of an object: only what a loaded segment of it holds is read.
void ReadIdentity(const dl_phdr_info& info, Object* object) {
  const auto within = [&info](uintptr_t start, size_t bytes) {
    for (int i = 0; i < info.dlpi_phnum; i++) {
      const ElfW(Phdr)& header = info.dlpi_phdr[i];
      const uintptr_t low = info.dlpi_addr + header.p_vaddr;
      const bool readable = header.p_type == PT_LOAD && (header.p_flags & PF_R) != 0;
      if (readable && start >= low && bytes <= header.p_filesz && start - low <= header.p_filesz - bytes) return true;
    }
    return false;
  };
  if (within(object->low, Module::kHeadBytes)) {
    object->head = HashOf(reinterpret_cast<const void*>(object->low), Module::kHeadBytes);
  }
  for (int i = 0; i < info.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = info.dlpi_phdr[i];
    if (header.p_type != PT_NOTE || !within(info.dlpi_addr + header.p_vaddr, header.p_memsz)) continue;
    const uint8_t* at = reinterpret_cast<const uint8_t*>(info.dlpi_addr + header.p_vaddr);
    const uint8_t* const end = at + header.p_memsz;
    while (static_cast<size_t>(end - at) >= sizeof(ElfW(Nhdr))) {
      const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
      at += sizeof(*note);
      const size_t name = (size_t{note->n_namesz} + 3) & ~size_t{3}, text = (size_t{note->n_descsz} + 3) & ~size_t{3};
      const size_t left = static_cast<size_t>(end - at);
      if (name > left || text > left - name) break;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(at, "GNU", 4) == 0) {
        object->build_id = HashOf(at + name, note->n_descsz);
      }
      at += name + text;
    }
  }
}

int NoteObject(dl_phdr_info* info, size_t, void* data) {
  Objects* objects = static_cast<Objects*>(data);
  objects->removals = info->dlpi_subs;
  LoadedObject parsed;
  ParseObject(*info, &parsed);
  if (parsed.low >= parsed.high) return 0;
  Object object = {parsed.low, parsed.high, parsed.base, parsed.path, 0, 0, objects->from_start};
  // The loader is listed behind all that it loaded before the program began.
  if (parsed.Contains(objects->loader)) objects->from_start = false;
  ReadIdentity(*info, &object);
  objects->all.push_back(object);
  return 0;
}

bool IsSameCode(const Module& module, const Object& object, const FileVersion& file) {
  if (module.head != object.head || module.build_id != object.build_id) return false;
  return module.build_id != 0 || (module.path == object.path && module.file == file);
}

// The number of what was known before, or a free one. A copy elsewhere takes over the number of one that went.
uint32_t NumberFor(std::vector<Module>* known, const Object& object, const FileVersion& file) {
  uint32_t copy = 0, vacant = 0;
  for (uint32_t number = 1; number < known->size(); number++) {
    const Module& module = (*known)[number];
    if (!module.is_known) {
      vacant = number;
    } else if (!module.is_loaded && IsSameCode(module, object, file)) {
      if (module.path == object.path) return number;
      copy = number;
    }
  }
  if (copy != 0) return copy;
  if (vacant != 0) return vacant;
  known->emplace_back();
  return static_cast<uint32_t>(known->size() - 1);
}

// Precondition: the caller holds the lock.
void Publish(std::vector<std::pair<Object, uint32_t>> numbered, uint32_t unloads) {
  if (g_loaded == nullptr) return;
  std::sort(numbered.begin(), numbered.end(), [](const auto& a, const auto& b) { return a.first.low < b.first.low; });
  if (numbered.size() > kMaxLoaded) numbered.resize(kMaxLoaded);
  // Each store releases, so that who sees one sees the odd version too.
  g_version.fetch_add(1, std::memory_order_relaxed);
  size_t count = 0;
  for (const auto& [object, number] : numbered) {
    Loaded& loaded = g_loaded[count++];
    loaded.low.store(object.low, std::memory_order_release);
    loaded.high.store(object.high, std::memory_order_release);
    loaded.base.store(object.base, std::memory_order_release);
    loaded.module.store(number, std::memory_order_release);
    loaded.stays.store(object.stays, std::memory_order_release);
  }
  g_loaded_count.store(count, std::memory_order_release);
  g_noted_unloads.store(unloads, std::memory_order_release);
  g_version.fetch_add(1, std::memory_order_release);
}

size_t CountGone() {
  const std::vector<Module>& known = KnownList();
  return static_cast<size_t>(std::count_if(known.begin(), known.end(),
                                           [](const Module& module) { return module.is_known && !module.is_loaded; }));
}

}  // namespace

FileVersion VersionOf(const std::string& path) {
  struct stat found;
  // Raw: stat as a symbol is bound to glibc 2.33.
  const char* file = path.empty() ? "/proc/self/exe" : path.c_str();
  if (syscall(SYS_newfstatat, AT_FDCWD, file, &found, 0) != 0) return {};
  return {found.st_dev, found.st_ino, static_cast<uint64_t>(found.st_size),
          found.st_mtim.tv_sec * INT64_C(1'000'000'000) + found.st_mtim.tv_nsec};
}

uint64_t HashOf(const void* bytes, size_t length) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const uint8_t* at = static_cast<const uint8_t*>(bytes); length > 0; at++, length--) {
    hash = (hash ^ *at) * 0x100000001B3ull;
  }
  return hash | 1;  // never 0, which is none
}

bool ModulesInit() {
  if (g_loaded == nullptr) g_loaded = OwnArray<Loaded>(kMaxLoaded);
  return g_loaded != nullptr;
}

CodePlace PlaceOf(uintptr_t pc) {
  const uint32_t version = g_version.load(std::memory_order_acquire);
  const uint32_t unloads = g_unloads.load(std::memory_order_acquire);
  CodePlace place = {pc, kNoModule | unloads};
  if (version % 2 != 0) return place;
  const size_t count = g_loaded_count.load(std::memory_order_acquire);
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (g_loaded[middle].high.load(std::memory_order_acquire) <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low < count) {
    const Loaded& found = g_loaded[low];
    const bool trusted =
        found.stays.load(std::memory_order_acquire) || unloads == g_noted_unloads.load(std::memory_order_acquire);
    if (trusted && found.low.load(std::memory_order_acquire) <= pc) {
      place = {pc - found.base.load(std::memory_order_acquire), found.module.load(std::memory_order_acquire)};
    }
  }
  return g_version.load(std::memory_order_relaxed) == version ? place : CodePlace{pc, kNoModule | unloads};
}

uint32_t ModulesEpoch() {
  // Neither ever falls, so their sum is another one when either has risen.
  return g_version.load(std::memory_order_acquire) + g_unloads.load(std::memory_order_acquire);
}

void ModulesUnload() { g_unloads.fetch_add(1, std::memory_order_seq_cst); }

bool ModulesAreStale() {
  return g_unloads.load(std::memory_order_relaxed) != g_noted_unloads.load(std::memory_order_relaxed);
}

void NoteModules() {
  if (InForkedChild()) return;
  Locked locked(&g_lock);
  std::vector<Module>& known = KnownList();
  uint32_t unloads = g_unloads.load(std::memory_order_seq_cst);
  Objects objects;
  dl_iterate_phdr(NoteObject, &objects);
  const bool unheard = objects.removals != g_noted_removals && unloads == g_noted_unloads.load();
  // libc unloads some itself. When another unload comes in between, this note is stale, and the next one tells.
  if (unheard && g_unloads.compare_exchange_strong(unloads, unloads + 1)) unloads++;

  std::vector<std::pair<Object, uint32_t>> numbered;
  std::vector<bool> is_there(known.size());
  std::vector<const Object*> fresh;
  for (const Object& object : objects.all) {
    uint32_t number = 1;
    for (; number < known.size(); number++) {
      const Module& module = known[number];
      // The paths of two loads of one file need not be spelt alike, so code is compared, not the path alone.
      if (module.is_known && module.is_loaded && module.low == object.low && module.path == object.path &&
          module.head == object.head && module.build_id == object.build_id &&
          (module.build_id != 0 || module.last_unloads == unloads || module.file == VersionOf(object.path))) {
        break;
      }
    }
    if (number == known.size()) {
      fresh.push_back(&object);
      continue;
    }
    is_there[number] = true;
    numbered.emplace_back(object, number);
  }
  uint64_t went = 0;
  for (uint32_t number = 1; number < is_there.size(); number++) {
    if (!known[number].is_known || !known[number].is_loaded || is_there[number]) continue;
    known[number].is_loaded = false;
    went++;
  }
  // More were unloaded than we miss: one that is there may have gone and come back, with another in between.
  const bool continuous = objects.removals - g_noted_removals == went;
  for (const auto& [object, number] : numbered) {
    Module& module = known[number];
    if (!continuous && !object.stays) module.first_unloads = unloads;
    module.last_unloads = unloads;
  }
  for (const Object* object : fresh) {
    const FileVersion file = VersionOf(object->path);
    const uint32_t number = NumberFor(&known, *object, file);
    known[number] = {object->low,      object->high, object->base, object->path, file, object->head,
                     object->build_id, unloads,      unloads,      true,         true};
    numbered.emplace_back(*object, number);
  }
  g_noted_removals = objects.removals;
  Publish(std::move(numbered), unloads);
}

std::vector<Module> KnownModules() {
  if (InForkedChild()) return {};
  Locked locked(&g_lock);
  return KnownList();
}

bool ModulesAreCrowded() {
  Locked locked(&g_lock);
  const size_t gone = CountGone();
  return gone > kManyGone && gone > g_gone_kept + kManyGone / 2;
}

void ForgetModules(const std::vector<bool>& kept) {
  Locked locked(&g_lock);
  std::vector<Module>& known = KnownList();
  for (uint32_t number = 1; number < known.size(); number++) {
    Module& module = known[number];
    if (module.is_known && !module.is_loaded && !(number < kept.size() && kept[number])) module = {};
  }
  g_gone_kept = CountGone();
}

}  // namespace extmem
