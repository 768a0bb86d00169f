#include "profile/seen_mappings.h"

#include <unistd.h>

#include <atomic>
#include <cstring>

#include "os/lock.h"
#include "os/own_pages.h"
#include "profile/live.h"

namespace extmem {

namespace {

struct Range {
  uintptr_t start, end;
  uint32_t stack;
};

constexpr size_t kMaxRanges = 4096;
constexpr size_t kMaxReservations = 256;

Lock g_lock;
uintptr_t g_page_bytes = 1;
Range* g_ranges = nullptr;  // sorted, disjoint
size_t g_count = 0;
uint64_t g_bytes = 0;
uint64_t g_refused = 0;
Range g_reservations[kMaxReservations];
std::atomic<size_t> g_reservation_count{0};

// The kernel maps and unmaps whole pages, whatever the length.
uintptr_t PageEnd(uintptr_t end) { return (end + g_page_bytes - 1) & ~(g_page_bytes - 1); }

// The first range that ends after `address`.
size_t Find(uintptr_t address) {
  size_t low = 0, high = g_count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (g_ranges[middle].end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void InsertAt(size_t index, const Range& range) {
  memmove(g_ranges + index + 1, g_ranges + index, (g_count - index) * sizeof(Range));
  g_ranges[index] = range;
  g_count++;
}

void RemoveAt(size_t index) {
  memmove(g_ranges + index, g_ranges + index + 1, (g_count - index - 1) * sizeof(Range));
  g_count--;
}

void Add(uintptr_t start, uintptr_t end, uint32_t stack) {
  if (g_count == kMaxRanges) {
    g_refused++;
    return;
  }
  const size_t index = Find(start);
  // A memory that grows in small steps is one range as long as one place makes it grow.
  if (index > 0 && g_ranges[index - 1].end == start && g_ranges[index - 1].stack == stack) {
    g_ranges[index - 1].end = end;
  } else {
    InsertAt(index, {start, end, stack});
  }
  g_bytes += end - start;
  LiveAddExact(stack, static_cast<int64_t>(end - start));
}

void Cut(uintptr_t start, uintptr_t end) {
  size_t index = Find(start);
  while (index < g_count && g_ranges[index].start < end) {
    Range& range = g_ranges[index];
    const uintptr_t low = range.start > start ? range.start : start;
    const uintptr_t high = range.end < end ? range.end : end;
    LiveAddExact(range.stack, -static_cast<int64_t>(high - low));
    g_bytes -= high - low;
    const Range rest = {high, range.end, range.stack};
    range.end = low;
    if (range.start != range.end) {
      index++;
    } else {
      RemoveAt(index);
    }
    if (rest.start == rest.end) continue;
    if (g_count == kMaxRanges) {
      LiveAddExact(rest.stack, -static_cast<int64_t>(rest.end - rest.start));
      g_bytes -= rest.end - rest.start;
      g_refused++;
    } else {
      InsertAt(index, rest);
    }
    return;
  }
}

}  // namespace

bool SeenInit() {
  g_page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  if (g_ranges == nullptr) g_ranges = OwnArray<Range>(kMaxRanges);
  return g_ranges != nullptr;
}

void SeenMapped(uintptr_t start, size_t length, uint32_t stack) {
  Locked locked(&g_lock);
  const uintptr_t end = PageEnd(start + length);
  while (start < end) {
    const size_t index = Find(start);
    const uintptr_t next = index < g_count ? g_ranges[index].start : UINTPTR_MAX;
    if (next > start) Add(start, next < end ? next : end, stack);
    if (next >= end) return;
    start = g_ranges[Find(next)].end;
  }
}

void SeenUnmapped(uintptr_t start, size_t length) {
  Locked locked(&g_lock);
  Cut(start, PageEnd(start + length));
  size_t count = g_reservation_count.load(std::memory_order_relaxed);
  for (size_t i = 0; i < count; i++) {
    if (g_reservations[i].start >= start && g_reservations[i].end <= start + length) {
      g_reservations[i] = g_reservations[--count];
      i--;
    }
  }
  g_reservation_count.store(count, std::memory_order_relaxed);
}

void SeenReserved(uintptr_t start, size_t length) {
  Locked locked(&g_lock);
  const size_t count = g_reservation_count.load(std::memory_order_relaxed);
  if (count == kMaxReservations) {
    g_refused++;
    return;
  }
  g_reservations[count] = {start, start + length, 0};
  g_reservation_count.store(count + 1, std::memory_order_relaxed);
}

bool SeenReservedPart(uintptr_t* start, size_t* length) {
  // Most processes have none, and the executable changes protections all the time.
  if (g_reservation_count.load(std::memory_order_relaxed) == 0) return false;
  Locked locked(&g_lock);
  const uintptr_t end = *start + *length;
  for (size_t i = 0; i < g_reservation_count.load(std::memory_order_relaxed); i++) {
    const Range& reservation = g_reservations[i];
    if (*start >= reservation.end || end <= reservation.start) continue;
    // V8 makes the whole memory writable again when it grows: what lies before was there when we came.
    if (*start < reservation.start) *start = reservation.start;
    *length = end - *start;
    return true;
  }
  return false;
}

bool SeenNext(uint64_t address, uint64_t* start, uint64_t* end) {
  Locked locked(&g_lock);
  const size_t index = Find(address);
  if (index == g_count) return false;
  *start = g_ranges[index].start;
  *end = g_ranges[index].end;
  return true;
}

SeenCounters SeenCount() {
  if (InForkedChild()) return {};
  Locked locked(&g_lock);
  return {g_bytes, g_count, g_refused};
}

void SeenForget() {
  Locked locked(&g_lock);
  if (g_count > 0) Cut(0, UINTPTR_MAX);
  g_reservation_count.store(0, std::memory_order_relaxed);
}

}  // namespace extmem
