#include "profile/counters.h"

#include "profile/hook.h"
#include "profile/profile.h"
#include "profile/seen_mappings.h"
#include "profile/stack.h"

namespace extmem {
namespace {

double Count(int64_t count_256) { return static_cast<double>(count_256) / 256; }

double Variance(int64_t variance_kib2) { return static_cast<double>(variance_kib2) * 1048576; }

}  // namespace

ProfileNumbers CountProfile() {
  const SampleRate rate = ProfileRate();
  const LiveCounters live = LiveCount();
  const StackTotals sum = LiveSum();
  const StackCounters stacks = StackCount();
  const HookReport hooks = HookCoverage();
  const SeenCounters seen = SeenCount();
  ProfileNumbers numbers;
  numbers.meanBytes = rate.mean_bytes;
  numbers.rateRaises = rate.raises;
  numbers.samples = live.samples;
  numbers.tracked = live.tracked;
  numbers.refused = live.refused;
  numbers.overwritten = live.overwritten;
  numbers.allocatedBytes = sum.allocated_bytes;
  numbers.freedBytes = sum.freed_bytes;
  numbers.allocatedCount = Count(sum.allocated_count_256);
  numbers.freedCount = Count(sum.freed_count_256);
  numbers.liveVariance = Variance(sum.live_variance_kib2);
  numbers.stacks = Stacks().in_use();
  numbers.stacksRefused = Stacks().refused();
  numbers.framesRefused = StackFrames().refused() + StackStrings().refused();
  numbers.framesDecoded = stacks.decoded;
  numbers.framesUnreadable = stacks.unreadable;
  numbers.framesUnlicensed = stacks.unlicensed;
  numbers.unwalked = stacks.unwalked;
  numbers.broken = stacks.broken;
  numbers.repaired = stacks.repaired;
  numbers.unplaced = stacks.unplaced;
  numbers.unread = stacks.unread;
  numbers.ownBytes = ProfileOwnBytes();
  numbers.objects = hooks.objects;
  numbers.patchedObjects = hooks.patched_objects;
  numbers.slots = hooks.slots;
  numbers.refusedSlots = hooks.refused_slots;
  numbers.foreignSlots = hooks.foreign_slots;
  numbers.unreadableObjects = hooks.unreadable_objects;
  numbers.droppedSlots = hooks.dropped_slots;
  numbers.mappedBytes = seen.bytes;
  numbers.mappings = seen.ranges;
  numbers.mappingsRefused = seen.refused;
  return numbers;
}

StackNumbers CountStack(uint64_t stack, const StackTotals& totals, uint32_t oldest_second) {
  StackNumbers numbers;
  numbers.stack = static_cast<double>(stack);
  numbers.allocatedBytes = totals.allocated_bytes;
  numbers.allocatedCount = Count(totals.allocated_count_256);
  numbers.freedBytes = totals.freed_bytes;
  numbers.freedCount = Count(totals.freed_count_256);
  numbers.variance = Variance(totals.live_variance_kib2);
  numbers.samples = totals.samples;
  numbers.liveSamples = totals.live_samples;
  numbers.oldestSecond = oldest_second == UINT32_MAX ? NAN : oldest_second;
  return numbers;
}

}  // namespace extmem
