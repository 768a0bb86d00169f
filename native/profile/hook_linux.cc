// Interception on Linux with glibc: the import slots of every loaded object are rewritten in place.
//
// A slot is only written when it holds what is expected there: the original function, the call stub that a
// non-relocatable executable lends out as the function's address, or a lazy-binding stub of its own object. Anything
// else belongs to somebody else and is left alone. The old value is kept per slot. Objects come and go on other threads
// meanwhile: how a slot is written is slot_writer.h.
//
// All of it waits for the loader, so none of it is for hooks: these are in hook_functions.cc.
#include <sys/auxv.h>

#include <atomic>
#include <cstring>

#include "os/elf_image.h"
#include "os/own_pages.h"
#include "os/slot_writer.h"
#include "profile/hook_functions.h"

namespace extmem {

namespace {

struct Slot {
  std::atomic<uintptr_t>* place;
  uintptr_t old;
  uintptr_t hook;
  bool wrapped;  // somebody else wrote to it before we came to restore it
  bool loaded;   // its object is there
};

constexpr size_t kMaxSlots = 8192;
constexpr size_t kMaxFunctions = 64;

Slot* g_slots = nullptr;
size_t g_slot_count = 0;
HookReport g_report;
uintptr_t g_stubs[kMaxFunctions];  // the executable's stub for each function, or 0
uintptr_t g_libc = 0, g_loader = 0, g_vdso = 0, g_allocator = 0;
bool g_new_is_direct = false;       // operator new is part of the allocator
bool g_is_standard[kMaxFunctions];  // an operator of libstdc++, which ends in a malloc or a free of somebody else
uint64_t g_changes = 0;             // objects that came and went, as the loader counts them
bool g_look_again = false;

uintptr_t Self() { return reinterpret_cast<uintptr_t>(&kHookedFunctions); }

bool IsOurHook(uintptr_t value) {
  for (size_t i = 0; i < kHookedFunctionCount; i++) {
    const HookedFunction& function = kHookedFunctions[i];
    if (value == reinterpret_cast<uintptr_t>(function.hook) ||
        (function.direct_hook != nullptr && value == reinterpret_cast<uintptr_t>(function.direct_hook)) ||
        (function.standard_hook != nullptr && value == reinterpret_cast<uintptr_t>(function.standard_hook))) {
      return true;
    }
  }
  return false;
}

void* HookOf(size_t f) {
  const HookedFunction& function = kHookedFunctions[f];
  if (function.kind == HookKind::kNew && g_new_is_direct) return function.direct_hook;
  return g_is_standard[f] ? function.standard_hook : function.hook;
}

// Which kinds of functions are rewritten in which object, in this order.
bool Wanted(size_t f, bool executable) {
  switch (kHookedFunctions[f].kind) {
    case HookKind::kDelete:
      return g_new_is_direct || g_is_standard[f];
    case HookKind::kMap:
      return !executable;
    case HookKind::kInvalidate:
      return executable;
    default:
      return true;
  }
}

template <typename Visit>
void ForEachSlot(const LoadedObject& object, bool executable, Visit visit) {
  for (int table = 0; table < 2; table++) {
    for (size_t i = 0; i < object.relocation_count[table]; i++) {
      const ElfW(Rela)& relocation = object.relocations[table][i];
      const uint32_t type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
      const size_t index = ELF64_R_SYM(relocation.r_info);
      if (index == 0 || (type != kCallRelocation && type != kDataRelocation &&
                         !(type == kWordRelocation && relocation.r_addend == 0))) {
        continue;
      }
      const uintptr_t place = object.base + relocation.r_offset;
      const ElfW(Sym)* symbol = object.symbols + index;
      if (place % sizeof(uintptr_t) != 0 || !object.Contains(place) ||
          !object.Contains(reinterpret_cast<uintptr_t>(symbol))) {
        continue;
      }
      const char* name = object.String(symbol->st_name);
      if (name == nullptr) continue;
      for (size_t f = 0; f < kHookedFunctionCount; f++) {
        const HookedFunction& function = kHookedFunctions[f];
        if (name[0] == function.name[0] && Wanted(f, executable) && strcmp(name, function.name) == 0) {
          visit(f, type, *symbol, reinterpret_cast<std::atomic<uintptr_t>*>(place));
        }
      }
    }
  }
}

bool Skipped(const LoadedObject& object) {
  return object.Contains(g_libc) || object.Contains(g_loader) || object.Contains(g_vdso) ||
         object.Contains(g_allocator);
}

// Precondition: there is room.
void Remember(std::atomic<uintptr_t>* place, uintptr_t old, uintptr_t hook) {
  size_t i = 0;
  while (i < g_slot_count && g_slots[i].place != place) i++;  // found: another object was unloaded here before
  g_slots[i] = {place, old, hook, false, true};
  if (i == g_slot_count) g_slot_count++;
}

struct Scan {
  SlotWriter writer;
  bool first = true;
};

int ScanObject(dl_phdr_info* info, size_t, void* data) {
  Scan* scan = static_cast<Scan*>(data);
  const bool executable = scan->first;
  scan->first = false;
  g_changes = info->dlpi_adds + info->dlpi_subs;
  g_report.objects++;
  LoadedObject object;
  const bool readable = ParseObject(*info, &object);
  for (size_t i = 0; i < g_slot_count; i++) {
    if (object.Contains(reinterpret_cast<uintptr_t>(g_slots[i].place))) g_slots[i].loaded = true;
  }
  if (!readable) {
    if (!object.Contains(g_vdso)) g_report.unreadable_objects++;
    return 0;
  }
  if (Skipped(object)) return 0;
  if (executable) {
    ForEachSlot(object, true, [&](size_t f, uint32_t, const ElfW(Sym) & symbol, std::atomic<uintptr_t>*) {
      if (symbol.st_shndx == SHN_UNDEF && symbol.st_value != 0) g_stubs[f] = object.base + symbol.st_value;
    });
  }
  bool patched = false;
  // Two rounds: a block may only be recorded by an object that can also be seen freeing it.
  // Our own code allocates unseen, but its libraries are seen allocating for it, so its frees are followed too.
  const int rounds = object.Contains(Self()) ? 1 : 2;
  for (int round = 0; round < rounds; round++) {
    ForEachSlot(object, executable,
                [&](size_t f, uint32_t type, const ElfW(Sym) & symbol, std::atomic<uintptr_t> * place) {
                  const HookedFunction& function = kHookedFunctions[f];
                  const bool releases = function.kind == HookKind::kRelease || function.kind == HookKind::kDelete;
                  if (releases != (round == 0) || *function.original == nullptr) return;
                  const uintptr_t value = place->load(std::memory_order_relaxed);
                  if (IsOurHook(value)) {
                    patched = true;
                    g_report.slots++;
                    return;
                  }
                  if (value == 0) return;  // an optional function that is absent: its address is tested
                  // Not bound yet: the slot leads back into its own object, yet not to a definition there.
                  const bool defined_here = symbol.st_shndx != SHN_UNDEF && value == object.base + symbol.st_value;
                  const bool lazy = type == kCallRelocation && object.Contains(value) && !defined_here;
                  const bool expected = value == reinterpret_cast<uintptr_t>(*function.original) ||
                                        (g_stubs[f] != 0 && value == g_stubs[f]) || lazy;
                  if (!expected) {
                    g_report.foreign_slots++;
                    const bool essential = function.kind == HookKind::kRelease || function.kind == HookKind::kAllocate;
                    if (executable && essential && g_report.foreign == 0) g_report.foreign = value;
                    return;
                  }
                  void* hook = HookOf(f);
                  if (g_slot_count == kMaxSlots) {
                    g_report.dropped_slots++;
                  } else if (!scan->writer.Write(object, place, reinterpret_cast<uintptr_t>(hook))) {
                    g_report.refused_slots++;
                  } else {
                    Remember(place, value, reinterpret_cast<uintptr_t>(hook));
                    patched = true;
                    g_report.slots++;
                  }
                });
  }
  if (patched) g_report.patched_objects++;
  return 0;
}

int RestoreObject(dl_phdr_info* info, size_t, void* data) {
  LoadedObject object;
  if (!ParseObject(*info, &object)) return 0;
  for (size_t i = 0; i < g_slot_count; i++) {
    Slot& slot = g_slots[i];
    if (!object.Contains(reinterpret_cast<uintptr_t>(slot.place))) continue;
    slot.wrapped = slot.place->load(std::memory_order_relaxed) != slot.hook;  // or the object was loaded anew
    if (!slot.wrapped) static_cast<SlotWriter*>(data)->Write(object, slot.place, slot.old);
  }
  return 0;
}

template <typename Predicate>
void KeepSlots(Predicate wanted) {
  size_t kept = 0;
  for (size_t i = 0; i < g_slot_count; i++) {
    if (wanted(g_slots[i])) g_slots[kept++] = g_slots[i];
  }
  g_slot_count = kept;
}

void ScanAll() {
  g_report = {};
  Scan scan;
  for (size_t i = 0; i < g_slot_count; i++) g_slots[i].loaded = false;
  dl_iterate_phdr(ScanObject, &scan);
  KeepSlots([](const Slot& slot) { return slot.loaded; });
}

int FirstObject(dl_phdr_info* info, size_t, void* data) {
  *static_cast<uint64_t*>(data) = info->dlpi_adds + info->dlpi_subs;
  return 1;
}

// What our own imports of the basic functions are bound to.
struct Bound {
  uintptr_t values[5];
  bool late;  // not bound when the library was loaded, though it asks for that
  bool pinned;
};

int FindBound(dl_phdr_info* info, size_t, void* data) {
  LoadedObject object;
  if (!ParseObject(*info, &object) || !object.Contains(Self())) return 0;
  Bound* bound = static_cast<Bound*>(data);
  for (size_t i = 0; i < object.relocation_count[0]; i++) {
    const ElfW(Rela)& relocation = object.relocations[0][i];
    const char* name = object.String(object.symbols[ELF64_R_SYM(relocation.r_info)].st_name);
    for (int k = 0; k < 5 && name != nullptr; k++) {
      if (strcmp(name, kBoundNames[k]) == 0) {
        bound->values[k] = *reinterpret_cast<const uintptr_t*>(object.base + relocation.r_offset);
        bound->late = bound->late || object.Contains(bound->values[k]);
      }
    }
  }
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; entry++) {
      if (entry->d_tag == DT_FLAGS_1) bound->pinned = (entry->d_un.d_val & DF_1_NODELETE) != 0;
    }
  }
  return 1;
}

