// The part of an arena's free memory that malloc_trim(0) will not give back although it lies in a bin.
//
// malloc_trim first consolidates: chunks in fastbins are merged with their free neighbours. Where such a chunk lies
// right below the top, it and the free chunk below it become part of the top; and only the main arena's top is given
// back. One fastbin chunk of 32 bytes at that place costs a worker's arena up to all of its free memory (seen: 8 of
// 35 MiB after 40 workers). malloc_info does not show it, so it is read from the arena itself:
//
//   struct malloc_state   { int mutex, flags, have_fastchunks, pad; chunk* fastbins[10]; chunk* top; chunk* last;
//                           chunk* bins[254]; int binmap[4]; malloc_state* next; ... }         glibc 2.26-2.42, 64 bit
//   fastbin i             chunks of 16 * (i + 2) bytes; the forward pointer is XORed with its own address >> 12 from
//                         glibc 2.32 on, plain before: whichever leads to a chunk of that size is right
//
// Without locks, so a busy arena may be seen half-changed: every value is checked, every walk is bounded, and the
// result is only ever subtracted from an estimate.
#ifndef EXTMEM_LEDGER_GLIBC_ARENA_TOP_H_
#define EXTMEM_LEDGER_GLIBC_ARENA_TOP_H_

#include "os/peek.h"

namespace extmem {

// Bytes of whole pages that a consolidation would move from bins into the top, over all thread arenas in the ring of
// `any_arena` (a malloc_state). 0 when `any_arena` is 0 or does not look like one.
uint64_t BytesJoiningTops(Peek& memory, uint64_t any_arena);

}  // namespace extmem

#endif  // EXTMEM_LEDGER_GLIBC_ARENA_TOP_H_
