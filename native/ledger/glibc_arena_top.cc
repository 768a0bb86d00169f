#include "ledger/glibc_arena_top.h"

#include <cstddef>

namespace extmem {
namespace {

constexpr size_t kFastbins = 10;
constexpr size_t kMaxFastChunks = 256;  // per arena; more are not looked at
constexpr size_t kMaxArenas = 1024;
constexpr uint64_t kChunkFlags = 7;
constexpr uint64_t kPrevInUse = 1;
constexpr uint64_t kHeapAlignment = uint64_t{8} << 20;  // the least, see anonymous.cc
constexpr uint64_t kMaxHeapBytes = uint64_t{64} << 20;
constexpr uint64_t kChunkHeaderBytes = 48;

struct ArenaState {
  uint32_t mutex, flags, have_fastchunks, pad;
  uint64_t fastbins[kFastbins];
  uint64_t top;
  uint64_t last_remainder;
  uint64_t bins[254];
  uint32_t binmap[4];
  uint64_t next;
};
static_assert(offsetof(ArenaState, top) == 96 && offsetof(ArenaState, next) == 2160, "layout of malloc_state");

struct Chunk {
  uint64_t previous_size;
  uint64_t size;
  uint64_t forward;
};

struct FastChunk {
  uint64_t address;
  uint64_t size;
};

bool ReadFastChunk(Peek& memory, uint64_t address, uint64_t size, Chunk* chunk) {
  return address != 0 && address % 16 == 0 && memory.Read(address, chunk, sizeof(*chunk)) &&
         (chunk->size & ~kChunkFlags) == size;
}

size_t CollectFastChunks(Peek& memory, const ArenaState& arena, FastChunk* into) {
  size_t count = 0;
  for (size_t bin = 0; bin < kFastbins; bin++) {
    const uint64_t size = 16 * (bin + 2);
    uint64_t at = arena.fastbins[bin];
    Chunk chunk;
    bool valid = ReadFastChunk(memory, at, size, &chunk);
    while (valid && count < kMaxFastChunks) {
      into[count++] = {at, size};
      const uint64_t plain = chunk.forward;
      const uint64_t mangled = plain ^ ((at + offsetof(Chunk, forward)) >> 12);
      if (plain == 0 || mangled == 0) break;
      valid = ReadFastChunk(memory, mangled, size, &chunk);
      if (valid) {
        at = mangled;
      } else {
        valid = ReadFastChunk(memory, plain, size, &chunk);
        at = plain;
      }
    }
  }
  return count;
}

uint64_t BytesJoiningTop(Peek& memory, const ArenaState& arena) {
  FastChunk fast[kMaxFastChunks];
  const size_t count = CollectFastChunks(memory, arena, fast);
  uint64_t top = arena.top;
  uint64_t joined = 0;
  for (size_t i = 0; i < count;) {
    if (fast[i].address + fast[i].size != top) {
      i++;
      continue;
    }
    top = fast[i].address;
    Chunk chunk;
    if (!memory.Read(top, &chunk, sizeof(chunk))) break;
    if ((chunk.size & kPrevInUse) == 0) {  // then the chunk below is free, and its size stands here
      Chunk below;
      const uint64_t size = chunk.previous_size;
      if (size > kMaxHeapBytes || size > top || !memory.Read(top - size, &below, sizeof(below))) break;
      if ((below.size & ~kChunkFlags) != size) break;
      top -= size;
      if (size >= kPageBytes + kChunkHeaderBytes) joined += size - kPageBytes;
    }
    i = 0;  // the new top may touch a chunk that was passed over
  }
  return joined;
}

}  // namespace

uint64_t BytesJoiningTops(Peek& memory, uint64_t any_arena) {
  uint64_t joined = 0;
  uint64_t address = any_arena;
  for (size_t visited = 0; visited < kMaxArenas && address != 0 && address % 8 == 0; visited++) {
    ArenaState arena;
    if (!memory.Read(address, &arena, sizeof(arena))) break;
    // Thread arenas live at the start of their first heap; the main arena is a variable of libc, and its top is
    // given back by a trim.
    const bool thread_arena = address % kHeapAlignment < kPageBytes;
    if (thread_arena && arena.top % 16 == 0) joined += BytesJoiningTop(memory, arena);
    address = arena.next;
    if (address == any_arena) break;
  }
  return joined;
}

}  // namespace extmem
