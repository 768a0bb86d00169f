// Variable-length numbers of V8's tables: 7 bits a byte, low first.
#ifndef EXTMEM_V8_TABLE_READER_H_
#define EXTMEM_V8_TABLE_READER_H_

#include <cstdint>

namespace extmem {

template <typename Bytes>
bool NextNumber(Bytes* bytes, uint64_t* value) {
  *value = 0;
  uint8_t byte;
  for (int shift = 0; shift < 64 && bytes->NextByte(&byte); shift += 7) {
    *value |= static_cast<uint64_t>(byte & 127) << shift;
    if ((byte & 128) == 0) return true;
  }
  return false;
}

// The caller has made sure that the bytes are readable.
struct TableReader {
  const uint8_t* at = nullptr;
  const uint8_t* end = nullptr;

  bool NextByte(uint8_t* byte) {
    if (at >= end) return false;
    *byte = *at++;
    return true;
  }

  bool Next(uint64_t* value) { return NextNumber(this, value); }
};

}  // namespace extmem

#endif  // EXTMEM_V8_TABLE_READER_H_
