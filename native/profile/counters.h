// What the profiler counts, of the process and of each stack: one table each, of which the struct here, the declaration
// generator and, through it, TypeScript are made.
//
// A struct crosses to JavaScript as one row of a Float64Array, so its members are doubles: bytes and counts are exact
// up to 2^53, NaN means unknown. Append at the end of a group; TypeScript looks numbers up by name.
#ifndef EXTMEM_PROFILE_COUNTERS_H_
#define EXTMEM_PROFILE_COUNTERS_H_

#include <cmath>
#include <cstdint>

#include "profile/live.h"

namespace extmem {

// X(name, doc)
#define EXTMEM_PROFILE_COUNTERS(X)                                                                   \
  X(meanBytes, "mean bytes between samples now: the limit on samples by CPU use may have raised it") \
  X(rateRaises, "how often that limit raised it")                                                    \
  X(samples, "allocations that were sampled")                                                        \
  X(tracked, "of which are alive and in the table")                                                  \
  X(refused, "of which the table had no room for: counted as freed at once")                         \
  X(overwritten, "of which proved, by an address used again, that their free was not seen")          \
  X(allocatedBytes, "what the samples stand for")                                                    \
  X(freedBytes, "what those of them stand for that were freed")                                      \
  X(allocatedCount, "allocations that the samples stand for")                                        \
  X(freedCount, "likewise of those that were freed")                                                 \
  X(liveVariance, "variance of allocatedBytes - freedBytes, in bytes squared")                       \
  X(stacks, "distinct stacks")                                                                       \
  X(stacksRefused, "stacks that the table had no room for")                                          \
  X(framesRefused, "frames and names that their tables had no room for")                             \
  X(framesDecoded, "JavaScript frames decoded because the cache did not know them")                  \
  X(framesUnreadable, "frames of V8 that could not be decoded")                                      \
  X(framesUnlicensed, "JavaScript frames decoded while the self-test had not seen their tier right") \
  X(unwalked, "samples on a stack whose bounds are unknown: caller only")                            \
  X(broken, "walks that ended before the start of the thread")                                       \
  X(repaired, "of which went on at the newest JavaScript below")                                     \
  X(unplaced, "JavaScript frames without a line: finding it takes more than one sample may do")      \
  X(unread, "samples whose outer frames were not read, for want of time")                            \
  X(ownBytes, "memory of the profiler's tables")                                                     \
  X(objects, "executable and libraries looked at")                                                   \
  X(patchedObjects, "of which have at least one slot rewritten")                                     \
  X(slots, "slots of import tables rewritten now")                                                   \
  X(refusedSlots, "slots that the system refused to write to")                                       \
  X(foreignSlots, "slots left alone because they hold somebody else's function")                     \
  X(unreadableObjects, "objects whose import table makes no sense")                                  \
  X(droppedSlots, "slots left alone because there was no room to remember their value")              \
  X(mappedBytes, "mapped by addons and libraries, and committed to WebAssembly memories; exact")     \
  X(mappings, "ranges of these")                                                                     \
  X(mappingsRefused, "ranges that the table had no room for")

// X(name, doc)
#define EXTMEM_STACK_NUMBERS(X)                                            \
  X(stack, "number of the stack, for `profileStack`")                      \
  X(allocatedBytes, "what the samples of this stack stand for")            \
  X(allocatedCount, "allocations that they stand for")                     \
  X(freedBytes, "what those of them stand for that were freed")            \
  X(freedCount, "likewise of allocations")                                 \
  X(variance, "variance of allocatedBytes - freedBytes, in bytes squared") \
  X(samples, "samples drawn at this stack, and mappings made there")       \
  X(liveSamples, "samples that are alive")                                 \
  X(oldestSecond, "CLOCK_MONOTONIC at the oldest live sample; NaN: none lives")

#define EXTMEM_NUMBER(name, doc) double name = NAN;
struct ProfileNumbers {
  EXTMEM_PROFILE_COUNTERS(EXTMEM_NUMBER)
};
struct StackNumbers {
  EXTMEM_STACK_NUMBERS(EXTMEM_NUMBER)
};
#undef EXTMEM_NUMBER

// Not from a hook.
ProfileNumbers CountProfile();
StackNumbers CountStack(uint64_t stack, const StackTotals& totals, uint32_t oldest_second);

}  // namespace extmem

#endif  // EXTMEM_PROFILE_COUNTERS_H_
