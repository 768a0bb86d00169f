// Mappings and what is peeked in them -> leaves. Each rule has its case, and its twin that must not match.
#include "ledger/mappings.h"

#include <fstream>
#include <string>
#include <vector>

#include "check.h"
#include "fake_peek.h"
#include "ledger/anonymous.h"

using extmem::ClassifyMappings;
using extmem::ClassifyOptions;
using extmem::Leaf;
using extmem::Ledger;
using extmem::SmapsParser;
using extmem::Vma;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kArenaStart = 0x7f0000000000;

// A process under construction: text of mappings, and the memory behind them.
struct Process {
  FakePeek memory;
  ClassifyOptions options;
  std::string text;
  Ledger ledger;

  void Map(uint64_t start, uint64_t size, const char* permissions, uint64_t rss, const char* flags,
           const char* name = "", uint64_t offset = 0) {
    char line[512];
    std::snprintf(line, sizeof(line), "%llx-%llx %s %08llx 00:00 0 %s\nRss: %llu kB\nPss: %llu kB\n%s%s\n",
                  static_cast<unsigned long long>(start), static_cast<unsigned long long>(start + size), permissions,
                  static_cast<unsigned long long>(offset), name, static_cast<unsigned long long>(rss / 1024),
                  static_cast<unsigned long long>(rss / 1024),
                  flags == nullptr ? "" : "VmFlags: ", flags == nullptr ? "Nothing: 0" : flags);
    text += line;
    if (rss > 0) memory.Map(start, start + rss);
  }
  uint64_t operator[](Leaf leaf) const { return ledger.leaf_bytes[static_cast<size_t>(leaf)]; }

  void Classify() {
    std::vector<Vma> table(100000);
    SmapsParser parser(table.data(), table.size());
    parser.Feed(text.data(), text.size());
    parser.Finish();
    ledger = Ledger{};
    ClassifyMappings(table.data(), parser.count(), options, memory, &ledger);
    uint64_t sum = 0;
    uint64_t rss = 0;
    for (uint64_t bytes : ledger.leaf_bytes) sum += bytes;
    for (size_t i = 0; i < parser.count(); i++) rss += table[i].rss_bytes();
    CHECK_EQUAL(sum, rss);
    CHECK_EQUAL(sum, ledger.rss_bytes);
    CHECK_EQUAL(ledger.files_clean_bytes + ledger.files_dirty_bytes + ledger.files_bss_bytes,
                ledger.leaf_bytes[static_cast<size_t>(Leaf::kFiles)]);
    CHECK_EQUAL(ledger.malloc_brk_bytes + ledger.malloc_arena_bytes + ledger.malloc_mmapped_bytes,
                ledger.leaf_bytes[static_cast<size_t>(Leaf::kMalloc)]);
  }
};

void NothingHasNothing() {
  Process process;
  process.Classify();
  CHECK_EQUAL(process.ledger.rss_bytes, 0u);
}

void NamesDecideFirst() {
  Process process;
  process.Map(0x1000000, kMiB, "rw-p", kMiB, "rd wr ac", "[heap]");
  process.Map(0x2000000, kMiB, "r--p", 8192, "rd", "/usr/lib/libx.so", 0x1000);
  process.Map(0x3000000, kMiB, "rw-s", 16384, "rd wr sh", "/dev/shm/x");
  process.Map(0x4000000, kMiB, "rw-s", 4096, "rd wr sh", "/srv/data.mdb");
  process.Map(0x5000000, kMiB, "rw-p", 12288, "rd wr gd ac", "[stack]");
  process.Map(0x6000000, 8192, "r-xp", 4096, "rd ex", "[vdso]");
  process.Classify();
  CHECK_EQUAL(process[Leaf::kMalloc], kMiB);
  CHECK_EQUAL(process.ledger.malloc_brk_bytes, kMiB);
  CHECK_EQUAL(process[Leaf::kFiles], 8192u + 4096u);
  CHECK_EQUAL(process[Leaf::kShared], 16384u);
  CHECK_EQUAL(process[Leaf::kStacks], 12288u);
  CHECK_EQUAL(process[Leaf::kRuntime], 4096u);
}

