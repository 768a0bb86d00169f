#include "ledger/allocator.h"

#include <stdio.h>
#include <uv.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "ledger/glibc_malloc_info.h"
#include "os/clock.h"

namespace extmem {
namespace {

using MallocInfoCall = int (*)(int, FILE*);
using MallctlCall = int (*)(const char*, void*, size_t*, void*, size_t);
using TcmallocCall = int (*)(const char*, size_t*);
using MimallocCall = void (*)(size_t*, size_t*, size_t*, size_t*, size_t*, size_t*, size_t*, size_t*);

struct Symbols {
  AllocatorKind kind = AllocatorKind::kUnknown;
  MallocInfoCall malloc_info = nullptr;
  MallctlCall mallctl = nullptr;
  TcmallocCall tcmalloc = nullptr;
  MimallocCall mimalloc = nullptr;
};

template <typename Call>
Call Find(uv_lib_t* program, const char* name) {
  void* address = nullptr;
  return uv_dlsym(program, name, &address) == 0 ? reinterpret_cast<Call>(address) : nullptr;
}

// Whether the candidate itself says that it made a living block: a library may be linked for its own use only.
bool Owns(const Symbols& found, AllocatorKind kind, uv_lib_t* program, void* block) {
  if (kind == AllocatorKind::kJemalloc) {
    unsigned arena = 0;
    size_t size = sizeof(arena);
    constexpr int kNoSuchName = 2;  // ENOENT: before jemalloc 5.1 it cannot be asked
    const int refused = found.mallctl("arenas.lookup", &arena, &size, &block, sizeof(block));
    return refused == 0 || refused == kNoSuchName;
  }
  if (kind == AllocatorKind::kTcmalloc) {
    const auto ownership = Find<int (*)(const void*)>(program, "MallocExtension_GetOwnership");
    constexpr int kNotOwned = 2;
    return ownership == nullptr || ownership(block) != kNotOwned;
  }
  if (kind == AllocatorKind::kMimalloc) {
    const auto contains = Find<bool (*)(const void*)>(program, "mi_is_in_heap_region");
    return contains == nullptr || contains(block);
  }
  return false;
}

Symbols Detect() {
  Symbols found;
  // The program's own global scope: an allocator that is only inside some library (RTLD_LOCAL) is not found, and
  // rightly so, for it does not serve malloc.
  uv_lib_t program;
  if (uv_dlopen(nullptr, &program) != 0) {
    uv_dlclose(&program);  // frees the message
    return found;
  }
  found.mallctl = Find<MallctlCall>(&program, "mallctl");
  found.tcmalloc = Find<TcmallocCall>(&program, "MallocExtension_GetNumericProperty");
  found.mimalloc = Find<MimallocCall>(&program, "mi_process_info");
  void* const block = std::malloc(64);
  if (found.mallctl != nullptr && Owns(found, AllocatorKind::kJemalloc, &program, block)) {
    found.kind = AllocatorKind::kJemalloc;
  } else if (found.tcmalloc != nullptr && Owns(found, AllocatorKind::kTcmalloc, &program, block)) {
    found.kind = AllocatorKind::kTcmalloc;
  } else if (found.mimalloc != nullptr && Owns(found, AllocatorKind::kMimalloc, &program, block)) {
    found.kind = AllocatorKind::kMimalloc;
  } else if (Find<void*>(&program, "gnu_get_libc_version") != nullptr) {
    found.kind = AllocatorKind::kGlibc;
    found.malloc_info = Find<MallocInfoCall>(&program, "malloc_info");
  }
  std::free(block);
  uv_dlclose(&program);
  return found;
}

const Symbols& Get() {
  static const Symbols symbols = Detect();
  return symbols;
}

double JemallocBytes(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  const int refused = Get().mallctl(name, &value, &size, nullptr, 0);
  return refused != 0 ? NAN : static_cast<double>(value);
}

void ReadJemalloc(AllocatorCounters* counters) {
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  Get().mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch));  // statistics are a copy that this refreshes
  counters->in_use_bytes = JemallocBytes("stats.allocated");
  counters->system_bytes = JemallocBytes("stats.mapped");
}

