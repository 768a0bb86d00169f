// Looks at objects of V8's heap without calling V8: types, fields, strings. Every read is checked (safe_read.h).
// Tagged words: low bit 0 = a small integer in the upper half, low bits 01 = a reference one byte past the object.
#ifndef EXTMEM_V8_HEAP_H_
#define EXTMEM_V8_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "os/safe_read.h"
#include "v8/layout.h"
#include "v8/work.h"

namespace extmem {

inline bool IsReference(uintptr_t word) { return (word & 3) == 1; }
inline bool IsSmallInteger(uintptr_t word) { return (word & 1) == 0; }
inline int32_t SmallInteger(uintptr_t word) { return static_cast<int32_t>(static_cast<int64_t>(word) >> 32); }

// The word at `offset` of an object; 0 when it cannot be read.
inline uintptr_t Field(uintptr_t object, int32_t offset) {
  return ReadWord(object - 1 + static_cast<uintptr_t>(offset));
}
inline int32_t SmallIntegerField(uintptr_t object, int32_t offset) { return SmallInteger(Field(object, offset)); }

// Instance type, or -1: not an object, or one that is being moved by the collector at this moment.
inline int32_t TypeOf(const V8Layout& v8, uintptr_t word) {
  if (!IsReference(word)) return -1;
  uintptr_t map = ReadWord(word - 1);
  uint16_t type;
  if (!IsReference(map) || !ReadAt(map - 1 + static_cast<uintptr_t>(v8.map_instance_type), &type)) return -1;
  return type;
}

// The characters of a string that lies flat in memory.
struct FlatString {
  uintptr_t chars;
  uint32_t length;
  bool one_byte;
};

// False: not a string, or one whose parts are not joined yet.
bool Flatten(const V8Layout& v8, uintptr_t string, FlatString* flat);

// UTF-8 with a terminating 0, cut at `size` - 1 bytes; returns the length. 0 for an empty or unreadable string.
size_t CopyString(const V8Layout& v8, uintptr_t string, char* into, size_t size, int depth = 0);

// Bytes of V8 that are read one after the other: each piece is checked and paid for when the first of it is read.
class ByteReader {
 public:
  ByteReader(uintptr_t first, size_t length, Work* work)
      : at_(first), checked_(first), end_(first + length), work_(work) {}

  uintptr_t at() const { return at_; }
  bool NextByte(uint8_t* byte) {
    if (at_ >= checked_ && !Check()) return false;
    *byte = *reinterpret_cast<const uint8_t*>(at_++);
    return true;
  }
  // Of variable length: 7 bits a byte, low first.
  bool Next(uint64_t* number) {
    *number = 0;
    uint8_t byte;
    for (int shift = 0; shift < 64 && NextByte(&byte); shift += 7) {
      *number |= static_cast<uint64_t>(byte & 127) << shift;
      if ((byte & 128) == 0) return true;
    }
    return false;
  }
  bool Skip(size_t count) {
    at_ += count;
    return at_ <= end_;
  }
  // Something is left that the work did not suffice for.
  bool IsCutShort() const { return at_ < end_ && work_->IsDone(); }

 private:
  bool Check() {
    constexpr uintptr_t kPiece = 1024;  // within a page
    if (at_ >= end_ || work_->IsDone()) return false;
    const uintptr_t next = (at_ & ~(kPiece - 1)) + kPiece;
    checked_ = next < end_ ? next : end_;
    work_->Spend(static_cast<uint32_t>(checked_ - at_));
    return Readable(at_, checked_ - at_);
  }

  uintptr_t at_;
  uintptr_t checked_;  // readable up to here
  uintptr_t end_;
  Work* work_;
};

// Where the bytes of a byte array lie. False: not a byte array.
bool Bytes(const V8Layout& v8, uintptr_t array, uintptr_t* first, size_t* length);

// The debug name of a function as stack traces print it, and where its text starts (-1: unknown). Length of the name.
size_t FunctionName(const V8Layout& v8, uintptr_t shared, char* into, size_t size, int32_t* start);

// The Script of a function, or 0.
uintptr_t ScriptOf(const V8Layout& v8, uintptr_t shared);

}  // namespace extmem

#endif  // EXTMEM_V8_HEAP_H_
