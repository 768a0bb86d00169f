#include "v8/pages.h"

namespace extmem {
namespace {

constexpr uint64_t kAreaStartLimit = 16 * 1024;
constexpr uint64_t kUserSpaceEnd = uint64_t{1} << 47;

bool IsPageSize(uint64_t size, uint64_t limit) { return size >= kPageBytes && size % 8 == 0 && size <= limit; }

}  // namespace

bool IsCppgcPage(Peek& memory, uint64_t address) {
  constexpr uint64_t kHeapObjectBytes = 64 * 1024;
  uint64_t word[2];
  if (address % kCppgcPageBytes != 0 || !memory.Read(address, word, sizeof(word))) return false;
  const bool pointers = word[0] >= kPageBytes && word[0] < kUserSpaceEnd && word[0] % 8 == 0 && word[1] % 8 == 0;
  return pointers && word[1] > word[0] && word[1] - word[0] < kHeapObjectBytes;
}

uint64_t V8PageBytes(Peek& memory, uint64_t address, uint64_t limit) {
  if (address % kV8PageBytes != 0) return 0;
  uint64_t word[5];
  if (!memory.Read(address, word, sizeof(word))) return 0;
  const bool area_11 = word[3] > address && word[3] - address < kAreaStartLimit && word[4] > word[3];
  if (area_11 && IsPageSize(word[0], limit) && word[4] - address <= word[0]) return word[0];
  if (word[1] < kPageBytes || word[1] % 8 != 0 || word[1] >= kUserSpaceEnd) return 0;
  uint64_t metadata[4];
  if (!memory.Read(word[1], metadata, sizeof(metadata))) return 0;
  for (int base = 0; base < 3; base++) {
    if (metadata[base] == address && IsPageSize(metadata[base + 1], limit)) return metadata[base + 1];
  }
  // Read-only space: shared by all isolates, its metadata is detached from any heap.
  const bool read_only =
      metadata[0] == 0 && metadata[1] == 0 && metadata[2] == 0 && metadata[3] > 0 && metadata[3] <= kV8PageBytes;
  return read_only ? (limit < kV8PageBytes ? limit : kV8PageBytes) : 0;
}

}  // namespace extmem