struct Owner {
  uintptr_t address;
  uintptr_t low;
  bool is_standard;  // libstdc++
};

int FindOwner(dl_phdr_info* info, size_t, void* data) {
  Owner* owner = static_cast<Owner*>(data);
  LoadedObject object;
  ParseObject(*info, &object);
  if (!object.Contains(owner->address)) return 0;
  owner->low = object.low;
  const char* slash = strrchr(info->dlpi_name, '/');
  const char* name = slash == nullptr ? info->dlpi_name : slash + 1;
  owner->is_standard = strncmp(name, "libstdc++.so", 12) == 0;
  return 1;
}

Owner OwnerOf(void* address) {
  Owner owner = {reinterpret_cast<uintptr_t>(address), 0, false};
  if (address != nullptr) dl_iterate_phdr(FindOwner, &owner);
  return owner;
}

struct Definer {
  uintptr_t address;
  const char* name;
  bool defines;
};

int FindDefiner(dl_phdr_info* info, size_t, void* data) {
  Definer* definer = static_cast<Definer*>(data);
  LoadedObject object;
  const bool readable = ParseObject(*info, &object);
  if (!object.Contains(definer->address)) return 0;
  definer->defines = readable && FindDefined(object, definer->name) != nullptr;
  return 1;
}

// Whether the object that holds `address` exports `name`.
bool Defines(uintptr_t address, const char* name) {
  Definer definer = {address, name, false};
  dl_iterate_phdr(FindDefiner, &definer);
  return definer.defines;
}

