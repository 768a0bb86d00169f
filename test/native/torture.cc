// See torture.h. Each function returns when its threads are gone.
#include "torture.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace torture {
namespace {

constexpr int kThreads = 4;

void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "torture: %s\n", what);
  abort();
}

bool UnderValgrind() {
  const char* preloaded = getenv("LD_PRELOAD");
  return preloaded != nullptr && strstr(preloaded, "vgpreload") != nullptr;
}

// Sanitizers and valgrind end the process where operator new should throw.
bool NewThrows() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return !UnderValgrind();
#endif
}

uint32_t Random(uint32_t* state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

template <typename Body>
void OnThreads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Blocks wander between threads through shared slots. Each begins with its size, so that what is held is known exactly.
std::atomic<void*> g_raced[64];

void* Labelled(void* block, size_t size) {
  if (block != nullptr) memcpy(block, &size, sizeof(size));
  return block;
}

}  // namespace

// Each block is freed, or resized, by whoever finds it.
void RaceRealloc(int rounds) {
  OnThreads(kThreads, [rounds](int index) {
    uint32_t state = static_cast<uint32_t>(index) + 1;
    for (int i = 0; i < rounds; i++) {
      void* block = g_raced[Random(&state) % 64].exchange(nullptr);
      const size_t size = Random(&state) % 4096 + sizeof(size_t);
      switch (Random(&state) % 4) {
        case 0:
          free(block);
          block = malloc(size);
          break;
        case 1:
          block = realloc(block, size);
          break;
        case 2:
          free(block);
          block = calloc(1, size);
          break;
        default:
          free(block);
          block = nullptr;
      }
      if (block != nullptr) memset(block, index, size);
      free(g_raced[Random(&state) % 64].exchange(Labelled(block, size)));
    }
  });
}

Held RacedBlocks() {
  Held held = {0, 0};
  for (std::atomic<void*>& slot : g_raced) {
    const void* block = slot.load();
    size_t size = 0;
    if (block == nullptr) continue;
    memcpy(&size, block, sizeof(size));
    held.bytes += size;
    held.blocks++;
  }
  return held;
}

void FreeRaced(int) {
  for (std::atomic<void*>& slot : g_raced) free(slot.exchange(nullptr));
}

namespace {

// A preloaded allocator need not replace every function of libc, and must not be given blocks of the others.
bool OfTheAllocator(void* function) {
  Dl_info allocator, other;
  return dladdr(dlsym(RTLD_DEFAULT, "free"), &allocator) != 0 && dladdr(function, &other) != 0 &&
         strcmp(allocator.dli_fname, other.dli_fname) == 0;
}

// A pointer that the compiler takes for another one: it warns of the use of what a failed realloc left alive.
void* Same(void* block) {
  asm volatile("" : "+r"(block));
  return block;
}

}  // namespace

void EveryForm(int rounds) {
  const bool has_array = OfTheAllocator(dlsym(RTLD_NEXT, "reallocarray"));
  const bool has_pvalloc =
      OfTheAllocator(dlsym(RTLD_NEXT, "pvalloc")) && !UnderValgrind();  // which ends the process there
  for (int i = 0; i < rounds; i++) {
    errno = 4711;
    for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
      void* block = nullptr;
      Require(posix_memalign(&block, alignment, 100) == 0, "posix_memalign");
      Require(reinterpret_cast<uintptr_t>(block) % alignment == 0, "alignment");
      free(block);
      block = aligned_alloc(alignment, alignment * 2);
      Require(block != nullptr && malloc_usable_size(block) >= alignment * 2, "usable size");
      free(block);
      free(memalign(alignment, 33));
    }
    free(valloc(10));
    if (has_pvalloc) free(pvalloc(10));
    void* invalid = nullptr;
    Require(posix_memalign(&invalid, 3, 8) == EINVAL, "an impossible alignment");
    volatile size_t huge = SIZE_MAX / 2;
    Require(errno == 4711, "errno is kept");
    // Not every allocator sets errno.
    Require(calloc(huge, 4) == nullptr, "calloc overflow");
    Require(malloc(huge) == nullptr, "too much");
    void* kept = malloc(100);
    memset(kept, 7, 100);
    Require(realloc(Same(kept), huge) == nullptr, "a realloc that fails");
    Require(static_cast<char*>(kept)[99] == 7, "and leaves the block");
    Require(!has_array || reallocarray(Same(kept), huge, 16) == nullptr, "reallocarray overflow");
    if (has_array) kept = reallocarray(kept, 10, 20);
    kept = realloc(kept, 5000);
    free(kept);
    free(realloc(nullptr, 50));
    free(malloc(0));
    free(realloc(malloc(10), 0));  // null, or a block of no size
    free(nullptr);
    free(strdup("duplicate"));
    delete new int(1);
    delete[] new char[100];
    delete new (std::nothrow) int(2);
    struct alignas(64) Wide {
      char bytes[64];
    };
    delete new Wide;
    delete[] new Wide[3];
    std::string text(100, 'x');
    text += text;
    char* line = nullptr;
    size_t room = 0;
    FILE* file = fopen("/proc/self/status", "r");
    if (file != nullptr) {
      Require(getline(&line, &room, file) > 0, "getline");
      fclose(file);
    }
    free(line);
  }
}

