#include "ledger/glibc_malloc_info.h"

#include <algorithm>
#include <cstring>

namespace extmem {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kChunkHeaderBytes = 48;

bool Contains(const char* begin, const char* end, const char* needle) {
  const size_t length = std::strlen(needle);
  return std::search(begin, end, needle, needle + length) != end;
}

// The number in `name="123"`; 0 when absent. Saturates, so that hostile text cannot wrap a sum.
uint64_t Attribute(const char* begin, const char* end, const char* name) {
  const size_t length = std::strlen(name);
  const char* found = std::search(begin, end, name, name + length);
  if (found == end) return 0;
  constexpr uint64_t kLimit = uint64_t{1} << 52;
  uint64_t value = 0;
  for (const char* c = found + length; c < end && *c >= '0' && *c <= '9'; c++) {
    value = value * 10 + static_cast<uint64_t>(*c - '0');
    if (value > kLimit) return kLimit;
  }
  return value;
}

uint64_t Minus(uint64_t from, uint64_t what) { return from > what ? from - what : 0; }

}  // namespace

void MallocInfoParser::Feed(const char* text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\n') {
      Line(line_, line_ + line_length_);
      line_length_ = 0;
    } else if (line_length_ < kLineBytes) {
      line_[line_length_++] = text[i];
    }
  }
}

void MallocInfoParser::Line(const char* begin, const char* end) {
  if (Contains(begin, end, "<heap ")) {
    in_heap_ = true;
    main_heap_ = Contains(begin, end, "nr=\"0\"");
    heap_rest_bytes_ = heap_fast_bytes_ = heap_bins_bytes_ = 0;
  } else if (Contains(begin, end, "</heap>")) {
    CloseHeap();
  } else if (Contains(begin, end, "</malloc>")) {
    info_.complete = true;
  } else if (in_heap_) {
    if (Contains(begin, end, "<size ") || Contains(begin, end, "<unsorted ")) Bin(begin, end);
    if (Contains(begin, end, "type=\"fast\"")) heap_fast_bytes_ = Attribute(begin, end, " size=\"");
    if (Contains(begin, end, "type=\"rest\"")) heap_rest_bytes_ = Attribute(begin, end, " size=\"");
  } else if (Contains(begin, end, "<total type=\"mmap\"")) {
    info_.mmapped_bytes = Attribute(begin, end, " size=\"");
  } else if (Contains(begin, end, "<total ")) {
    free_bytes_ += Attribute(begin, end, " size=\"");
    if (Contains(begin, end, "type=\"rest\"")) {
      free_bytes_ = Minus(free_bytes_, Minus(Attribute(begin, end, " count=\""), heaps_));
    }
  } else if (Contains(begin, end, "<system type=\"current\"")) {
    info_.system_bytes = Attribute(begin, end, " size=\"");
  }
}

void MallocInfoParser::Bin(const char* begin, const char* end) {
  const uint64_t total = Attribute(begin, end, " total=\"");
  const uint64_t count = std::min(Attribute(begin, end, " count=\""), total);
  heap_bins_bytes_ += total;
  if (count == 0 || total / count < kPageBytes + kChunkHeaderBytes) return;
  info_.reclaimable_bytes += Minus(total, kPageBytes * count);
}

void MallocInfoParser::CloseHeap() {
  // In no bin, but in "rest": the top chunk. Only the main arena's is given back by a trim.
  const uint64_t top = Minus(heap_rest_bytes_, Minus(heap_bins_bytes_, heap_fast_bytes_));
  if (main_heap_) info_.reclaimable_bytes += Minus(top, kPageBytes);
  in_heap_ = main_heap_ = false;
  heaps_++;
}

MallocInfo MallocInfoParser::Finish() {
  MallocInfo info = info_;
  info.system_bytes += info.mmapped_bytes;
  info.in_use_bytes = Minus(info.system_bytes, free_bytes_);
  return info;
}

}  // namespace extmem
