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
  id = count_.load(std::memory_order_relaxed);
  uint32_t offset = used_bytes_.load(std::memory_order_relaxed);
  if (id == max_entries_ || length > max_bytes_ - offset) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  memcpy(bytes_ + offset, bytes, length);
  entries_[id] = {offset, length, hash};
  uint32_t next = offset + ((length + 7) & ~7u);
  used_bytes_.store(next < max_bytes_ ? next : max_bytes_, std::memory_order_relaxed);
  slots_[slot].store(id, std::memory_order_release);
  count_.store(id + 1, std::memory_order_release);
  return id;
}

}  // namespace extmem