namespace {
jmp_buf g_back;
void JumpBack() { longjmp(g_back, 1); }

// The handler leaves operator new, and with it its hook, by a jump.
void JumpOutOfNew() {
  volatile size_t huge = SIZE_MAX / 4;
  std::set_new_handler(JumpBack);
  if (setjmp(g_back) == 0) {
    Require(operator new(huge) == nullptr, "a new that is left");
  }
  std::set_new_handler(nullptr);
}
}  // namespace

void ThrowsThroughNew(int rounds) {
  if (!NewThrows()) return;
  for (int i = 0; i < rounds; i++) {
    volatile size_t huge = SIZE_MAX / 4;
    try {
      Require(operator new[](huge) == nullptr, "a new that cannot succeed");
    } catch (const std::bad_alloc&) {
    }
    JumpOutOfNew();
    free(malloc(100));
    delete new int(3);
  }
}

void Throws(int rounds) {
  for (volatile int i = 0; i < rounds; i = i + 1) {  // volatile: kept across the jump
    try {
      std::string text(50, 'y');
      throw std::runtime_error(text);
    } catch (const std::exception&) {
    }
    void* volatile block = malloc(64);
    if (setjmp(g_back) == 0) {
      void* volatile inner = malloc(128);
      free(inner);
      longjmp(g_back, 1);
    }
    free(block);
  }
}

namespace {
// The destructor of a thread-specific value allocates when most of the thread is gone.
pthread_key_t g_key;
void AllocateAtEnd(void* value) {
  free(value);
  for (int i = 0; i < 20; i++) free(malloc(100));
  static thread_local int again;
  if (again++ < 2) pthread_setspecific(g_key, malloc(10));
}
struct AtExit {
  ~AtExit() { delete[] block; }
  char* block = new char[200];
};
}  // namespace

void ThreadStorm(int rounds) {
  static const int made = pthread_key_create(&g_key, AllocateAtEnd);
  Require(made == 0, "a key");
  for (int i = 0; i < rounds; i++) {
    OnThreads(kThreads, [](int) {
      thread_local AtExit at_exit;
      at_exit.block[0] = 1;
      pthread_setspecific(g_key, malloc(10));
      for (int k = 0; k < 50; k++) free(malloc(static_cast<size_t>(k) * 10 + 1));
    });
  }
}

namespace {
// Without a frame of its own, and with something else in the frame pointer, as code that keeps none calls it.
#if defined(__x86_64__)
extern "C" void* torture_frameless_malloc(size_t size);
asm(R"(
.type torture_frameless_malloc,@function
torture_frameless_malloc:
  pushq %rbp
  movq $1, %rbp
  call malloc@PLT
  popq %rbp
  ret
.size torture_frameless_malloc,.-torture_frameless_malloc
)");
#else
void* torture_frameless_malloc(size_t size) { return malloc(size); }
#endif

class Noise {
 public:
  Noise()
      : thread_([this] {
          while (!stop_) free(malloc(300));
        }) {}
  ~Noise() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};
}  // namespace

// Nothing of libc's may be asked in such a child but what cannot wait for a lock: another thread may hold malloc's.
void RawForkStorm(int rounds) {
  Noise noise;
  for (int i = 0; i < rounds; i++) {
    void* block = malloc(100);
    const long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      alarm(10);
      free(block);  // what is asked for from now on lies in the cache of this thread: no lock
      for (int k = 0; k < 500; k++) free(torture_frameless_malloc(100));
      syscall(SYS_exit_group, 0);
    }
    int status = 0;
    Require(child > 0 && waitpid(static_cast<pid_t>(child), &status, 0) == child && status == 0, "a raw child");
  }
}