void ReadTcmalloc(AllocatorCounters* counters) {
  size_t value = 0;
  if (Get().tcmalloc("generic.current_allocated_bytes", &value) != 0)
    counters->in_use_bytes = static_cast<double>(value);
  if (Get().tcmalloc("generic.heap_size", &value) != 0) counters->system_bytes = static_cast<double>(value);
}

void ReadMimalloc(AllocatorCounters* counters) {
  size_t ignored = 0;
  size_t commit = 0;
  Get().mimalloc(&ignored, &ignored, &ignored, &ignored, &ignored, &commit, &ignored, &ignored);
  // Release builds keep no count of what is in use.
  if (commit > 0) counters->system_bytes = static_cast<double>(commit);
}

// Streams the XML into the parser: a buffer that grows would itself change the heap that is described.
ssize_t FeedParser(void* parser, const char* text, size_t length) {
  static_cast<MallocInfoParser*>(parser)->Feed(text, length);
  return static_cast<ssize_t>(length);
}

// malloc_info, not mallinfo: that counts in int and wraps at 2 GiB. mallinfo2 does not, but is new in glibc 2.33, walks
// the same chunks, and does not tell what a trim would give back.
void ReadGlibc(AllocatorCounters* counters) {
  if (!HasMallocInfo()) return;
  MallocInfoParser parser;
  cookie_io_functions_t io{};
  io.write = FeedParser;
  FILE* stream = fopencookie(&parser, "w", io);
  if (stream == nullptr) return;
  char buffer[1024];  // or stdio takes one from the heap that is described
  setvbuf(stream, buffer, _IOFBF, sizeof(buffer));
  const double start_cpu_us = ThreadCpuUs();
  const int failed = Get().malloc_info(0, stream);
  counters->call_us = ThreadCpuUs() - start_cpu_us;
  fclose(stream);
  const MallocInfo info = parser.Finish();
  if (failed != 0 || !info.complete) return;
  counters->in_use_bytes = static_cast<double>(info.in_use_bytes);
  counters->system_bytes = static_cast<double>(info.system_bytes);
  counters->mmapped_bytes = static_cast<double>(info.mmapped_bytes);
  counters->reclaimable_bytes = static_cast<double>(info.reclaimable_bytes);
}

}  // namespace

AllocatorKind DetectAllocator() { return Get().kind; }

const char* AllocatorName(AllocatorKind kind) {
  switch (kind) {
    case AllocatorKind::kGlibc:
      return "glibc";
    case AllocatorKind::kJemalloc:
      return "jemalloc";
    case AllocatorKind::kTcmalloc:
      return "tcmalloc";
    case AllocatorKind::kMimalloc:
      return "mimalloc";
    case AllocatorKind::kUnknown:
      break;
  }
  return "unknown";
}

bool HasMallocInfo() { return Get().malloc_info != nullptr; }

AllocatorCounters ReadAllocator() {
  AllocatorCounters counters{NAN, NAN, NAN, NAN, NAN};
  const double start_cpu_us = ThreadCpuUs();
  switch (DetectAllocator()) {
    case AllocatorKind::kGlibc:
      ReadGlibc(&counters);
      return counters;
    case AllocatorKind::kJemalloc:
      ReadJemalloc(&counters);
      break;
    case AllocatorKind::kTcmalloc:
      ReadTcmalloc(&counters);
      break;
    case AllocatorKind::kMimalloc:
      ReadMimalloc(&counters);
      break;
    case AllocatorKind::kUnknown:
      return counters;
  }
  counters.call_us = ThreadCpuUs() - start_cpu_us;
  return counters;
}

uint64_t PreloadedAllocatorBytes() {
  const AllocatorKind kind = DetectAllocator();
  if (kind == AllocatorKind::kGlibc || kind == AllocatorKind::kUnknown) return 0;
  double bytes = ReadAllocator().system_bytes;
  // "mapped" leaves out metadata, "resident" contains it; which of the two is larger is not fixed.
  if (kind == AllocatorKind::kJemalloc) bytes = std::fmax(bytes, JemallocBytes("stats.resident"));
  return bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace extmem
