// A fastbin chunk below a thread arena's top, in the shapes that count and in those that do not.
#include "ledger/glibc_arena_top.h"

#include "check.h"
#include "fake_peek.h"

namespace {

constexpr uint64_t kHeap = 0x7f0000000000;
constexpr uint64_t kArena = kHeap + 0x30;
constexpr uint64_t kMain = 0x55500000c000;  // the main arena: not at the start of a heap
constexpr uint64_t kTopOffset = 96, kNextOffset = 2160, kFastbinOffset = 16;
constexpr uint64_t kFree = kHeap + 0x10000;  // a free chunk of 1 MiB, in a bin
constexpr uint64_t kFreeBytes = 1 << 20;
constexpr uint64_t kFast = kFree + kFreeBytes;  // a fastbin chunk of 48 bytes behind it
constexpr uint64_t kTop = kFast + 48;

FakePeek Ring() {
  FakePeek memory;
  memory.Map(kArena / 4096 * 4096, kArena / 4096 * 4096 + 8192);
  memory.Map(kMain, kMain + 8192);
  memory.Write(kArena + kTopOffset, {kTop});
  memory.Write(kArena + kNextOffset, {kMain});
  memory.Write(kMain + kNextOffset, {kArena});
  memory.Write(kFree, {0, kFreeBytes | 1, 1, 1});
  memory.Write(kFast, {kFreeBytes, 48 | 4, 0});  // thread arena, previous chunk free
  return memory;
}

void AFastChunkBetweenFreeAndTopCosts() {
  FakePeek memory = Ring();
  memory.Write(kArena + kFastbinOffset + 8, {kFast});
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), kFreeBytes - 4096);
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kMain), kFreeBytes - 4096);  // anywhere into the ring
}

void ItIsFoundBehindOthers() {
  for (const bool mangled : {false, true}) {
    FakePeek memory = Ring();
    const uint64_t other = kHeap + 0x8000;
    const uint64_t link = mangled ? kFast ^ ((other + 16) >> 12) : kFast;
    memory.Write(other, {0, 48 | 5, link});
    memory.Write(kArena + kFastbinOffset + 8, {other});
    CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), kFreeBytes - 4096);
  }
}

void WithoutItNothingIsLost() {
  FakePeek memory = Ring();
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), 0u);
  memory.Write(kArena + kFastbinOffset + 8, {kFast});
  memory.Write(kFast, {kFreeBytes, 48 | 5, 0});  // previous chunk in use
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), 0u);
}

void GarbageEnds() {
  FakePeek memory = Ring();
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, 0), 0u);
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, 0x1234), 0u);
  memory.Write(kArena + kFastbinOffset + 8, {kFast});
  memory.Write(kFast + 16, {kFast ^ ((kFast + 16) >> 12)});  // a list that bites its tail
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), kFreeBytes - 4096);
  memory.Write(kArena + kNextOffset, {kArena + 0x100000});  // a ring that leads nowhere
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), kFreeBytes - 4096);
  memory.Write(kFast, {uint64_t{1} << 60, 48 | 4});  // a size that nobody has
  CHECK_EQUAL(extmem::BytesJoiningTops(memory, kArena), 0u);
}

}  // namespace

int main() {
  AFastChunkBetweenFreeAndTopCosts();
  ItIsFoundBehindOthers();
  WithoutItNothingIsLost();
  GarbageEnds();
  return check::Finish();
}
