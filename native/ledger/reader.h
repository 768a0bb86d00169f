// The reader: one thread per process that runs passes off the event loop, and the latest numbers.
//
// Thread rule: every function may be called from any JavaScript thread. The only lock they share with the reader is
// held while sixty doubles or a few texts are copied, never during a pass, so no caller waits for smaps or malloc_info.
// `RunNow` runs a pass on the calling thread in a workspace of its own, and does not wait for the reader either.
// The state is static and is never destroyed: the shared object is linked with -z nodelete, workers may load and
// unload the addon as they like, and a thread that is inside a pass at exit() finds everything in place.
// After fork the child has no reader thread, and the lock may be held for ever: every function checks the process id
// first and does nothing there.
#ifndef EXTMEM_LEDGER_READER_H_
#define EXTMEM_LEDGER_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ledger/fields.h"

namespace extmem {

using PassCallback = void (*)(void* data);

// Starts the thread; `owner` is whoever may close it. `on_pass(data)` is called on the reader's thread after each
// pass. With an interval, a pass over the planned parts and the quick one begins by itself every so often; 0: on
// request only. False: it already runs, for another owner or for this one.
bool OpenReader(const void* owner, PassCallback on_pass, void* data, uint64_t interval_ms);
// False: the system refused a thread to the owner. Then nothing begins by itself or on request, only RunNow() does.
bool ReaderHasThread();
// Stops and joins the thread when `owner` opened it; a pass over smaps ends at its next read. True: it was ours.
bool CloseReader(const void* owner);

// Wakes the reader. Requests that come while a pass runs are joined into the next one.
void RequestPass(uint32_t parts);
// What the next pass that begins by itself runs. What its parts cost has to be looked at before they run again: a later
// pass is quick unless planned anew, and a plan that comes while costly parts run or are requested is dropped. Wakes
// nobody.
void PlanPasses(uint32_t parts);
void RunNow(uint32_t parts);

void CopyNumbers(double* into);  // kFieldCount doubles

// Text files that the quick part reads, at most 64 KiB of each.
void WatchFiles(std::vector<std::string> paths);
struct WatchedText {
  bool readable = false;
  std::string text;
};
std::vector<WatchedText> WatchedTexts();

}  // namespace extmem

#endif  // EXTMEM_LEDGER_READER_H_
