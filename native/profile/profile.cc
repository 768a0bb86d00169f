#include "profile/profile.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "os/clock.h"
#include "os/lock.h"
#include "os/modules.h"
#include "os/own_pages.h"
#include "os/proc_maps.h"
#include "os/safe_read.h"
#include "profile/live.h"
#include "profile/seen_mappings.h"

namespace extmem {

namespace {

// 0 = off. What is wished for, and what is in force while the limit of samples per second of CPU time presses.
std::atomic<uint64_t> g_wished_mean{0};
std::atomic<uint64_t> g_mean{0};
std::atomic<uint32_t> g_limit{0};
std::atomic<uint32_t> g_depth{64};
std::atomic<uint64_t> g_seed{0};
std::atomic<uint32_t> g_window_second{0};
std::atomic<uint32_t> g_window_samples{0};
std::atomic<uint64_t> g_raises{0};
bool g_running = false;
const Thread* g_owner = nullptr;
// Held while slots are rewritten, so never by a hook.
Lock g_control;

// Captures under way, each up to what it does with its stack; and whether the tables are swept: then none begins.
std::atomic<uint32_t> g_capturing{0};
std::atomic<bool> g_sweeping{false};

// Either this sees the sweep, or the sweep sees this: both write before they read, in one order for all threads.
bool BeginCapture() {
  g_capturing.fetch_add(1, std::memory_order_seq_cst);
  if (!g_sweeping.load(std::memory_order_seq_cst)) return true;
  g_capturing.fetch_sub(1, std::memory_order_release);
  return false;
}

void EndCapture() { g_capturing.fetch_sub(1, std::memory_order_release); }

// Precondition: the caller holds the control.
void SweepIfCrowded() {
  if (!StackIsCrowded()) return;
  Thread* thread = ThisThread();
  thread->busy = true;
  g_sweeping.store(true, std::memory_order_seq_cst);
  // Captures take microseconds. A thread that is stopped in one is not waited for: the next pass tries again.
  constexpr int kYields = 100;
  for (int i = 0; i < kYields && g_capturing.load(std::memory_order_seq_cst) != 0; i++) sched_yield();
  if (g_capturing.load(std::memory_order_seq_cst) == 0) StackSweep();
  g_sweeping.store(false, std::memory_order_seq_cst);
  thread->busy = false;
}

// 0 = nothing is sampled. A forked child has our hooks, but no tables, none of the threads that might hold a lock, and
// no heap of V8.
uint64_t MeanInForce() {
  const uint64_t mean = g_mean.load(std::memory_order_relaxed);
  return mean == 0 || InForkedChild() ? 0 : mean;
}

uint64_t SeedOf(const Thread* thread) {
  uint64_t seed = g_seed.load(std::memory_order_relaxed);
  if (seed == 0) seed = MonotonicNs() << 20 ^ reinterpret_cast<uintptr_t>(thread);
  // Neighbouring seeds must not give neighbouring first draws.
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9ull;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBull;
  return seed ^ (seed >> 31);
}

// Doubles the distance between samples when a second brought too many, and halves it again after a calm one. Each
// sample keeps the rate under which it was drawn, so the estimates stay unbiased. Seconds of CPU time: a process that
// has a tenth of a CPU may lose to samples no more than a tenth of what another one may.
void Limit() {
  const uint32_t limit = g_limit.load(std::memory_order_relaxed);
  if (limit == 0) return;
  const uint32_t second = static_cast<uint32_t>(ProcessCpuNs() / 1'000'000'000);
  uint32_t window = g_window_second.load(std::memory_order_relaxed);
  if (second != window && g_window_second.compare_exchange_strong(window, second, std::memory_order_relaxed)) {
    const uint32_t samples = g_window_samples.exchange(0, std::memory_order_relaxed);
    uint64_t mean = g_mean.load(std::memory_order_relaxed);
    const uint64_t wished = g_wished_mean.load(std::memory_order_relaxed);
    if (samples < limit / 4 && mean > wished) {
      g_mean.compare_exchange_strong(mean, mean / 2 < wished ? wished : mean / 2, std::memory_order_relaxed);
    }
  }
  if (g_window_samples.fetch_add(1, std::memory_order_relaxed) + 1 < limit) return;
  uint64_t mean = g_mean.load(std::memory_order_relaxed);
  if (mean == 0 || mean > UINT64_C(1) << 40) return;
  if (g_mean.compare_exchange_strong(mean, mean * 2, std::memory_order_relaxed)) {
    g_window_samples.store(0, std::memory_order_relaxed);
    g_raises.fetch_add(1, std::memory_order_relaxed);
  }
}

void Allocated(Thread* thread, void* block, size_t size, const uintptr_t* frame) {
  // A signal handler that allocates while its thread is in here; its turn comes with the next allocation.
  if (thread->busy) return;
  const uint64_t mean = MeanInForce();
  if (mean == 0) {
    thread->sampler.Rest();
    return;
  }
  const int saved = errno;
  thread->busy = true;
  if (!BeginCapture()) {
    thread->busy = false;  // still due: the next allocation is looked at instead
    return;
  }
  const uint64_t sampled_mean = thread->sampler.Exhausted(size, mean, SeedOf(thread));
  if (sampled_mean != 0) {
    if (thread->id == 0) thread->id = static_cast<uint32_t>(syscall(SYS_gettid));
    const uint32_t stack =
        CaptureStack(thread, frame, g_depth.load(std::memory_order_relaxed), StackOf::kAllocation, SampleClock());
    LiveInsert(reinterpret_cast<uintptr_t>(block), {size, sampled_mean, stack, CoarseSeconds(), thread->id});
    Limit();
  }
  EndCapture();
  thread->busy = false;
  errno = saved;
}

void Mapped(Thread* thread, void* start, size_t length, const uintptr_t* frame) {
  if (thread->busy || MeanInForce() == 0) return;
  const int saved = errno;
  thread->busy = true;
  const bool captures = BeginCapture();
  const uint32_t depth = g_depth.load(std::memory_order_relaxed);
  const uint32_t stack = captures ? CaptureStack(thread, frame, depth, StackOf::kMapping, SampleClock()) : 0;
  SeenMapped(reinterpret_cast<uintptr_t>(start), length, stack);
  if (captures) EndCapture();
  thread->busy = false;
  errno = saved;
}

void Unmapped(void* start, size_t length) {
  Thread* thread = ThisThread();
  if (thread->busy || MeanInForce() == 0) return;
  const int saved = errno;
  thread->busy = true;
  SeenUnmapped(reinterpret_cast<uintptr_t>(start), length);
  thread->busy = false;
  errno = saved;
}

void Reserved(void* start, size_t length) {
  if (MeanInForce() == 0) return;
  const int saved = errno;
  SeenReserved(reinterpret_cast<uintptr_t>(start), length);
  errno = saved;
}

// Around each dlclose, on its thread, which may call the loader: code of an object that was not noted yet is known
// before it goes, and that of those that stay is not nobody's until the next tick. Whoever holds the control is not
// waited for, since he may wait for the loader.
void NoteIfFree() {
  Thread* thread = ThisThread();
  if (thread->busy || InForkedChild() || !g_control.TryAcquire()) return;
  const int saved = errno;
  thread->busy = true;
  if (g_running) NoteModules();
  thread->busy = false;
  g_control.Release();
  errno = saved;
}

void Closing() {
  NoteIfFree();
  ModulesUnload();
}

void Closed() {
  ModulesUnload();
  NoteIfFree();
}

void Invalidated(void* start, size_t length) { SafeReadForget(reinterpret_cast<uintptr_t>(start), length); }

void Committed(Thread* thread, void* start, size_t length, const uintptr_t* frame) {
  if (MeanInForce() == 0) return;
  uintptr_t from = reinterpret_cast<uintptr_t>(start);
  if (SeenReservedPart(&from, &length)) Mapped(thread, reinterpret_cast<void*>(from), length, frame);
}

// WebAssembly memories from before the start grow into the rest of their reservations.
void FollowReservations() {
  for (const MapLine& line : ProcMaps()) {
    if (line.protection == PROT_NONE && line.inode == 0 && line.end - line.start >= kReservationBytes) {
      SeenReserved(line.start, line.end - line.start);
    }
  }
}

void SetMean(uint64_t mean_bytes) {
  g_wished_mean.store(mean_bytes, std::memory_order_relaxed);
  g_mean.store(mean_bytes, std::memory_order_relaxed);
}

// Precondition: the caller holds the control.
void Stop() {
  if (!g_running) return;
  g_running = false;
  g_owner = nullptr;
  SetMean(0);
  HookRemove();
  LiveForget();
  SeenForget();
}

constexpr HookObserver kObserver = {Allocated, Mapped, Unmapped, Reserved, Committed, Invalidated, Closing, Closed};

}  // namespace

HookStatus ProfileStart(const ProfileOptions& options) {
  if (InForkedChild()) return HookStatus::kRunning;  // for the parent: the child leaves it alone
  Locked locked(&g_control);
  if (g_running) return HookStatus::kRunning;
  if (!LiveInit() || !StackInit() || !SeenInit()) return HookStatus::kNoMemory;
  LiveForget();
  g_limit.store(options.max_samples_per_cpu_second);
  g_depth.store(options.depth);
  g_seed.store(options.seed);
  const HookStatus status = HookInstall(&kObserver);
  // Sampling begins when every object is patched, so that no recorded block is freed behind our back.
  if (status != HookStatus::kInstalled) return status;
  g_running = true;
  SafeReadForgetAll();  // what was unmapped before the hooks were there
  g_owner = ThisThread();
  NoteModules();
  FollowReservations();
  SetMean(options.mean_bytes);
  return status;
}

void ProfileStop() {
  if (InForkedChild()) return;
  Locked locked(&g_control);
  Stop();
}

void ProfileSetRate(uint64_t mean_bytes) {
  if (InForkedChild()) return;
  Locked locked(&g_control);
  if (g_running) SetMean(mean_bytes);
}

bool ProfileRescan() {
  if (InForkedChild()) return false;
  Locked locked(&g_control);
  if (!g_running) return false;
  const bool changed = HookRescan();
  if (changed || ModulesAreStale()) NoteModules();
  SweepIfCrowded();
  return changed;
}

SampleRate ProfileRate() { return {MeanInForce(), g_raises.load(std::memory_order_relaxed)}; }

uint64_t ProfileOwnBytes() { return LiveOwnBytes() + StackOwnBytes(); }

const char* ProfileRegisterThread() {
  // Nothing is sampled in a child, so no stack is learnt there.
  if (InForkedChild()) return ThisThread()->isolate != nullptr ? nullptr : "/proc/self/maps";
  Locked locked(&g_control);  // two workers may come first at the same time
  Thread* thread = ThisThread();
  thread->busy = true;
  const char* missing = StackLoadLayout();
  const bool known = StackInit() && StackRegisterThread(thread);
  thread->busy = false;
  if (thread->isolate != nullptr) return nullptr;
  if (missing != nullptr) return missing;
  if (!known) return "/proc/self/maps";
  return SafeReadWorks() ? "v8::Isolate::CopyCodePages" : "process_vm_readv";
}

void ProfileThreadEnds() {
  ProfileUnregisterThread();
  if (InForkedChild()) return;
  Locked locked(&g_control);
  if (g_owner == ThisThread()) Stop();
}

void ProfileUnregisterThread() {
  if (!InForkedChild()) StackUnregisterThread(ThisThread());
}

uint64_t ProfileCapture(StackOf what) {
  if (InForkedChild()) return 0;
  Locked locked(&g_control);
  if (!StackInit()) return 0;
  if (!g_running) SafeReadForgetAll();
  Thread* thread = ThisThread();
  thread->busy = true;
  // Decoding anew takes time: the frames of the self-test are the innermost ones.
  constexpr uint32_t kTestDepth = 32;
  const uint32_t depth = what == StackOf::kTest ? kTestDepth : kMaxDepth;
  const uint32_t stack = CaptureStack(thread, static_cast<const uintptr_t*>(__builtin_frame_address(0)), depth, what,
                                      SampleClock::Stopped());
  thread->busy = false;
  return Stacks().Handle(stack);
}

ProfileReading::ProfileReading() : locked_(!InForkedChild()) {
  if (locked_) g_control.Acquire();
}

ProfileReading::~ProfileReading() {
  if (locked_) g_control.Release();
}

}  // namespace extmem
