#include "ledger/smaps.h"

#include <cstring>

namespace extmem {
namespace {

constexpr uint16_t Pair(char first, char second) {
  return static_cast<uint16_t>((static_cast<unsigned char>(first) << 8) | static_cast<unsigned char>(second));
}

bool ParseHex(const char*& cursor, const char* end, uint64_t* value) {
  const char* begin = cursor;
  uint64_t result = 0;
  for (; cursor < end; cursor++) {
    const char c = *cursor;
    uint64_t digit;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a' + 10);
    } else {
      break;
    }
    if (result >> 60 != 0) return false;
    result = result << 4 | digit;
  }
  *value = result;
  return cursor != begin;
}

// "                 132 kB" -> 132; saturates, so that hostile text cannot wrap a sum.
uint32_t ParseKib(const char* cursor, const char* end) {
  while (cursor < end && (*cursor == ' ' || *cursor == '\t')) cursor++;
  uint64_t value = 0;
  for (; cursor < end && *cursor >= '0' && *cursor <= '9'; cursor++) {
    value = value * 10 + static_cast<uint64_t>(*cursor - '0');
    if (value > UINT32_MAX) return UINT32_MAX;
  }
  return static_cast<uint32_t>(value);
}

struct NamePrefix {
  const char* text;
  VmaName name;
};

// First match wins. A regular file mapped shared stays a file: its pages are page cache, not shared memory.
constexpr NamePrefix kNamePrefixes[] = {
    {"[heap]", VmaName::kHeap},
    {"[stack", VmaName::kStack},
    {"[anon: glibc: malloc", VmaName::kAnonMalloc},
    {"[anon:jemalloc", VmaName::kAnonMalloc},
    {"[anon: glibc: pthread", VmaName::kAnonStack},
    {"[anon: glibc: loader", VmaName::kAnonLoader},
    {"[anon", VmaName::kNone},
    {"[", VmaName::kKernel},
    {"/memfd:", VmaName::kSharedObject},
    {"/dev/", VmaName::kSharedObject},
    {"/SYSV", VmaName::kSharedObject},
    {"/", VmaName::kFile},
    {"", VmaName::kSharedObject},  // anon_inode:[io_uring], socket:[…]: nameless kernel objects that were mapped
};

VmaName NameOf(const char* begin, const char* end) {
  const size_t length = static_cast<size_t>(end - begin);
  if (length == 0) return VmaName::kNone;
  for (const NamePrefix& row : kNamePrefixes) {
    const size_t prefix = std::strlen(row.text);
    if (length >= prefix && std::memcmp(begin, row.text, prefix) == 0) return row.name;
  }
  return VmaName::kNone;
}

bool StartsWith(const char* begin, const char* end, const char* prefix, size_t length) {
  return static_cast<size_t>(end - begin) >= length && std::memcmp(begin, prefix, length) == 0;
}

void SkipField(const char*& cursor, const char* end) {
  while (cursor < end && *cursor != ' ') cursor++;
  while (cursor < end && *cursor == ' ') cursor++;
}

uint16_t ParseVmFlags(const char* cursor, const char* end) {
  uint16_t flags = kHasVmFlags;
  for (; cursor + 1 < end; cursor += 3) {
    switch (Pair(cursor[0], cursor[1])) {
      case Pair('d', 'c'):
        flags |= kDontFork;
        break;
      case Pair('n', 'r'):
        flags |= kNoReserve;
        break;
      case Pair('n', 'h'):
        flags |= kNoHugePage;
        break;
      case Pair('s', 'h'):
        flags |= kSharedMap;
        break;
      default:
        break;
    }
  }
  return flags;
}

}  // namespace

void SmapsParser::Feed(const char* text, size_t length) {
  const char* const end = text + length;
  while (text < end) {
    const char* newline = static_cast<const char*>(std::memchr(text, '\n', static_cast<size_t>(end - text)));
    const char* line_end = newline == nullptr ? end : newline;
    if (newline != nullptr && line_length_ == 0) {
      Line(text, line_end);  // the usual case: the whole line is in this piece
    } else {
      size_t piece = static_cast<size_t>(line_end - text);
      if (piece > kLineBytes - line_length_) piece = kLineBytes - line_length_;
      std::memcpy(line_ + line_length_, text, piece);
      line_length_ += piece;
      line_cut_ = true;
      if (newline != nullptr) {
        Line(line_, line_ + line_length_);
        line_length_ = 0;
        line_cut_ = false;
      }
    }
    text = newline == nullptr ? end : newline + 1;
  }
}

bool SmapsParser::Finish() {
  const bool whole =
      !line_cut_ && (!open_ || (current_.has(kHasRss) && (!vm_flags_seen_ || current_.has(kHasVmFlags))));
  CloseRecord();
  return whole;
}

void SmapsParser::Line(const char* begin, const char* end) {
  if (begin == end) return;
  // Field names begin with a capital, headers with a lower-case hexadecimal digit.
  switch (*begin) {
    case 'R':
      if (open_ && StartsWith(begin, end, "Rss:", 4)) {
        current_.rss_kib = ParseKib(begin + 4, end);
        current_.flags |= kHasRss;
      }
      return;
    case 'P':
      if (open_ && StartsWith(begin, end, "Pss:", 4)) current_.pss_kib = ParseKib(begin + 4, end);
      return;
    case 'A':
      if (open_ && StartsWith(begin, end, "Anonymous:", 10)) current_.anonymous_kib = ParseKib(begin + 10, end);
      return;
    case 'S':
      if (open_ && StartsWith(begin, end, "Swap:", 5)) current_.swap_kib = ParseKib(begin + 5, end);
      return;
    case 'V':
      if (open_ && StartsWith(begin, end, "VmFlags: ", 9)) {
        current_.flags |= ParseVmFlags(begin + 9, end);
        vm_flags_seen_ = true;
      }
      return;
    default:
      Header(begin, end);
  }
}

bool SmapsParser::Header(const char* begin, const char* end) {
  const char* cursor = begin;
  Vma next{};
  if (!ParseHex(cursor, end, &next.start) || cursor == end || *cursor++ != '-') return false;
  if (!ParseHex(cursor, end, &next.end) || cursor == end || *cursor++ != ' ') return false;
  if (next.end <= next.start || end - cursor < 4) return false;
  if (cursor[0] == 'r') next.flags |= kRead;
  if (cursor[1] == 'w') next.flags |= kWrite;
  if (cursor[2] == 'x') next.flags |= kExec;
  if (cursor[3] == 's') next.flags |= kSharedMap;
  SkipField(cursor, end);  // permissions
  uint64_t offset = 1;
  if (ParseHex(cursor, end, &offset) && offset == 0) next.flags |= kStartOfFile;
  SkipField(cursor, end);  // offset
  SkipField(cursor, end);  // device
  SkipField(cursor, end);  // inode
  next.name = NameOf(cursor, end);
  CloseRecord();
  current_ = next;
  open_ = true;
  return true;
}

void SmapsParser::CloseRecord() {
  if (!open_) return;
  open_ = false;
  if (count_ < capacity_) {
    table_[count_++] = current_;
    return;
  }
  overflow_count_++;
  overflow_rss_bytes_ += current_.rss_bytes();
  overflow_pss_bytes_ += uint64_t{current_.pss_kib} * 1024;
  overflow_swap_bytes_ += uint64_t{current_.swap_kib} * 1024;
}

}  // namespace extmem
