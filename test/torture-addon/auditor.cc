// For LD_AUDIT: is called at each call between libraries, as a tracer is.
#include <link.h>

extern "C" {
unsigned int la_version(unsigned int) { return LAV_CURRENT; }
unsigned int la_objopen(link_map*, Lmid_t, uintptr_t*) { return LA_FLG_BINDTO | LA_FLG_BINDFROM; }
#if defined(__x86_64__)
Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym* symbol, unsigned int, uintptr_t*, uintptr_t*, La_x86_64_regs*,
                                  unsigned int*, const char*, long*) {
  return symbol->st_value;
}
#endif
}
