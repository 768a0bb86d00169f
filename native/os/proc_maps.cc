#include "os/proc_maps.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "os/own_pages.h"
#include "os/process_files.h"

namespace extmem {

namespace {

uint64_t ParseNumber(const char** at, unsigned base) {
  uint64_t value = 0;
  for (;; (*at)++) {
    unsigned digit;
    if (**at >= '0' && **at <= '9') {
      digit = static_cast<unsigned>(**at - '0');
    } else if (**at >= 'a' && **at <= 'f') {
      digit = static_cast<unsigned>(**at - 'a' + 10);
    } else {
      return value;
    }
    if (digit >= base) return value;
    value = value * base + digit;
  }
}

// "7f12a000-7f12c000 r-xp 00001000 08:01 1234   /path"
bool ParseLine(const char* at, MapLine* line) {
  line->start = ParseNumber(&at, 16);
  if (*at++ != '-') return false;
  line->end = ParseNumber(&at, 16);
  if (*at++ != ' ') return false;
  line->protection = (at[0] == 'r' ? PROT_READ : 0) | (at[1] == 'w' ? PROT_WRITE : 0) | (at[2] == 'x' ? PROT_EXEC : 0);
  at += 5;
  line->offset = ParseNumber(&at, 16);
  at++;
  ParseNumber(&at, 16);
  if (*at++ != ':') return false;
  ParseNumber(&at, 16);
  at++;
  line->inode = ParseNumber(&at, 10);
  return true;
}

}  // namespace

ProcMaps::ProcMaps() : lines_(static_cast<MapLine*>(MapPages(kMaxLines * sizeof(MapLine)))) {
  if (lines_ == nullptr) return;
  const ProcessFile file("/proc/self/maps");
  if (!file.is_open()) return;
  char buffer[16384];  // the kernel hands out whole lines, at most one page at a time; a path is at most 4 KiB
  size_t filled = 0;
  for (;;) {
    const ssize_t got = file.Read(buffer + filled, sizeof(buffer) - 1 - filled);
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
    buffer[filled] = '\0';
    char* at = buffer;
    for (char* newline; (newline = strchr(at, '\n')) != nullptr; at = newline + 1) {
      if (count_ < kMaxLines && ParseLine(at, &lines_[count_])) count_++;
    }
    filled -= static_cast<size_t>(at - buffer);
    memmove(buffer, at, filled);
    if (filled == sizeof(buffer) - 1) filled = 0;
  }
}

ProcMaps::~ProcMaps() {
  if (lines_ != nullptr) syscall(SYS_munmap, lines_, kMaxLines * sizeof(MapLine));
}

const MapLine* ProcMaps::Find(uintptr_t address) const {
  size_t low = 0;
  size_t high = count_;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (lines_[middle].end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count_ && lines_[low].start <= address ? &lines_[low] : nullptr;
}

}  // namespace extmem
