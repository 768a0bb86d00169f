// Text of malloc_info -> reclaimable bytes and totals.
#include "ledger/glibc_malloc_info.h"

#include <string>

#include "check.h"

using extmem::MallocInfo;
using extmem::MallocInfoParser;

namespace {

// Two arenas: the main one with a top of 100096 bytes, a thread's with a top of 50000.
const char kText[] =
    "<malloc version=\"1\">\n"
    "<heap nr=\"0\">\n"
    "<sizes>\n"
    "  <size from=\"33\" to=\"48\" total=\"96\" count=\"2\"/>\n"
    "  <size from=\"20481\" to=\"20481\" total=\"40962\" count=\"2\"/>\n"
    "  <unsorted from=\"1041\" to=\"131057\" total=\"264704\" count=\"3\"/>\n"
    "</sizes>\n"
    "<total type=\"fast\" count=\"2\" size=\"96\"/>\n"
    "<total type=\"rest\" count=\"6\" size=\"405762\"/>\n"
    "<system type=\"current\" size=\"1000000\"/>\n"
    "<system type=\"max\" size=\"2000000\"/>\n"
    "<aspace type=\"total\" size=\"1000000\"/>\n"
    "</heap>\n"
    "<heap nr=\"1\">\n"
    "<sizes>\n"
    "  <size from=\"4097\" to=\"4143\" total=\"41430\" count=\"10\"/>\n"
    "</sizes>\n"
    "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
    "<total type=\"rest\" count=\"11\" size=\"91430\"/>\n"
    "<system type=\"current\" size=\"135168\"/>\n"
    "</heap>\n"
    "<total type=\"fast\" count=\"2\" size=\"96\"/>\n"
    "<total type=\"rest\" count=\"17\" size=\"497192\"/>\n"
    "<total type=\"mmap\" count=\"2\" size=\"500000\"/>\n"
    "<system type=\"current\" size=\"1135168\"/>\n"
    "<system type=\"max\" size=\"3000000\"/>\n"
    "</malloc>\n";

MallocInfo Parse(const std::string& text, size_t piece = SIZE_MAX) {
  MallocInfoParser parser;
  for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) {
    parser.Feed(text.data() + at, std::min(piece, text.size() - at));
  }
  return parser.Finish();
}

void SumsBinsAndMainTop() {
  const MallocInfo info = Parse(kText);
  CHECK(info.complete);
  const uint64_t bins = (40962 - 2 * 4096) + (264704 - 3 * 4096);
  const uint64_t main_top = 405762 - (40962 + 264704);  // the fastbin's row is not part of "rest"
  CHECK_EQUAL(info.reclaimable_bytes, bins + main_top - 4096);
  CHECK_EQUAL(info.system_bytes, 1635168u);
  CHECK_EQUAL(info.mmapped_bytes, 500000u);
  CHECK_EQUAL(info.in_use_bytes, 1635168u - 96u - (497192u - 15u));  // 17 free chunks, two of them tops
}

void PiecesOfAnySizeAreEqual() {
  const MallocInfo whole = Parse(kText);
  for (size_t piece = 1; piece < 300; piece++) {
    CHECK_EQUAL(Parse(kText, piece).reclaimable_bytes, whole.reclaimable_bytes);
  }
}

void CutTextIsSaid() {
  const std::string text = kText;
  CHECK(!Parse(text.substr(0, text.size() - 12)).complete);
  CHECK(!Parse("").complete);
}

void HostileTextIsHarmless() {
  const MallocInfo info = Parse(
      "<heap nr=\"0\">\n<size from=\"1\" to=\"2\" total=\"99999999999999999999999\" count=\"1\"/>\n"
      "<size total=\"8192\" count=\"0\"/>\n<size total=\"-5\" count=\"-5\"/>\n<size total=\"1\" "
      "count=\"9\"/>\n</heap>\n");
  CHECK(info.reclaimable_bytes <= uint64_t{1} << 52);
  CHECK_EQUAL(Parse(std::string(100000, '<')).reclaimable_bytes, 0u);
  // More free than there is: nothing is in use, not 2^64.
  CHECK_EQUAL(Parse("<total type=\"rest\" count=\"1\" size=\"10\"/>\n").in_use_bytes, 0u);
}

}  // namespace

int main() {
  SumsBinsAndMainTop();
  PiecesOfAnySizeAreEqual();
  CutTextIsSaid();
  HostileTextIsHarmless();
  return check::Finish();
}