void HeapPagesOfEveryVersion() {
  const uint64_t v11 = 0x10000000, v12 = 0x20000000, v14 = 0x30000000, read_only = 0x40000000, none = 0x50000000;
  Process process;
  for (uint64_t page : {v11, v12, v14, read_only, none}) process.Map(page, 256 * 1024, "rw-p", 256 * 1024, "dc nr");
  process.memory.Write(v11, {0x40000, 4, 0x1000, v11 + 0x1148, v11 + 0x40000});
  process.memory.Write(v12, {4, v12, 0x40000, 0x1000, v12 + 0x1140});
  process.memory.Map(0x60000000, 0x60001000);
  process.memory.Write(v14, {0x104, 0x60000000});
  process.memory.Write(0x60000000, {0x6b8ed90, v14, 0x40000, 0});
  process.memory.Write(read_only, {0x81140, 0x60000100});
  process.memory.Write(0x60000100, {0, 0, 0, 0x1de60});
  process.Classify();
  CHECK_EQUAL(process[Leaf::kV8Heap], 4u * 256 * 1024);
  CHECK_EQUAL(process[Leaf::kV8Other], 256u * 1024);
}

void CodeWasmAndBuffers() {
  Process process;
  process.Map(0x100000000, kMiB, "rwxp", 16384, "rd wr ex dc nr");
  const uint64_t wasm = 0x7f1000000000;
  process.Map(wasm, 10 * kMiB, "rw-p", 10 * kMiB, "dc nr");
  process.Map(wasm + 10 * kMiB, 8192 * kMiB, "---p", 0, "dc nr");
  const uint64_t buffer = 0x7f2000000000;
  process.Map(buffer, 20 * kMiB, "rw-p", 20 * kMiB, "dc nr");
  process.Map(buffer + 20 * kMiB, 80 * kMiB, "---p", 0, "dc nr");
  const uint64_t table = 0x7f3000000000;  // read-only segment, table, reservation: 256 MiB of V8's own
  process.Map(table, 65536, "r--p", 0, "dc nr");
  process.Map(table + 65536, kMiB, "rw-p", kMiB, "dc nr");
  process.Map(table + 65536 + kMiB, 255 * kMiB - 65536, "---p", 0, "dc nr");
  process.Classify();
  CHECK_EQUAL(process[Leaf::kV8Code], 16384u);
  CHECK_EQUAL(process[Leaf::kWasm], 10 * kMiB);
  CHECK_EQUAL(process[Leaf::kResizableBuffers], 20 * kMiB);
  CHECK_EQUAL(process[Leaf::kV8Other], kMiB);
}

void ABufferAtItsLimitIsTold() {
  Process process;
  const uint64_t full = 0x7f2000000000;
  process.Map(full, 20 * kMiB, "rw-p", 20 * kMiB, "dc nr");
  const uint64_t cppgc = 0x7f3000000000;  // two pages of the C++ heap, and a buffer merged behind them
  process.Map(cppgc, 256 * 1024 + 20 * kMiB, "rw-p", 8192 + 20 * kMiB, "dc nr");
  process.memory.Map(cppgc + 8192, cppgc + 256 * 1024 + 20 * kMiB);
  process.memory.Write(cppgc, {0x42a20f78, 0x42a213d0});
  process.memory.Write(cppgc + 128 * 1024, {0x42a20f78, 0x42a214d0});
  process.Map(0x7f4000000000, 256 * 1024, "rw-p", 256 * 1024, "dc nr");  // too small to say
  process.Classify();
  CHECK_EQUAL(process[Leaf::kResizableBuffers], 40 * kMiB);
  CHECK_EQUAL(process[Leaf::kV8Other], 8192u + 256 * 1024);
}

void ABufferMergedBehindAHeapPageIsSplit() {
  Process process;
  const uint64_t page = 0x10000000;
  process.Map(page, 256 * 1024 + 4 * kMiB, "rw-p", 256 * 1024 + 3 * kMiB, "dc nr");
  process.Map(page + 256 * 1024 + 4 * kMiB, 80 * kMiB, "---p", 0, "dc nr");
  process.memory.Write(page, {0x40000, 4, 0x1000, page + 0x1148, page + 0x40000});
  process.Classify();
  CHECK_EQUAL(process[Leaf::kV8Heap], 256u * 1024);
  CHECK_EQUAL(process[Leaf::kResizableBuffers], 3 * kMiB);
}