void ForkStorm(int rounds) {
  Noise noise;
  for (int i = 0; i < rounds; i++) {
    const pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 100; k++) free(malloc(static_cast<size_t>(k) + 1));
      _exit(0);
    }
    int status = 0;
    Require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a forked child");
    // Shares our memory until it is another program.
    pid_t spawned = 0;
    char name[] = "true";
    char* const arguments[] = {name, nullptr};
    Require(posix_spawnp(&spawned, name, nullptr, nullptr, arguments, environ) == 0, "a spawn");
    Require(waitpid(spawned, &status, 0) == spawned && status == 0, "a spawned child");
  }
}

namespace {
std::string ReloadedPath() {
  Dl_info self;
  dladdr(reinterpret_cast<void*>(&Reload), &self);
  const std::string path = self.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + "reloaded.so";
}
}  // namespace

void Reload(int rounds) {
  const std::string path = ReloadedPath();
  void* survivor = nullptr;
  for (int i = 0; i < rounds; i++) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    Require(library != nullptr, dlerror());
    auto allocate = reinterpret_cast<void* (*)(size_t)>(dlsym(library, "reloaded_allocate"));
    auto release = reinterpret_cast<void (*)(void*)>(dlsym(library, "reloaded_free"));
    release(survivor);
    release(allocate(5000));
    survivor = allocate(777);
    dlclose(library);
  }
  free(survivor);
}

namespace {
std::atomic<bool> g_loading{false};
std::thread* g_loader = nullptr;
}  // namespace

void BeginLoads(int) {
  g_loading = true;
  g_loader = new std::thread([path = ReloadedPath()] {
    while (g_loading) {
      void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      Require(library != nullptr, dlerror());
      dlclose(library);
    }
  });
}

void EndLoads(int) {
  g_loading = false;
  g_loader->join();
  delete g_loader;
  g_loader = nullptr;
}

// A stack of its own, of which the hook knows nothing, and frame pointers that lead nowhere.
void SmallStack(int rounds) {
  for (int i = 0; i < rounds; i++) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    constexpr size_t kBytes = 2 << 20;  // a sanitizer needs one of them
    void* stack = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_setstack(&attributes, stack, kBytes);
    pthread_t thread;
    auto body = [](void*) -> void* {
      for (int k = 0; k < 100; k++) {
        asm volatile("" ::: "memory");
        free(malloc(1000));
      }
      return nullptr;
    };
    Require(pthread_create(&thread, &attributes, body, nullptr) == 0, "a thread on its own stack");
    pthread_join(thread, nullptr);
    munmap(stack, kBytes);
    pthread_attr_destroy(&attributes);
  }
}

namespace {
constexpr uint8_t kPaint = 0xA5;
constexpr size_t kPaintedBytes = 256 << 10;

// Paints what lies below it, allocates, and looks how far down the paint is gone.
void* PaintAndAllocate(void* low) {
  uint8_t* const from = static_cast<uint8_t*>(low);
  uint8_t* const frame = static_cast<uint8_t*>(__builtin_frame_address(0));
  constexpr ptrdiff_t kOwn = 128;  // this frame
  for (volatile uint8_t* at = from; at < frame - kOwn; at++) *at = kPaint;
  free(Same(malloc(100)));
  uint8_t* at = from;
  while (at < frame - kOwn && *at == kPaint) at++;
  return reinterpret_cast<void*>(frame - at);
}
}  // namespace

size_t StackOfMalloc() {
  void* stack = mmap(nullptr, kPaintedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, kPaintedBytes);
  pthread_t thread;
  Require(pthread_create(&thread, &attributes, PaintAndAllocate, stack) == 0, "a thread on a painted stack");
  void* used = nullptr;
  pthread_join(thread, &used);
  munmap(stack, kPaintedBytes);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<size_t>(used);
}

namespace {
// From now on these calls fail, on all threads.
void Deny(uint32_t call, uint32_t same, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, same, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {std::size(filter), filter};
  Require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
  Require(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0, "a filter");
}
}  // namespace

void DenyWrites(int ways) { Deny(SYS_pwrite64, ways > 1 ? SYS_process_vm_writev : SYS_pwrite64, EPERM); }

void DenyReads(int) { Deny(SYS_process_vm_readv, SYS_process_vm_readv, EPERM); }

void DenyThreads(int) { Deny(SYS_clone, SYS_clone3, EAGAIN); }

}  // namespace torture
