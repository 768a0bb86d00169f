// Another profiler: it puts itself before whatever the executable's slots of malloc and free hold.
//   wrap(), unwrap(), and calls() = how often its functions ran
#include <link.h>
#include <node_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "exports.h"

namespace {

using Malloc = void* (*)(size_t);
using Free = void (*)(void*);

void** g_malloc_slot = nullptr;
void** g_free_slot = nullptr;
Malloc g_malloc = nullptr;
Free g_free = nullptr;
std::atomic<uint64_t> g_calls{0};

void* WrappedMalloc(size_t size) {
  g_calls++;
  return g_malloc(size);
}
void WrappedFree(void* block) {
  g_calls++;
  g_free(block);
}

int FindSlots(dl_phdr_info* info, size_t, void*) {
  const ElfW(Dyn)* entry = nullptr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    entry = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  }
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  const ElfW(Rela)* relocations = nullptr;
  size_t bytes = 0;
  for (; entry != nullptr && entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_JMPREL) relocations = reinterpret_cast<const ElfW(Rela)*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_PLTRELSZ) bytes = entry->d_un.d_val;
  }
  for (size_t i = 0; i < bytes / sizeof(ElfW(Rela)); i++) {
    const char* name = names + symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
    void** slot = reinterpret_cast<void**>(info->dlpi_addr + relocations[i].r_offset);
    if (strcmp(name, "malloc") == 0) g_malloc_slot = slot;
    if (strcmp(name, "free") == 0) g_free_slot = slot;
  }
  return 1;  // the executable comes first
}

void Write(void** slot, void* value) {
  const uintptr_t page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  void* page = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(slot) & ~(page_bytes - 1));
  if (slot == nullptr || mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0) abort();
  *slot = value;
  mprotect(page, page_bytes, PROT_READ);  // as the loader left it
}

napi_value Wrap(napi_env, napi_callback_info) {
  dl_iterate_phdr(FindSlots, nullptr);
  g_malloc = reinterpret_cast<Malloc>(*g_malloc_slot);
  g_free = reinterpret_cast<Free>(*g_free_slot);
  Write(g_malloc_slot, reinterpret_cast<void*>(WrappedMalloc));
  Write(g_free_slot, reinterpret_cast<void*>(WrappedFree));
  return nullptr;
}

napi_value Unwrap(napi_env, napi_callback_info) {
  Write(g_malloc_slot, reinterpret_cast<void*>(g_malloc));
  Write(g_free_slot, reinterpret_cast<void*>(g_free));
  return nullptr;
}

napi_value Calls(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_double(env, static_cast<double>(g_calls.load()), &result);
  return result;
}

napi_value Init(napi_env env, napi_value exports) {
  return Export(env, exports, {{"wrap", Wrap}, {"unwrap", Unwrap}, {"calls", Calls}});
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