// Mappings that somebody was seen making, for SeenMappingsAreNamed.
constexpr extmem::Range kSeen[] = {{0x20000000, 0x20000000 + 2 * kMiB}, {0x30000000, 0x30000000 + kMiB}};
bool NextSeen(uint64_t address, uint64_t* start, uint64_t* end) {
  for (const extmem::Range& range : kSeen) {
    if (range.end <= address) continue;
    *start = range.start;
    *end = range.end;
    return true;
  }
  return false;
}

void SeenMappingsAreNamed() {
  Process process;
  process.options.next_seen = NextSeen;
  process.Map(0x10000000, kMiB, "rw-p", kMiB, "rd wr ac");          // nobody was seen
  process.Map(0x20000000, 2 * kMiB, "rw-p", 2 * kMiB, "rd wr ac");  // all of it
  process.Map(0x2ff00000, 3 * kMiB, "rw-p", 2 * kMiB, "rd wr ac");  // merged with neighbours of unknown origin
  process.Map(0x40000000, kMiB, "rw-p", kMiB, "rd wr ac nr");
  process.Classify();
  CHECK_EQUAL(process[Leaf::kMmap], 3 * kMiB);
  CHECK_EQUAL(process[Leaf::kUnattributed], 3 * kMiB);
  process.memory.refuse_pagemap = true;  // then only a whole mapping can be told
  process.Classify();
  CHECK_EQUAL(process[Leaf::kMmap], 2 * kMiB);
  CHECK_EQUAL(process[Leaf::kUnattributed], 4 * kMiB);
}

void WhatIsRecognisedKeepsItsName() {
  Process process;
  process.options.next_seen = NextSeen;
  process.Map(0x20000000, 2 * kMiB, "rw-p", 2 * kMiB, "rd wr ac");
  process.memory.Write(0x20000000, {0, 2 * kMiB | 2});  // an mmapped chunk of malloc
  process.Classify();
  CHECK_EQUAL(process[Leaf::kMalloc], 2 * kMiB);
  CHECK_EQUAL(process[Leaf::kMmap], 0u);
}

void ArenasAreFoundByTheirHeaders() {
  Process process;
  // One full heap merged with the next one, which is partly used and has shrunk.
  process.Map(kArenaStart, 65 * kMiB, "rw-p", 2 * kMiB, "nr");
  process.memory.Write(kArenaStart, {kArenaStart + 0x30, 0, 64 * kMiB, 64 * kMiB});
  process.memory.Map(kArenaStart + 64 * kMiB, kArenaStart + 64 * kMiB + 4096);
  process.memory.Write(kArenaStart + 64 * kMiB, {kArenaStart + 0x30, kArenaStart, kMiB / 2, kMiB});
  process.Map(kArenaStart + 128 * kMiB, kMiB, "rw-p", kMiB, "nr");  // the same place, no header
  const uint64_t liar = kArenaStart + 192 * kMiB;                   // more in use than is writable
  process.Map(liar, kMiB, "rw-p", kMiB, "nr");
  process.memory.Write(liar, {kArenaStart + 0x30, 0, 2 * kMiB, kMiB});
  process.Classify();
  CHECK_EQUAL(process.ledger.malloc_arena_bytes, 2 * kMiB);
  CHECK_EQUAL(process.ledger.any_arena, kArenaStart + 0x30);
  CHECK_EQUAL(process[Leaf::kUnattributed], 2 * kMiB);
}

