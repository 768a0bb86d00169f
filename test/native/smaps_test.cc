// Text of smaps -> records, whole and cut at every byte, real and hostile.
#include "ledger/smaps.h"

#include <fstream>
#include <string>
#include <vector>

#include "check.h"

using extmem::SmapsParser;
using extmem::Vma;
using extmem::VmaName;

namespace {

const char kTwo[] =
    "55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]\n"
    "Size:                132 kB\n"
    "KernelPageSize:        4 kB\n"
    "Rss:                 100 kB\n"
    "Pss:                  99 kB\n"
    "Pss_Dirty:            98 kB\n"
    "Anonymous:            97 kB\n"
    "Swap:                  3 kB\n"
    "SwapPss:               1 kB\n"
    "SomethingNew:         77 kB\n"
    "VmFlags: rd wr mr mw me ac \n"
    "7f0000000000-7f0000040000 ---p 00001000 08:01 42    /usr/lib/with space/libx.so (deleted)\n"
    "Rss:                   0 kB\n"
    "VmFlags: mr dc nr nh zz \n";

struct Parsed {
  std::vector<Vma> vmas;
  bool whole;
  uint64_t overflow_rss_bytes;
};

Parsed Parse(const std::string& text, size_t piece = SIZE_MAX, size_t capacity = 1000) {
  std::vector<Vma> table(capacity);
  SmapsParser parser(table.data(), capacity);
  for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) {
    parser.Feed(text.data() + at, std::min(piece, text.size() - at));
  }
  const bool whole = parser.Finish();
  table.resize(parser.count());
  return {table, whole, parser.overflow_rss_bytes()};
}

VmaName NameOf(const std::string& name) {
  const Parsed parsed = Parse("1000-2000 rw-p 00000000 00:00 0 " + name + "\nRss: 4 kB\n");
  return parsed.vmas.size() == 1 ? parsed.vmas[0].name : VmaName::kKernel;
}

void ReadsRecords() {
  const Parsed parsed = Parse(kTwo);
  CHECK(parsed.whole);
  CHECK_EQUAL(parsed.vmas.size(), 2u);
  const Vma& heap = parsed.vmas[0];
  CHECK_EQUAL(heap.start, 0x55d0c0000000u);
  CHECK_EQUAL(heap.end, 0x55d0c0021000u);
  CHECK(heap.name == VmaName::kHeap);
  CHECK_EQUAL(heap.rss_kib, 100u);
  CHECK_EQUAL(heap.pss_kib, 99u);
  CHECK_EQUAL(heap.anonymous_kib, 97u);
  CHECK_EQUAL(heap.swap_kib, 3u);
  CHECK(heap.has(extmem::kRead | extmem::kWrite | extmem::kHasVmFlags));
  CHECK(!heap.has(extmem::kDontFork));
  const Vma& file = parsed.vmas[1];
  CHECK(file.name == VmaName::kFile);
  CHECK(file.has(extmem::kDontFork | extmem::kNoReserve | extmem::kNoHugePage));
  CHECK(!file.has(extmem::kRead) && !file.has(extmem::kStartOfFile));
}

void PiecesOfAnySizeAreEqual() {
  for (size_t piece = 1; piece < sizeof(kTwo); piece++) {
    const Parsed parsed = Parse(kTwo, piece);
    CHECK_EQUAL(parsed.vmas.size(), 2u);
    CHECK_EQUAL(parsed.vmas[0].rss_kib, 100u);
    CHECK(parsed.vmas[1].has(extmem::kDontFork));
    CHECK(parsed.whole);
  }
}

void KnowsNames() {
  CHECK(NameOf("") == VmaName::kNone);
  CHECK(NameOf("[stack]") == VmaName::kStack);
  CHECK(NameOf("[vdso]") == VmaName::kKernel);
  CHECK(NameOf("[anon: glibc: malloc arena]") == VmaName::kAnonMalloc);
  CHECK(NameOf("[anon: glibc: pthread stack: 12]") == VmaName::kAnonStack);
  CHECK(NameOf("[anon: glibc: loader malloc]") == VmaName::kAnonLoader);
  CHECK(NameOf("[anon:v8]") == VmaName::kNone);
  CHECK(NameOf("/memfd:pool (deleted)") == VmaName::kSharedObject);
  CHECK(NameOf("/dev/shm/x") == VmaName::kSharedObject);
  CHECK(NameOf("anon_inode:[io_uring]") == VmaName::kSharedObject);
  CHECK(NameOf("/srv/data.mdb") == VmaName::kFile);
}

void CutTextIsSaid() {
  const std::string text = kTwo;
  const size_t second = text.find("7f0000000000");
  // Before the first VmFlags line nobody knows that there should be one; from then on each record must have it.
  CHECK(Parse(text.substr(0, second)).whole);
  for (size_t length = second + 1; length < text.size(); length++) CHECK(!Parse(text.substr(0, length)).whole);
}

void HostileTextIsHarmless() {
  CHECK_EQUAL(Parse("Rss: 4 kB\nVmFlags: dc\nnonsense\n\n\n").vmas.size(), 0u);
  CHECK_EQUAL(Parse("2000-1000 rw-p 0 0 0\nRss: 4 kB\n").vmas.size(), 0u);
  CHECK_EQUAL(Parse("fffffffffffffffff-1 rw-p 0 0 0\n").vmas.size(), 0u);
  CHECK_EQUAL(Parse("1000-2000\n").vmas.size(), 0u);
  CHECK_EQUAL(Parse("1000-2000 rw\n").vmas.size(), 0u);
  const std::string name(100000, 'x');
  const Parsed longest = Parse("1000-2000 rw-p 0 0 0 /" + name + "\nRss: 99999999999999999999 kB\nVmFlags: d\n");
  CHECK_EQUAL(longest.vmas.size(), 1u);
  CHECK(longest.vmas[0].name == VmaName::kFile);
  CHECK_EQUAL(longest.vmas[0].rss_kib, UINT32_MAX);
  CHECK_EQUAL(Parse("1000-2000 rw-p 0 0 0 /" + name + "\nRss: 4 kB\n", 1000).vmas[0].rss_kib, 4u);
}

void FullTableCountsTheRest() {
  std::string text;
  for (int i = 1; i <= 10; i++) text += std::to_string(i) + "000-" + std::to_string(i) + "001 rw-p 0 0 0\nRss: 4 kB\n";
  const Parsed parsed = Parse(text, SIZE_MAX, 4);
  CHECK_EQUAL(parsed.vmas.size(), 4u);
  CHECK_EQUAL(parsed.overflow_rss_bytes, 6u * 4096u);
}

// A real process: the sum of Rss is what the text says, and no line was lost.
void ReadsRealText(const char* path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  uint64_t expected = 0;
  for (size_t at = text.find("\nRss:"); at != std::string::npos; at = text.find("\nRss:", at + 1)) {
    expected += std::stoull(text.substr(at + 5, 24));
  }
  const Parsed parsed = Parse(text, 1000, 100000);
  uint64_t sum = 0;
  for (const Vma& vma : parsed.vmas) sum += vma.rss_kib;
  CHECK(parsed.whole);
  CHECK(expected > 10000);
  CHECK_EQUAL(sum, expected);
}

}  // namespace

int main(int argc, char** argv) {
  ReadsRecords();
  PiecesOfAnySizeAreEqual();
  KnowsNames();
  CutTextIsSaid();
  HostileTextIsHarmless();
  FullTableCountsTheRest();
  for (int i = 1; i < argc; i++) ReadsRealText(argv[i]);
  return check::Finish();
}