HookStatus FindOriginals() {
  void* libc = FindSymbol("gnu_get_libc_version");
  if (libc == nullptr) return HookStatus::kUnsupported;
  g_libc = reinterpret_cast<uintptr_t>(libc);
  g_loader = getauxval(AT_BASE);
  g_vdso = getauxval(AT_SYSINFO_EHDR);
  Bound bound = {};
  dl_iterate_phdr(FindBound, &bound);
  if (!bound.pinned) return HookStatus::kUnsupported;
  if (bound.late) return HookStatus::kAudited;
  for (size_t f = 0; f < kHookedFunctionCount; f++) {
    *kHookedFunctions[f].original = FindSymbol(kHookedFunctions[f].name);
    for (int k = 0; k < 5; k++) {
      if (strcmp(kHookedFunctions[f].name, kBoundNames[k]) != 0 ||
          reinterpret_cast<uintptr_t>(*kHookedFunctions[f].original) == bound.values[k]) {
        continue;
      }
      // Either somebody rewrote our slots already, or one of the two ways is wrong here.
      if (Defines(bound.values[k], kBoundNames[k])) return HookStatus::kOriginalsDiffer;
      g_report.foreign = bound.values[k];
      return HookStatus::kForeign;
    }
  }
  void* malloc_function = FindSymbol("malloc");
  void* new_function = FindSymbol("_Znwm");
  g_allocator = reinterpret_cast<uintptr_t>(malloc_function);
  g_new_is_direct = new_function != nullptr && OwnerOf(new_function).low == OwnerOf(malloc_function).low;
  // Each operator can be replaced alone, and those of libstdc++ call each other: only when all are its own.
  bool all = true;
  for (size_t f = 0; f < kHookedFunctionCount; f++) {
    g_is_standard[f] = kHookedFunctions[f].standard_hook != nullptr;
    if (g_is_standard[f]) all = all && OwnerOf(*kHookedFunctions[f].original).is_standard;
  }
  for (size_t f = 0; f < kHookedFunctionCount; f++) g_is_standard[f] = g_is_standard[f] && all;
  return HookStatus::kInstalled;
}

}  // namespace

