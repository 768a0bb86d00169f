#include "profile/intern.h"

#include <cstring>

#include "os/own_pages.h"

namespace extmem {

namespace {

uint32_t HashOf(const void* bytes, uint32_t length) {
  const uint8_t* at = static_cast<const uint8_t*>(bytes);
  uint64_t hash = 0x9E3779B97F4A7C15ull ^ length;
  while (length > 0) {
    uint64_t word = 0;
    uint32_t part = length < 8 ? length : 8;
    memcpy(&word, at, part);
    hash = (hash ^ word) * 0xC2B2AE3D27D4EB4Full;
    hash ^= hash >> 29;
    at += part;
    length -= part;
  }
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

bool InternTable::Init(uint32_t max_entries, uint32_t max_bytes) {
  if (slots_ != nullptr) return true;
  uint32_t slots = 2;
  while (slots < 2 * max_entries) slots *= 2;
  bytes_ = OwnArray<uint8_t>(max_bytes);
  entries_ = OwnArray<Entry>(max_entries);
  if (bytes_ == nullptr || entries_ == nullptr) return false;
  slots_ = OwnArray<std::atomic<uint32_t>>(slots);
  slot_mask_ = slots - 1;
  max_entries_ = max_entries;
  max_bytes_ = max_bytes;
  return slots_ != nullptr;
}

uint32_t InternTable::Find(const void* bytes, uint32_t length, uint32_t hash, uint32_t* free_slot) const {
  for (uint32_t slot = hash & slot_mask_;; slot = (slot + 1) & slot_mask_) {
    uint32_t id = slots_[slot].load(std::memory_order_acquire);
    if (id == 0) {
      *free_slot = slot;
      return 0;
    }
    const Entry& entry = entries_[id];
    if (entry.hash == hash && entry.length == length && memcmp(bytes_ + entry.offset, bytes, length) == 0) return id;
  }
}

uint32_t InternTable::Intern(const void* bytes, uint32_t length) {
  uint32_t hash = HashOf(bytes, length);
  uint32_t slot;
  uint32_t id = Find(bytes, length, hash, &slot);
  if (id != 0) return id;
  Locked locked(&lock_);
  id = Find(bytes, length, hash, &slot);
  if (id != 0) return id;
  const uint32_t count = count_.load(std::memory_order_relaxed);
  id = vacant_ != 0 ? vacant_ : count;
  uint32_t offset = used_bytes_.load(std::memory_order_relaxed);
  if (id == max_entries_ || length > max_bytes_ - offset) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  memcpy(bytes_ + offset, bytes, length);
  Entry& entry = entries_[id];
  if (id == vacant_) vacant_ = entry.offset;
  entry = {offset, length, hash, entry.serial};
  uint32_t next = offset + ((length + 7) & ~7u);
  used_bytes_.store(next < max_bytes_ ? next : max_bytes_, std::memory_order_relaxed);
  slots_[slot].store(id, std::memory_order_release);
  if (id == count) count_.store(count + 1, std::memory_order_release);
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return id;
}

bool InternTable::Sweep(const std::vector<bool>& kept) {
  const uint32_t used = used_bytes_.load(std::memory_order_relaxed);
  if (used == 0) return true;
  auto* moved = static_cast<uint8_t*>(MapPages(used));
  if (moved == nullptr) return false;
  for (uint32_t slot = 0; slot <= slot_mask_; slot++) {
    // Pages that were never written stay untouched.
    if (slots_[slot].load(std::memory_order_relaxed) != 0) slots_[slot].store(0, std::memory_order_relaxed);
  }
  uint32_t in_use = 0, next = 0;
  for (uint32_t id = 1; id < count_.load(std::memory_order_relaxed); id++) {
    Entry& entry = entries_[id];
    if (entry.length == kVacant) continue;
    if (!kept[id]) {
      entry = {vacant_, kVacant, 0, entry.serial + 1};
      vacant_ = id;
      continue;
    }
    memcpy(moved + next, bytes_ + entry.offset, entry.length);
    entry.offset = next;
    next += (entry.length + 7) & ~7u;
    uint32_t slot = entry.hash & slot_mask_;
    while (slots_[slot].load(std::memory_order_relaxed) != 0) slot = (slot + 1) & slot_mask_;
    slots_[slot].store(id, std::memory_order_relaxed);
    in_use++;
  }
  if (next > used) next = used;  // the last one was not padded
  memcpy(bytes_, moved, next);
  syscall(SYS_munmap, moved, used);
  in_use_.store(in_use, std::memory_order_relaxed);
  used_bytes_.store(next, std::memory_order_relaxed);
  kept_ = in_use;
  kept_bytes_ = next;
  return true;
}

bool InternTable::IsCrowded() const {
  auto crowded = [](uint32_t used, uint32_t kept, uint32_t max) { return used > max / 2 && used > kept + max / 16; };
  return crowded(in_use(), kept_, max_entries_) || crowded(used_bytes(), kept_bytes_, max_bytes_);
}

uint32_t InternTable::FromHandle(int64_t handle) const {
  if (handle <= 0) return 0;
  const uint32_t id = static_cast<uint32_t>(handle & ((1 << kIdBits) - 1));
  const bool known = id != 0 && id < count() && entries_[id].length != kVacant;
  return known && Handle(id) == static_cast<uint64_t>(handle) ? id : 0;
}

}  // namespace extmem
