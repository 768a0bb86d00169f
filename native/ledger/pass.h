// One pass: asks the kernel and the allocator, fills the fields of the parts it was asked for. No state of its own.
#ifndef EXTMEM_LEDGER_PASS_H_
#define EXTMEM_LEDGER_PASS_H_

#include <atomic>
#include <cstdint>

#include "ledger/fields.h"
#include "ledger/workspace.h"

namespace extmem {

// Fills `numbers` (kFieldCount doubles), setting unknown fields of these parts to NaN. False: `stop` ended a long pass
// early, and the numbers are not to be used.
bool RunParts(uint32_t parts, Workspace& workspace, const std::atomic<bool>& stop, double* numbers);

// What works on this machine, for probe().
enum Probe : uint32_t {
  kSmapsReadable = 1,
  kVmFlagsPresent = 2,
  kV8HabitConfirmed = 4,   // a known V8 object lies in a `dc` mapping
  kV8HeaderConfirmed = 8,  // and in a page whose header we understand
  kReadByCallWorks = 16,   // process_vm_readv
  kReadByFileWorks = 32,   // /proc/self/mem
  kPagemapReadable = 64,
  kMallocInfoFound = 128,
};

// `object_address` is the address of a living V8 heap object of the calling isolate, 0 when none is known.
uint32_t ProbeCapabilities(uint64_t object_address);

}  // namespace extmem

#endif  // EXTMEM_LEDGER_PASS_H_
