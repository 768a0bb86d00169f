#include "ledger/workspace.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>

namespace extmem {
namespace {

// Start addresses; 0 is a free slot. More simultaneous workspaces than slots work too, but show as unattributed.
std::atomic<uint64_t> g_starts[Workspace::kMaxRanges];

}  // namespace

Workspace::Workspace() {
  void* mapped = mmap(nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return;
  base_ = static_cast<char*>(mapped);
  if (!Commit(kFirstTableBytes)) {
    munmap(base_, kReservedBytes);
    base_ = nullptr;
    return;
  }
  for (slot_ = 0; slot_ < kMaxRanges; slot_++) {
    uint64_t free_slot = 0;
    if (g_starts[slot_].compare_exchange_strong(free_slot, reinterpret_cast<uint64_t>(base_))) break;
  }
}

Workspace::~Workspace() {
  if (base_ == nullptr) return;
  if (slot_ < kMaxRanges) g_starts[slot_].store(0);
  munmap(base_, kReservedBytes);
}

bool Workspace::Commit(size_t table_bytes) {
  const size_t bytes = kTextBytes + kPagemapBytes + table_bytes;
  if (bytes + 2 * kGuardBytes > kReservedBytes) return false;
  if (mprotect(base_ + kGuardBytes, bytes, PROT_READ | PROT_WRITE) != 0) return false;
  committed_bytes_ = bytes;
  capacity_ = table_bytes / sizeof(Vma);
  return true;
}

bool Workspace::Grow() {
  const size_t limit = (kReservedBytes - 2 * kGuardBytes - kTextBytes - kPagemapBytes) / kPageBytes * kPageBytes;
  const size_t now = committed_bytes_ - kTextBytes - kPagemapBytes;
  return now < limit && Commit(std::min(now * 2, limit));
}

size_t Workspace::Ranges(Range* into) {
  size_t count = 0;
  for (const std::atomic<uint64_t>& start : g_starts) {
    const uint64_t address = start.load();
    if (address != 0) into[count++] = {address, address + kReservedBytes};
  }
  return count;
}

}  // namespace extmem