void ChunksAreWalkedThroughMergedMappings() {
  Process process;
  const uint64_t start = 0x7f4000000000;
  const uint64_t chunk = kMiB + 4096;
  // chunk, chunk, 16 pages of somebody else, an aligned chunk whose header lies 4080 bytes into its first page
  process.Map(start, 3 * chunk + 65536, "rw-p", 3 * chunk + 65536, "ac");
  process.memory.Write(start, {0, chunk | 2});
  process.memory.Write(start + chunk, {0, chunk | 2});
  process.memory.Write(start + 2 * chunk + 65536 + 4080, {4080, (chunk - 4080) | 2});
  process.Classify();
  CHECK_EQUAL(process.ledger.malloc_mmapped_bytes, 3 * chunk);
  CHECK_EQUAL(process[Leaf::kUnattributed], 65536u);
  process.memory.refuse_pagemap = true;  // then by proportion, and the sum still holds
  process.Classify();
  CHECK_EQUAL(process.ledger.malloc_mmapped_bytes + process[Leaf::kUnattributed], 3 * chunk + 65536);
}

void UntouchedChunksDoNotTakeTheirNeighboursBytes() {
  Process process;
  const uint64_t start = 0x7f4000000000;
  process.Map(start, 101 * kMiB, "rw-p", 4096, "ac");
  process.memory.Write(start, {0, (100 * kMiB) | 2});
  process.memory.Map(start + 100 * kMiB, start + 101 * kMiB);
  process.text = process.text.replace(process.text.find("Rss: 4 kB"), 9, "Rss: 1028 kB");
  process.Classify();
  CHECK_EQUAL(process.ledger.malloc_mmapped_bytes, 4096u);
  CHECK_EQUAL(process[Leaf::kUnattributed], kMiB);
}

// Pages come and go between the reading of smaps and that of the page map.
void MoreResidentThanRssIsCutToRss() {
  Process process;
  const uint64_t start = 0x7f4000000000;
  process.Map(start, 3 * kMiB, "rw-p", 8192, "ac");
  process.memory.Write(start, {0, (2 * kMiB) | 2});
  process.memory.Map(start, start + 3 * kMiB);
  process.Classify();
  CHECK_EQUAL(process[Leaf::kUnattributed], 8192u);
  CHECK_EQUAL(process[Leaf::kMalloc], 0u);
}

void LookingInVainIsBounded() {
  Process process;
  for (uint64_t i = 0; i < 1000; i++) process.Map(0x7f4000000000 + i * 4 * kMiB, kMiB, "rw-p", kMiB, "ac");
  process.Classify();
  CHECK_EQUAL(process[Leaf::kUnattributed], 1000 * kMiB);
  CHECK(process.memory.reads < 35000);
  process.options.deep = true;
  process.memory.reads = 0;
  process.Classify();
  CHECK(process.memory.reads < 35000);
}

void MainArenaByMmapAndAbseil() {
  Process process;
  const uint64_t arena = 0x7f5000000000;
  process.Map(arena, kMiB, "rw-p", kMiB, "ac");
  process.memory.Write(arena, {0, 0x1001});
  for (uint64_t at = 0x1000; at < kMiB; at += 0x1000) process.memory.Write(arena + at, {0, 0x1001});
  const uint64_t left_behind = 0x7f5100000000;  // free but for one chunk, then fenceposts, then the rest of a page
  process.Map(left_behind, 8192, "rw-p", 8192, "ac");
  process.memory.Write(left_behind, {0, 0x1001});
  process.memory.Write(left_behind + 0x1000, {0x1000, 0x800});
  process.memory.Write(left_behind + 0x1800, {0, 0x11, 0, 0x11});
  const uint64_t abseil = 0x7f6000000000;
  process.Map(abseil, kMiB, "rw-p", kMiB - 4096, "ac");
  process.memory.Write(abseil, {kMiB - 65536, 0x4c833e95 ^ abseil});
  process.memory.Write(abseil + kMiB - 65536, {65536, ~uint64_t{0x4c833e95} ^ (abseil + kMiB - 65536)});
  const uint64_t neither = 0x7f7000000000;
  process.Map(neither, kMiB, "rw-p", kMiB, "ac");
  process.memory.Write(neither, {0, 0x1001, 0, 0});
  process.Classify();
  CHECK_EQUAL(process.ledger.malloc_brk_bytes, kMiB + 8192);
  CHECK_EQUAL(process[Leaf::kRuntime], kMiB - 4096);
  CHECK_EQUAL(process[Leaf::kUnattributed], kMiB);
}

