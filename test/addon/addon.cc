// Holds memory in every way that the tests ask about, and nothing else. Main thread only, apart from ChurnThreads.
//
// "Hoard" functions remember their blocks in one list, so that Free* can make holes of a known pattern in it. All
// blocks are written to, so that they are resident. Arguments are trusted: the tests are the only callers.

#include <fcntl.h>
#include <malloc.h>
#include <node_api.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kMaxArguments = 4;

std::vector<void*>& Hoarded() {
  static auto* blocks = new std::vector<void*>();  // Never destroyed: a test may exit with blocks in it.
  return *blocks;
}

// The volatile escape keeps the compiler from removing an allocation whose result nobody uses.
void* volatile g_escape;

void* AllocateTouched(size_t bytes) {
  void* block = malloc(bytes);
  if (block == nullptr) abort();
  memset(block, 1, bytes);
  g_escape = block;
  return block;
}

// Fixed seed and generator: the same holes on every run.
uint32_t NextRandom() {
  static uint64_t state = 88172645463325252ull;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 32);
}

struct Arguments {
  napi_value values[kMaxArguments];

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMaxArguments;  // Missing ones are filled with undefined.
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }

  size_t Size(size_t index) const {
    int64_t number = 0;
    napi_get_value_int64(env_, values[index], &number);
    return static_cast<size_t>(number);
  }

  bool Bool(size_t index) const {
    bool flag = false;
    napi_get_value_bool(env_, values[index], &flag);
    return flag;
  }

 private:
  napi_env env_;
};

void FreeBlock(napi_env, void* block, void*) { free(block); }

// leak(count, bytes): malloc and forget.
napi_value Leak(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  for (size_t i = 0; i < arguments.Size(0); ++i) AllocateTouched(arguments.Size(1));
  return nullptr;
}

// hoard(totalBytes, lowBytes, highBytes): blocks of random sizes, remembered.
napi_value Hoard(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const size_t total = arguments.Size(0);
  const size_t low = arguments.Size(1);
  const size_t span = arguments.Size(2) - low + 1;
  for (size_t held = 0; held < total;) {
    const size_t bytes = low + NextRandom() % span;
    Hoarded().push_back(AllocateTouched(bytes));
    held += bytes;
  }
  return nullptr;
}

// freeEvery(n): every n-th remembered block.
napi_value FreeEvery(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::vector<void*>& blocks = Hoarded();
  for (size_t i = 0; i < blocks.size(); i += arguments.Size(0)) {
    free(blocks[i]);
    blocks[i] = nullptr;
  }
  return nullptr;
}

// freeScattered(n): the same blocks in random order, so that a walk along the allocator's lists misses the cache.
napi_value FreeScattered(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::vector<void*>& blocks = Hoarded();
  std::vector<void*> doomed;
  for (size_t i = 0; i < blocks.size(); i += arguments.Size(0)) {
    doomed.push_back(blocks[i]);
    blocks[i] = nullptr;
  }
  for (size_t left = doomed.size(); left > 0; --left) {
    std::swap(doomed[NextRandom() % left], doomed[left - 1]);
    free(doomed[left - 1]);
  }
  return nullptr;
}

// freeButLast(n): all but the n youngest remembered blocks, which pin the top of the heap.
napi_value FreeButLast(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::vector<void*>& blocks = Hoarded();
  const size_t doomed = blocks.size() - std::min(blocks.size(), arguments.Size(0));
  for (size_t i = 0; i < doomed; ++i) free(blocks[i]);
  blocks.erase(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(doomed));
  return nullptr;
}