HookStatus HookInstall(const HookObserver* observer) {
  if (g_slots == nullptr) {
    HookStatus status = FindOriginals();
    if (status != HookStatus::kInstalled) return status;
    g_slots = OwnArray<Slot>(kMaxSlots);
    if (g_slots == nullptr) return HookStatus::kNoMemory;
  }
  SetHookObserver(observer);
  ScanAll();
  HookStatus status = g_report.foreign != 0         ? HookStatus::kForeign
                      : g_report.refused_slots != 0 ? HookStatus::kProtected
                                                    : HookStatus::kInstalled;
  if (status != HookStatus::kInstalled) HookRemove();
  g_look_again = true;
  return status;
}

bool HookRescan() {
  uint64_t changes = 0;
  dl_iterate_phdr(FirstObject, &changes);
  // An object that another thread was still relocating shows unexpected values; one more look comes after each change.
  bool changed = changes != g_changes;
  if (!changed && !g_look_again) return false;
  g_look_again = changed;
  ScanAll();
  return changed;
}

void HookRemove() {
  SlotWriter writer;
  for (size_t i = 0; i < g_slot_count; i++) g_slots[i].wrapped = false;
  dl_iterate_phdr(RestoreObject, &writer);
  // Whoever wrapped us may go, and leave our hook behind: a later stop then knows what to write back.
  KeepSlots([](const Slot& slot) { return slot.wrapped; });
}

HookReport HookCoverage() { return g_report; }

}  // namespace extmem
