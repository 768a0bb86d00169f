#include "profile/hook_functions.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>

#include "profile/live.h"

namespace extmem {

namespace {

// Trivial, so no guard and no destructor; initial-exec, because a lazily allocated block would call malloc in here.
thread_local Thread t_thread __attribute__((tls_model("initial-exec")));

// Set again by every start, to the same: a thread may still be in a hook from before.
std::atomic<const HookObserver*> g_observer{nullptr};

const HookObserver& Observer() { return *g_observer.load(std::memory_order_acquire); }

// The originals by name. They are set before the first slot is rewritten and never change afterwards.
#define EXTMEM_ORIGINALS(X)                               \
  X(malloc, void*, (size_t))                              \
  X(calloc, void*, (size_t, size_t))                      \
  X(realloc, void*, (void*, size_t))                      \
  X(reallocarray, void*, (void*, size_t, size_t))         \
  X(free, void, (void*))                                  \
  X(free_sized, void, (void*, size_t))                    \
  X(free_aligned_sized, void, (void*, size_t, size_t))    \
  X(posix_memalign, int, (void**, size_t, size_t))        \
  X(aligned_alloc, void*, (size_t, size_t))               \
  X(memalign, void*, (size_t, size_t))                    \
  X(valloc, void*, (size_t))                              \
  X(pvalloc, void*, (size_t))                             \
  X(mmap, void*, (void*, size_t, int, int, int, off_t))   \
  X(mmap64, void*, (void*, size_t, int, int, int, off_t)) \
  X(munmap, int, (void*, size_t))                         \
  X(mremap, void*, (void*, size_t, size_t, int, void*))   \
  X(mprotect, int, (void*, size_t, int))                  \
  X(dlclose, int, (void*))
#define EXTMEM_DECLARE(name, result, arguments) result(*original_##name) arguments;
EXTMEM_ORIGINALS(EXTMEM_DECLARE)
#undef EXTMEM_DECLARE
// operator new and delete in all forms, by the arguments that follow the size or the pointer.
void* (*original_new[8])(size_t, uintptr_t, const void*);
void (*original_delete[10])(void*, uintptr_t, uintptr_t);

inline const uintptr_t* FrameOf(void* frame) { return static_cast<const uintptr_t*>(frame); }

// One subtraction and one branch for every allocation of the process; the rest is out of line.
inline __attribute__((always_inline)) void Account(void* block, size_t size, void* frame) {
  Thread* thread = &t_thread;
  if (block == nullptr) return;
  if (__builtin_expect((thread->sampler.left -= static_cast<int64_t>(size)) < 0, 0)) {
    Observer().allocated(thread, block, size, FrameOf(frame));
  }
}

__attribute__((noinline)) void Release(void* block) {
  int saved = errno;
  LiveEntry entry;
  if (LiveTake(reinterpret_cast<uintptr_t>(block), &entry)) LiveFreed(entry);
  errno = saved;
}

inline __attribute__((always_inline)) void BeforeFree(void* block) {
  if (__builtin_expect(MaybeLive(block), 0)) Release(block);
}

void* HookMalloc(size_t size) {
  void* block = original_malloc(size);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

void* HookCalloc(size_t count, size_t size) {
  void* block = original_calloc(count, size);
  Account(block, count * size, __builtin_frame_address(0));  // an overflow gave null
  return block;
}

void HookFree(void* block) {
  BeforeFree(block);
  original_free(block);
}

void HookFreeSized(void* block, size_t size) {
  BeforeFree(block);
  original_free_sized(block, size);
}

void HookFreeAlignedSized(void* block, size_t alignment, size_t size) {
  BeforeFree(block);
  original_free_aligned_sized(block, alignment, size);
}

// The old entry is out of the table while the original runs, so that a thread that gets the old address in between
// finds it vacant. A realloc that fails leaves the old block alive: its entry is put back.
template <typename Original>
inline __attribute__((always_inline)) void* Reallocate(void* old, size_t size, void* frame, Original original) {
  LiveEntry entry;
  bool tracked =
      old != nullptr && __builtin_expect(MaybeLive(old), 0) && LiveTake(reinterpret_cast<uintptr_t>(old), &entry);
  void* block = original();
  if (__builtin_expect(tracked, 0)) {
    int saved = errno;
    if (block == nullptr && size != 0) {
      LivePutBack(reinterpret_cast<uintptr_t>(old), entry);
    } else {
      LiveFreed(entry);
    }
    errno = saved;
  }
  Account(block, size, frame);
  return block;
}

void* HookRealloc(void* old, size_t size) {
  return Reallocate(old, size, __builtin_frame_address(0), [=] { return original_realloc(old, size); });
}

void* HookReallocarray(void* old, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;  // the original fails and frees nothing
  return Reallocate(old, bytes, __builtin_frame_address(0), [=] { return original_reallocarray(old, count, size); });
}

int HookPosixMemalign(void** block, size_t alignment, size_t size) {
  int error = original_posix_memalign(block, alignment, size);
  if (error == 0) Account(*block, size, __builtin_frame_address(0));
  return error;
}

void* HookAlignedAlloc(size_t alignment, size_t size) {
  void* block = original_aligned_alloc(alignment, size);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

void* HookMemalign(size_t alignment, size_t size) {
  void* block = original_memalign(alignment, size);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

void* HookValloc(size_t size) {
  void* block = original_valloc(size);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

void* HookPvalloc(size_t size) {
  void* block = original_pvalloc(size);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

// libstdc++'s operator new calls malloc, which counts; but libstdc++ keeps no frame pointers, so the caller of new
// would be lost. Leave our frame for the hook of malloc to start from. No guard: an exception passes through here, and
// a frame that is left behind is recognised by its distance (stack.cc).
template <int kForm>
void* HookNew(size_t size, uintptr_t second, const void* third) {
  Thread* thread = &t_thread;
  thread->new_frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  void* block = original_new[kForm](size, second, third);
  thread->new_frame = 0;
  return block;
}

// For an allocator that defines operator new itself and never comes by a patched malloc.
template <int kForm>
void* HookNewDirect(size_t size, uintptr_t second, const void* third) {
  void* block = original_new[kForm](size, second, third);
  Account(block, size, __builtin_frame_address(0));
  return block;
}

// For the operators of libstdc++, which are malloc and free but for what happens when memory is out. Most allocations
// of a service come this way, and a busy one has no room in its branch predictors for two more hops each.
template <int kForm>
void* HookNewStandard(size_t size, uintptr_t second, const void* third) {
  const size_t bytes = size == 0 ? 1 : size;
  void* block = original_malloc(bytes);
  if (__builtin_expect(block == nullptr, 0)) return original_new[kForm](size, second, third);
  Account(block, bytes, __builtin_frame_address(0));
  return block;
}

void HookDeleteStandard(void* block) {
  BeforeFree(block);
  original_free(block);
}

template <int kForm>
void HookDelete(void* block, uintptr_t second, uintptr_t third) {
  BeforeFree(block);
  original_delete[kForm](block, second, third);
}

void Mapped(void* start, size_t length, int protection, int flags, void* frame) {
  const bool counts = start != MAP_FAILED && (flags & MAP_ANONYMOUS) != 0 && (flags & MAP_FIXED) == 0 &&
                      protection != PROT_NONE && (flags & MAP_STACK) == 0;
  if (counts) Observer().mapped(&t_thread, start, length, FrameOf(frame));
}

void* HookMmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  void* start = original_mmap(address, length, protection, flags, file, offset);
  Mapped(start, length, protection, flags, __builtin_frame_address(0));
  return start;
}

void* HookMmap64(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  void* start = original_mmap64(address, length, protection, flags, file, offset);
  Mapped(start, length, protection, flags, __builtin_frame_address(0));
  return start;
}

int HookMunmap(void* start, size_t length) {
  Observer().unmapped(start, length);
  const int result = original_munmap(start, length);
  Observer().invalidated(start, length);
  return result;
}

void* HookMremap(void* old, size_t old_length, size_t length, int flags, ...) {
  // The fifth argument is only there with MREMAP_FIXED; reading it anyway passes on what the caller left in place.
  va_list rest;
  va_start(rest, flags);
  void* wanted = va_arg(rest, void*);
  va_end(rest);
  void* start = original_mremap(old, old_length, length, flags, wanted);
  if (start != MAP_FAILED) {
    Observer().unmapped(old, old_length);
    Observer().invalidated(old, old_length);
    Mapped(start, length, PROT_READ, MAP_ANONYMOUS, __builtin_frame_address(0));
  }
  return start;
}

int InvalidateMprotect(void* start, size_t length, int protection) {
  const int result = original_mprotect(start, length, protection);
  if ((protection & PROT_READ) == 0) Observer().invalidated(start, length);
  if (result == 0 && (protection & PROT_WRITE) != 0) {
    Observer().committed(&t_thread, start, length, FrameOf(__builtin_frame_address(0)));
  }
  return result;
}

void* InvalidateMmap64(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  void* start = original_mmap64(address, length, protection, flags, file, offset);
  if ((flags & MAP_FIXED) != 0) Observer().invalidated(address, length);
  if (start != MAP_FAILED && protection == PROT_NONE && length >= kReservationBytes) Observer().reserved(start, length);
  return start;
}

int HookDlclose(void* object) {
  Observer().closing();
  const int result = original_dlclose(object);
  Observer().closed();
  return result;
}

template <typename Function>
void* Address(Function* function) {
  return reinterpret_cast<void*>(function);
}

#define EXTMEM_PLAIN(name, kind, hook)                                                                   \
  {                                                                                                      \
#name, HookKind::kind, Address(hook), nullptr, nullptr, reinterpret_cast < void**>(&original_##name) \
  }
#define EXTMEM_NEW(name, form, standard)                                                  \
  {                                                                                       \
    name, HookKind::kNew, Address(HookNew<form>), Address(HookNewDirect<form>), standard, \
        reinterpret_cast<void**>(&original_new[form])                                     \
  }
#define EXTMEM_STANDARD_NEW(name, form) EXTMEM_NEW(name, form, Address(HookNewStandard<form>))
#define EXTMEM_DELETE(name, form, standard)                                \
  {                                                                        \
    name, HookKind::kDelete, Address(HookDelete<form>), nullptr, standard, \
        reinterpret_cast<void**>(&original_delete[form])                   \
  }
#define EXTMEM_STANDARD_DELETE(name, form) EXTMEM_DELETE(name, form, Address(HookDeleteStandard))

}  // namespace

const HookedFunction kHookedFunctions[] = {
    EXTMEM_PLAIN(free, kRelease, HookFree),
    EXTMEM_PLAIN(free_sized, kRelease, HookFreeSized),
    EXTMEM_PLAIN(free_aligned_sized, kRelease, HookFreeAlignedSized),
    EXTMEM_PLAIN(realloc, kRelease, HookRealloc),
    EXTMEM_PLAIN(reallocarray, kRelease, HookReallocarray),
    EXTMEM_STANDARD_DELETE("_ZdlPv", 0),
    EXTMEM_STANDARD_DELETE("_ZdaPv", 1),
    EXTMEM_STANDARD_DELETE("_ZdlPvm", 2),
    EXTMEM_STANDARD_DELETE("_ZdaPvm", 3),
    EXTMEM_STANDARD_DELETE("_ZdlPvRKSt9nothrow_t", 4),
    EXTMEM_STANDARD_DELETE("_ZdaPvRKSt9nothrow_t", 5),
    EXTMEM_DELETE("_ZdlPvSt11align_val_t", 6, nullptr),
    EXTMEM_DELETE("_ZdaPvSt11align_val_t", 7, nullptr),
    EXTMEM_DELETE("_ZdlPvmSt11align_val_t", 8, nullptr),
    EXTMEM_DELETE("_ZdaPvmSt11align_val_t", 9, nullptr),
    EXTMEM_PLAIN(munmap, kMap, HookMunmap),
    EXTMEM_PLAIN(malloc, kAllocate, HookMalloc),
    EXTMEM_PLAIN(calloc, kAllocate, HookCalloc),
    EXTMEM_PLAIN(posix_memalign, kAllocate, HookPosixMemalign),
    EXTMEM_PLAIN(aligned_alloc, kAllocate, HookAlignedAlloc),
    EXTMEM_PLAIN(memalign, kAllocate, HookMemalign),
    EXTMEM_PLAIN(valloc, kAllocate, HookValloc),
    EXTMEM_PLAIN(pvalloc, kAllocate, HookPvalloc),
    EXTMEM_STANDARD_NEW("_Znwm", 0),
    EXTMEM_STANDARD_NEW("_Znam", 1),
    EXTMEM_STANDARD_NEW("_ZnwmRKSt9nothrow_t", 2),
    EXTMEM_STANDARD_NEW("_ZnamRKSt9nothrow_t", 3),
    EXTMEM_NEW("_ZnwmSt11align_val_t", 4, nullptr),
    EXTMEM_NEW("_ZnamSt11align_val_t", 5, nullptr),
    EXTMEM_NEW("_ZnwmSt11align_val_tRKSt9nothrow_t", 6, nullptr),
    EXTMEM_NEW("_ZnamSt11align_val_tRKSt9nothrow_t", 7, nullptr),
    EXTMEM_PLAIN(mmap, kMap, HookMmap),
    EXTMEM_PLAIN(mmap64, kMap, HookMmap64),
    EXTMEM_PLAIN(mremap, kMap, HookMremap),
    EXTMEM_PLAIN(munmap, kInvalidate, HookMunmap),
    EXTMEM_PLAIN(mprotect, kInvalidate, InvalidateMprotect),
    EXTMEM_PLAIN(mmap64, kInvalidate, InvalidateMmap64),
    EXTMEM_PLAIN(dlclose, kClose, HookDlclose),
};
const size_t kHookedFunctionCount = sizeof(kHookedFunctions) / sizeof(kHookedFunctions[0]);

const char* const kBoundNames[5] = {"malloc", "free", "calloc", "realloc", "posix_memalign"};

Thread* ThisThread() { return &t_thread; }

void SetHookObserver(const HookObserver* observer) { g_observer.store(observer, std::memory_order_release); }

// Never called: its calls make the loader bind slots of our own, which tell what these names really mean here.
extern "C" __attribute__((used, visibility("default"))) void* extmem_bound_slots(size_t size, void** block) {
  *block = malloc(size);
  asm volatile("" : : "r"(*block) : "memory");  // or the compiler drops the pair
  free(*block);
  *block = calloc(size, size);
  *block = realloc(*block, size);
  return posix_memalign(block, size, size) == 0 ? *block : nullptr;
}

}  // namespace extmem