void StacksLiveAndCached() {
  Process process;
  const uint64_t live = 0x7f8000000000, cached = 0x7f9000000000, fibre = 0x7fa000000000, huge = 0x7fb000000000;
  const uint64_t size = 8 * kMiB;
  for (uint64_t stack : {live, cached, fibre}) {
    process.Map(stack - 4096, 4096, "---p", 0, "nh");
    process.Map(stack, size, "rw-p", 8192, "ac nh");
    process.memory.Map(stack + size - 16384, stack + size);
  }
  for (uint64_t stack : {live, cached}) {
    const uint64_t self = stack + size - 0x900;
    process.memory.Write(self, {self, 0, self});
    process.memory.Write(self + 0x2d0, {stack == live ? 1234u : 0u});
  }
  process.Map(huge, size, "rw-p", 8192, "ac nh");  // MADV_NOHUGEPAGE without a guard is no stack
  process.Classify();
  CHECK_EQUAL(process[Leaf::kStacks], 3u * 8192);
  CHECK_EQUAL(process.ledger.live_stacks, 1u);
  CHECK_EQUAL(process.ledger.cached_stacks, 1u);
  CHECK_EQUAL(process[Leaf::kUnattributed], 8192u);
}

// Before kernel 6.7 no flag marks a stack, and the kernel merges it with what lies above.
void AStackMergedWithAChunkIsSplit() {
  for (const uint64_t size : {8 * kMiB, 4 * kMiB - 4096, uint64_t{65536}}) {
    Process process;
    const uint64_t stack = 0x7f8000000000;
    process.Map(stack - 4096, 4096, "---p", 0, "ac");
    process.Map(stack, size + 2 * kMiB, "rw-p", 8192, "ac");
    process.memory.Map(stack + size - 8192, stack + size);
    const uint64_t self = stack + size - 0x900;
    process.memory.Write(self, {self, 0, self});
    process.memory.Write(self + 0x2d0, {77});
    process.memory.Map(stack + size, stack + size + 4096);
    process.memory.Write(stack + size, {0, (2 * kMiB) | 2});
    process.text.replace(process.text.find("Rss: 8 kB"), 9, "Rss: 20 kB");
    process.Classify();
    CHECK_EQUAL(process[Leaf::kStacks], 16384u);
    CHECK_EQUAL(process.ledger.malloc_mmapped_bytes, 4096u);
    CHECK_EQUAL(process.ledger.live_stacks, 1u);
  }
}

void ChunksBehindAStrangersMegabyteAreFound() {
  Process process;
  const uint64_t start = 0x7f4000000000;
  process.Map(start, 5 * kMiB, "rw-p", 5 * kMiB, "ac");
  process.memory.Write(start, {0, kMiB | 2});
  process.memory.Write(start + 4 * kMiB, {0, kMiB | 2});
  process.Classify();
  CHECK_EQUAL(process.ledger.chunk_bytes, kMiB);  // so the caller, who knows of two, asks again
  process.options.deep = true;
  process.Classify();
  CHECK_EQUAL(process.ledger.chunk_bytes, 2 * kMiB);
  CHECK_EQUAL(process.ledger.malloc_mmapped_bytes, 2 * kMiB);
  CHECK_EQUAL(process[Leaf::kUnattributed], 3 * kMiB);
}

// Linked to run at `address`: 0 for a library, the base itself for a program that is not position independent.
void BssEndsWhereTheImageEnds(uint64_t base, uint64_t address) {
  Process process;
  process.Map(base, 4096, "r--p", 4096, "rd", "/usr/lib/libx.so");
  process.Map(base + 4096, 4096, "rw-p", 4096, "rd wr ac", "/usr/lib/libx.so", 4096);
  process.Map(base + 8192, 8192 + kMiB, "rw-p", 8192 + kMiB, "rd wr ac");
  // ELF header: magic, class 64; one program header at 64: PT_LOAD, memory image of four pages from `address` on.
  process.memory.Write(base, {0x00010102464c457f, 0, 0, 0, 64, 0, 0, 0x38003800400000});
  process.memory.Write(base + 32, {64, 0});
  process.memory.Write(base + 48, {uint64_t{0x40} << 32 | uint64_t{0x38} << 48, 1});
  process.memory.Write(base + 64, {1, 0, address, address, 4096, 16384, 4096});
  process.memory.Write(base + 16384, {0, kMiB | 2});
  process.Classify();
  CHECK_EQUAL(process.ledger.files_bss_bytes, 8192u);
  CHECK_EQUAL(process.ledger.malloc_mmapped_bytes, kMiB);
  CHECK_EQUAL(process[Leaf::kUnattributed], 0u);
}

