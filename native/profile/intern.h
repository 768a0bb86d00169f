// Gives every distinct byte string a small number: names, frames, and stacks of frame numbers.
//
// Entries are never removed or changed, so that a lookup needs no lock; only the first sight of an entry takes one.
// Any thread. Number 0 means that the table is full; refused() says how often that happened.
#ifndef EXTMEM_PROFILE_INTERN_H_
#define EXTMEM_PROFILE_INTERN_H_

#include <atomic>
#include <cstdint>

#include "os/lock.h"

namespace extmem {

class InternTable {
 public:
  // Numbers 1 .. max_entries - 1. False when the system has no memory.
  bool Init(uint32_t max_entries, uint32_t max_bytes);

  uint32_t Intern(const void* bytes, uint32_t length);
  // 8-byte aligned. Precondition: `id` was returned by Intern and is not 0.
  const void* Bytes(uint32_t id) const { return bytes_ + entries_[id].offset; }
  uint32_t Length(uint32_t id) const { return entries_[id].length; }

  // Entries including number 0.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  uint32_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    uint32_t offset;
    uint32_t length;
    uint32_t hash;
  };

  uint32_t Find(const void* bytes, uint32_t length, uint32_t hash, uint32_t* free_slot) const;

  Lock lock_;
  uint8_t* bytes_ = nullptr;
  Entry* entries_ = nullptr;
  std::atomic<uint32_t>* slots_ = nullptr;  // open addressing, at most half full
  uint32_t slot_mask_ = 0;
  uint32_t max_entries_ = 0;
  uint32_t max_bytes_ = 0;
  std::atomic<uint32_t> count_{1};
  std::atomic<uint32_t> used_bytes_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace extmem

#endif  // EXTMEM_PROFILE_INTERN_H_
