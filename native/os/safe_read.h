// Reads of memory that may not be there: V8's objects, seen from a hook.
//
// Everything that a live JavaScript frame refers to is alive, hence mapped. What is guarded against is a word that
// only looks like a reference. Each page is asked for once by a system call that fails instead of faulting, and then
// remembered until an object other than libc gives address space back (Forget), or as long as nobody would tell
// (ForgetAll). Any thread, also from hooks; no lock.
#ifndef EXTMEM_OS_SAFE_READ_H_
#define EXTMEM_OS_SAFE_READ_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace extmem {

// Callers without frame pointers lead the walk to words that are no frame. They lie in the thread's stack all the same,
// which is all that is promised of them: AddressSanitizer must not look for the variables that they belong to.
#define WORDS_OF_ANY_FRAME __attribute__((no_sanitize("address")))

// True when process_vm_readv works here (a sandbox may forbid it).
bool SafeReadWorks();
// [start, start + length) may not be readable any more.
void SafeReadForget(uintptr_t start, size_t length);
// Nothing is known any more: for times at which nobody says what is unmapped.
void SafeReadForgetAll();
// True when the page can be read. Asks the kernel when it does not remember.
bool PageReadable(uintptr_t page);
// How often it asked.
uint64_t SafeReadAsked();
// Copies by system call, without remembering anything; for addresses of which nothing is known.
bool ReadUnknown(uintptr_t address, void* into, size_t size);
// Whether every page from `low` to `high` can be read, likewise.
bool ReadableNow(uintptr_t low, uintptr_t high);

constexpr uintptr_t kReadPage = 4096;  // a divisor of the page size everywhere

inline bool Readable(uintptr_t address, size_t size) {
  if (address < 0x10000 || address >= (uintptr_t{1} << 47) - size) return false;
  uintptr_t page = address & ~(kReadPage - 1);
  for (; page < address + size; page += kReadPage) {
    if (!PageReadable(page)) return false;
  }
  return true;
}

template <typename T>
bool ReadAt(uintptr_t address, T* into) {
  if (!Readable(address, sizeof(T))) return false;
  memcpy(into, reinterpret_cast<const void*>(address), sizeof(T));
  return true;
}

// 0 where it cannot be read: no object of V8 lives there.
inline uintptr_t ReadWord(uintptr_t address) {
  uintptr_t word;
  return ReadAt(address, &word) ? word : 0;
}

}  // namespace extmem

#endif  // EXTMEM_OS_SAFE_READ_H_