void APreloadedAllocatorNeedsItsHabitAndItsAccount() {
  const uint64_t start = 0x7fd000000000;
  const auto make = [&](uint64_t block, uint64_t budget) {
    Process process;
    process.Map(start, 4 * kMiB, "rw-p", 4 * kMiB, "nr");
    process.Map(start + 8 * kMiB, 4 * kMiB, "rw-p", 4 * kMiB, "ac");
    process.options.malloc_block = block;
    process.options.malloc_budget_bytes = budget;
    process.Classify();
    return process[Leaf::kMalloc];
  };
  CHECK_EQUAL(make(start + 64, 100 * kMiB), 4 * kMiB);
  CHECK_EQUAL(make(start + 64, 3 * kMiB), 3 * kMiB);         // no more than it says it holds
  CHECK_EQUAL(make(start + 8 * kMiB + 64, 100 * kMiB), 0u);  // its blocks are not in such mappings
  CHECK_EQUAL(make(0, 0), 0u);
}

void OwnWorkspacesAreRuntime() {
  Process process;
  process.Map(0x7fe000001000, kMiB, "rw-p", kMiB, "nr");
  const extmem::Range own{0x7fe000000000, 0x7fe001000000};
  process.options.own = &own;
  process.options.own_count = 1;
  process.Classify();
  CHECK_EQUAL(process[Leaf::kRuntime], kMiB);
}

void UnreadableMemoryIsNotAsked() {
  Process process;
  process.Map(0x7ff000000000, kMiB, "---p", kMiB, "mr mw me ac");
  process.Classify();
  CHECK_EQUAL(process.memory.reads, 0u);
  CHECK_EQUAL(process[Leaf::kUnattributed], kMiB);
}

// Real processes with every peek refused: less is named, the sum holds, and what names alone tell is there.
void RealTextWithoutPeeks(const char* path) {
  Process process;
  std::ifstream file(path);
  process.text.assign((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  process.memory.refuse_reads = true;
  process.memory.refuse_pagemap = true;
  process.Classify();
  CHECK(process.ledger.rss_bytes > 10 * kMiB);
  CHECK(process[Leaf::kFiles] > kMiB);
  CHECK(process[Leaf::kStacks] > 0);
}

}  // namespace

int main(int argc, char** argv) {
  NothingHasNothing();
  NamesDecideFirst();
  HeapPagesOfEveryVersion();
  CodeWasmAndBuffers();
  ABufferAtItsLimitIsTold();
  ABufferMergedBehindAHeapPageIsSplit();
  SeenMappingsAreNamed();
  WhatIsRecognisedKeepsItsName();
  ArenasAreFoundByTheirHeaders();
  ChunksAreWalkedThroughMergedMappings();
  UntouchedChunksDoNotTakeTheirNeighboursBytes();
  MoreResidentThanRssIsCutToRss();
  LookingInVainIsBounded();
  MainArenaByMmapAndAbseil();
  StacksLiveAndCached();
  AStackMergedWithAChunkIsSplit();
  ChunksBehindAStrangersMegabyteAreFound();
  BssEndsWhereTheImageEnds(0x7fc000000000, 0);
  BssEndsWhereTheImageEnds(0x400000, 0x400000);
  APreloadedAllocatorNeedsItsHabitAndItsAccount();
  OwnWorkspacesAreRuntime();
  UnreadableMemoryIsNotAsked();
  for (int i = 1; i < argc; i++) RealTextWithoutPeeks(argv[i]);
  return check::Finish();
}
