#include "ledger/reader.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "ledger/pass.h"
#include "ledger/workspace.h"
#include "os/background_thread.h"
#include "os/clock.h"
#include "os/lock.h"
#include "os/own_pages.h"
#include "os/process_files.h"

namespace extmem {
namespace {

// The pass needs some 30 KiB; the rest is for jemalloc's or mimalloc's first call on a new thread. Virtual, not
// resident.
constexpr size_t kStackBytes = 256 * 1024;
constexpr size_t kWatchedBytes = 64 * 1024;

struct State {
  State() {
    for (double& number : numbers) number = NAN;
  }

  Lock lock;
  Condition wake;

  // Guarded by `lock`.
  double numbers[kFieldCount];
  std::vector<std::string> paths;
  uint64_t paths_generation = 0;
  std::vector<WatchedText> texts;
  uint32_t requested = 0;
  uint32_t planned = 0;
  uint32_t running = 0;  // parts of the pass that is under way
  bool closing = false;
  const void* owner = nullptr;
  bool has_thread = false;

  // Written before the thread starts.
  PassCallback on_pass = nullptr;
  void* on_pass_data = nullptr;
  uint64_t interval_ns = 0;
  BackgroundThread thread;

  std::atomic<bool> stop{false};
};

State* const g_state = new State;  // leaked on purpose, see reader.h

State* Get() { return InForkedChild() ? nullptr : g_state; }

std::vector<WatchedText> ReadWatched(const std::vector<std::string>& paths, char* buffer) {
  static_assert(kWatchedBytes <= Workspace::kTextBytes, "watched files are read through the text buffer");
  std::vector<WatchedText> texts(paths.size());
  for (size_t i = 0; i < paths.size(); i++) {
    const long length = ReadWholeFile(paths[i].c_str(), buffer, kWatchedBytes);
    texts[i].readable = length >= 0;
    if (length > 0) texts[i].text.assign(buffer, static_cast<size_t>(length));
  }
  return texts;
}

// The parts whose numbers here were taken before those there: while the reader was busy with smaps, another thread may
// have run a pass of its own.
uint32_t OlderParts(const double* here, const double* there) {
  constexpr std::pair<Part, Field> kTimes[] = {
      {kQuick, k_quickAtMs}, {kLedger, k_ledgerAtMs}, {kAllocator, k_mallocAtMs}, {kDescriptors, k_fdAtMs}};
  uint32_t older = 0;
  for (const auto& [part, time] : kTimes) older |= here[time] < there[time] ? part : 0u;
  return older;
}

void RunAndPublish(State* state, uint32_t parts, Workspace& workspace, const std::atomic<bool>& stop) {
  double numbers[kFieldCount];
  // A pass leaves alone what it was not asked for, and NaN is older than nothing.
  std::fill_n(numbers, kFieldCount, NAN);
  if (!RunParts(parts, workspace, stop, numbers)) return;
  std::vector<WatchedText> texts;
  uint64_t generation = 0;
  if ((parts & kQuick) != 0) {
    std::vector<std::string> paths;
    {
      Locked locked(&state->lock);
      paths = state->paths;
      generation = state->paths_generation;
    }
    texts = ReadWatched(paths, workspace.text());
  }
  Locked locked(&state->lock);
  const uint32_t newer = parts & ~OlderParts(numbers, state->numbers);
  for (size_t i = 0; i < kFieldCount; i++) {
    if ((kFieldPart[i] & newer) == 0 || i == k_threadCpuUs || i == k_ownBytes) continue;
    state->numbers[i] = numbers[i];
  }
  // Another list is watched since: what was read belongs to the old one.
  if ((parts & kQuick) != 0 && generation == state->paths_generation) state->texts = std::move(texts);
}

// Waits for a request or for the next beat, and returns the parts to run; 0 when the reader is being closed. Beats that
// were missed, by a long pass or a stopped process, are left out.
uint32_t NextParts(State* state, uint64_t* beat_ns) {
  Locked locked(&state->lock);
  while (state->requested == 0 && !state->closing) {
    const uint64_t now_ns = MonotonicNs();
    if (state->interval_ns == 0) {
      state->wake.Wait(&state->lock, Condition::kForever);
    } else if (now_ns < *beat_ns) {
      state->wake.Wait(&state->lock, *beat_ns - now_ns);
    } else {
      *beat_ns = std::max(*beat_ns, now_ns - state->interval_ns) + state->interval_ns;
      return state->running = std::exchange(state->planned, 0) | kQuick;
    }
  }
  return state->running = state->closing ? 0 : std::exchange(state->requested, 0);
}

void Loop(void* data) {
  State* state = static_cast<State*>(data);
  Workspace workspace;
  uint64_t beat_ns = MonotonicNs() + state->interval_ns;
  for (;;) {
    const uint32_t parts = NextParts(state, &beat_ns);
    if (parts == 0) return;
    KeepReserve();
    if (workspace.ok()) RunAndPublish(state, parts, workspace, state->stop);
    {
      Locked locked(&state->lock);
      if (state->closing) return;
      state->running = 0;
      state->numbers[k_threadCpuUs] = ThreadCpuUs();
      state->numbers[k_ownBytes] = static_cast<double>(workspace.committed_bytes());
    }
    state->on_pass(state->on_pass_data);
  }
}

}  // namespace

bool OpenReader(const void* owner, PassCallback on_pass, void* data, uint64_t interval_ms) {
  State* state = Get();
  if (state == nullptr) return false;
  {
    Locked locked(&state->lock);
    if (state->owner != nullptr) return false;
    state->owner = owner;
    state->closing = false;
    state->requested = 0;
    state->planned = 0;
    state->running = 0;
  }
  state->stop.store(false);
  state->on_pass = on_pass;
  state->on_pass_data = data;
  state->interval_ns = interval_ms * 1'000'000;
  const bool started = state->thread.Start(Loop, state, kStackBytes);
  HoldReserve(true);
  Locked locked(&state->lock);
  state->has_thread = started;
  return true;
}

bool ReaderHasThread() {
  State* state = Get();
  if (state == nullptr) return false;
  Locked locked(&state->lock);
  return state->has_thread;
}

bool CloseReader(const void* owner) {
  State* state = Get();
  if (state == nullptr) return false;
  {
    Locked locked(&state->lock);
    if (state->owner != owner || state->closing) return false;
    state->closing = true;
    state->stop.store(true);
    state->wake.Wake();
  }
  if (state->has_thread) state->thread.Join();  // written before the owner came to know
  HoldReserve(false);
  Locked locked(&state->lock);
  state->has_thread = false;
  state->owner = nullptr;
  return true;
}

void RequestPass(uint32_t parts) {
  State* state = Get();
  if (state == nullptr) return;
  Locked locked(&state->lock);
  state->requested |= parts & kAllParts;
  state->wake.Wake();
}

void PlanPasses(uint32_t parts) {
  State* state = Get();
  if (state == nullptr) return;
  Locked locked(&state->lock);
  const bool unseen = ((state->running | state->requested) & ~kQuick) != 0;
  if (!unseen) state->planned = parts & kAllParts;
}

void RunNow(uint32_t parts) {
  State* state = Get();
  if (state == nullptr) return;
  Workspace workspace;
  const std::atomic<bool> never{false};
  if (workspace.ok()) RunAndPublish(state, parts & kAllParts, workspace, never);
}

void CopyNumbers(double* into) {
  State* state = Get();
  if (state == nullptr) {
    for (size_t i = 0; i < kFieldCount; i++) into[i] = NAN;
    return;
  }
  Locked locked(&state->lock);
  for (size_t i = 0; i < kFieldCount; i++) into[i] = state->numbers[i];  // memcpy is invisible to gcc's TSan
}

void WatchFiles(std::vector<std::string> paths) {
  State* state = Get();
  if (state == nullptr) return;
  Locked locked(&state->lock);
  state->paths = std::move(paths);
  state->paths_generation++;
  state->texts.assign(state->paths.size(), WatchedText{});
}

std::vector<WatchedText> WatchedTexts() {
  State* state = Get();
  if (state == nullptr) return {};
  Locked locked(&state->lock);
  return state->texts;
}

}  // namespace extmem
