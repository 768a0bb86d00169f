// Mappings that are not malloc's: those that addons and libraries make themselves, and the committed part of
// WebAssembly memories, each with the stack that made it. All of them are recorded; there are few.
//
// Any thread, also from hooks. A short lock, because ranges are cut and joined: mappings cost far more than it.
#ifndef EXTMEM_PROFILE_SEEN_MAPPINGS_H_
#define EXTMEM_PROFILE_SEEN_MAPPINGS_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

bool SeenInit();
// [start, start + length) belongs to `stack`, apart from what is already recorded inside.
void SeenMapped(uintptr_t start, size_t length, uint32_t stack);
// Anything recorded inside is gone.
void SeenUnmapped(uintptr_t start, size_t length);

// Address space that was set aside for a WebAssembly memory, to be committed bit by bit.
void SeenReserved(uintptr_t start, size_t length);
// The part of [start, start + length) that lies in a reservation; false: none of it.
bool SeenReservedPart(uintptr_t* start, size_t* length);

// The first recorded range that ends after `address`, which begins and ends with a page. False: there is none. For the
// ledger.
bool SeenNext(uint64_t address, uint64_t* start, uint64_t* end);

struct SeenCounters {
  uint64_t bytes;
  uint64_t ranges;
  uint64_t refused;  // ranges that the table had no room for
};
SeenCounters SeenCount();  // all 0 in a forked child
void SeenForget();

}  // namespace extmem

#endif  // EXTMEM_PROFILE_SEEN_MAPPINGS_H_