// churnThreads(threads, bytesEach, blockBytes, keepEvery): concurrent threads, so that each gets an arena. Each
// allocates, frees all but every keepEvery-th block (0 keeps none), and ends. All live before one starts to free.
napi_value ChurnThreads(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const size_t bytes_each = arguments.Size(1);
  const size_t block_bytes = arguments.Size(2);
  const size_t keep_every = arguments.Size(3);
  std::vector<std::thread> threads;
  pthread_barrier_t all_allocated;
  pthread_barrier_init(&all_allocated, nullptr, static_cast<unsigned>(arguments.Size(0)));
  for (size_t i = 0; i < arguments.Size(0); ++i) {
    threads.emplace_back([=, &all_allocated] {
      std::vector<void*> blocks(bytes_each / block_bytes);
      for (void*& block : blocks) block = AllocateTouched(block_bytes);
      pthread_barrier_wait(&all_allocated);
      for (size_t k = 0; k < blocks.size(); ++k) {
        if (keep_every == 0 || k % keep_every != 0) free(blocks[k]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  pthread_barrier_destroy(&all_allocated);
  return nullptr;
}

// parkThreads(count): threads that live and do nothing, as those of a client library that is never closed. A detached
// thread ends with the process.
napi_value ParkThreads(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  for (size_t i = 0; i < arguments.Size(0); ++i) {
    std::thread([] {
      for (;;) pause();
    }).detach();
  }
  return nullptr;
}

// mapAnonymous(count, bytes): the addon's own mmap, which no allocator knows of.
napi_value MapAnonymous(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  for (size_t i = 0; i < arguments.Size(0); ++i) {
    void* map = mmap(nullptr, arguments.Size(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) abort();
    memset(map, 1, arguments.Size(1));
  }
  return nullptr;
}

// mapFile(path): every page read.
napi_value MapFile(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  char path[4096];
  napi_get_value_string_utf8(env, arguments.values[0], path, sizeof path, nullptr);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) abort();
  const size_t bytes = static_cast<size_t>(lseek(fd, 0, SEEK_END));
  const auto* map = static_cast<const volatile char*>(mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0));
  close(fd);
  if (map == MAP_FAILED) abort();
  for (size_t offset = 0; offset < bytes; offset += kPageBytes) static_cast<void>(map[offset]);
  return nullptr;
}

// splitMappings(count): one region cut into `count` mappings by alternating protections.
napi_value SplitMappings(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const size_t count = arguments.Size(0);
  auto* map =
      static_cast<char*>(mmap(nullptr, count * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (map == MAP_FAILED) abort();
  memset(map, 1, count * kPageBytes);
  for (size_t page = 0; page < count; page += 2) {
    if (mprotect(map + page * kPageBytes, kPageBytes, PROT_READ) != 0) abort();
  }
  return nullptr;
}

// externalBuffer(bytes): a Buffer over a block of ours, freed with it.
napi_value ExternalBuffer(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const size_t bytes = arguments.Size(0);
  napi_value buffer;
  napi_create_external_buffer(env, bytes, AllocateTouched(bytes), FreeBlock, nullptr, &buffer);
  return buffer;
}

// wrap(bytes, declared): an object that owns a block, which is told to V8 or not.
napi_value Wrap(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const size_t bytes = arguments.Size(0);
  napi_value wrapper;
  napi_create_external(env, AllocateTouched(bytes), FreeBlock, nullptr, &wrapper);
  int64_t declared_bytes;
  if (arguments.Bool(1)) napi_adjust_external_memory(env, static_cast<int64_t>(bytes), &declared_bytes);
  return wrapper;
}

// trim(): malloc_trim(0). True if it gave anything back.
napi_value Trim(napi_env env, napi_callback_info) {
  napi_value gave_back;
  napi_get_boolean(env, malloc_trim(0) == 1, &gave_back);
  return gave_back;
}

// counters(): what glibc says, as [arena, hblkhd, uordblks, fordblks, keepcost].
napi_value Counters(napi_env env, napi_callback_info) {
  const struct mallinfo2 info = mallinfo2();
  const size_t fields[] = {info.arena, info.hblkhd, info.uordblks, info.fordblks, info.keepcost};
  napi_value result;
  napi_create_array(env, &result);
  for (uint32_t i = 0; i < std::size(fields); ++i) {
    napi_value number;
    napi_create_int64(env, static_cast<int64_t>(fields[i]), &number);
    napi_set_element(env, result, i, number);
  }
  return result;
}

constexpr struct {
  const char* name;
  napi_callback function;
} kExports[] = {
    {"leak", Leak},
    {"hoard", Hoard},
    {"freeEvery", FreeEvery},
    {"freeScattered", FreeScattered},
    {"freeButLast", FreeButLast},
    {"churnThreads", ChurnThreads},
    {"parkThreads", ParkThreads},
    {"mapAnonymous", MapAnonymous},
    {"mapFile", MapFile},
    {"splitMappings", SplitMappings},
    {"externalBuffer", ExternalBuffer},
    {"wrap", Wrap},
    {"trim", Trim},
    {"counters", Counters},
};

}  // namespace

NAPI_MODULE_INIT() {
  for (const auto& entry : kExports) {
    napi_value function;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, nullptr, &function);
    napi_set_named_property(env, exports, entry.name, function);
  }
  return exports;
}
