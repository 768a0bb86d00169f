// Gives every distinct byte string a small number: names, frames, and stacks of frame numbers.
//
// Between two sweeps entries are neither removed nor changed, so that a lookup needs no lock; only the first sight of
// an entry takes one. Any thread. Number 0 means that the table is full; refused() says how often that happened.
//
// A sweep gives the numbers of what nobody uses to others. Who keeps a number across one keeps its handle, which is
// never used twice.
#ifndef EXTMEM_PROFILE_INTERN_H_
#define EXTMEM_PROFILE_INTERN_H_

#include <atomic>
#include <cstdint>
#include <vector>

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

  // Removes what is not marked; `kept` has count() elements. False: no memory to work in, nothing changed.
  // Precondition: no other thread is in any function of the table.
  bool Sweep(const std::vector<bool>& kept);
  // Whether it is time for one: half full, and more than when the last one ended.
  bool IsCrowded() const;

  uint64_t Handle(uint32_t id) const { return static_cast<uint64_t>(entries_[id].serial) << kIdBits | id; }
  bool IsVacant(uint32_t id) const { return entries_[id].length == kVacant; }
  // 0 when what the handle stood for was swept. Precondition: no sweep runs meanwhile.
  uint32_t FromHandle(int64_t handle) const;

  // All numbers given out are smaller.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  // Entries that are there.
  uint32_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  uint32_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    uint32_t offset;
    uint32_t length;
    uint32_t hash;
    uint32_t serial;  // how many others had the number before
  };
  static constexpr int kIdBits = 20;
  static constexpr uint32_t kVacant = UINT32_MAX;  // the length of an entry that was swept; its offset is the next such

  uint32_t Find(const void* bytes, uint32_t length, uint32_t hash, uint32_t* free_slot) const;

  Lock lock_;
  uint8_t* bytes_ = nullptr;
  Entry* entries_ = nullptr;
  std::atomic<uint32_t>* slots_ = nullptr;  // open addressing, at most half full
  uint32_t slot_mask_ = 0;
  uint32_t max_entries_ = 0;
  uint32_t max_bytes_ = 0;
  std::atomic<uint32_t> count_{1};
  uint32_t vacant_ = 0;  // the first of these, 0 = none
  std::atomic<uint32_t> in_use_{0};
  std::atomic<uint32_t> used_bytes_{0};
  uint32_t kept_ = 0, kept_bytes_ = 0;  // by the last sweep
  std::atomic<uint64_t> refused_{0};
};

}  // namespace extmem

#endif  // EXTMEM_PROFILE_INTERN_H_
