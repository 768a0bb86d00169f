// The hooks, the walk over stacks and the tables on a process that does everything that is nasty to them. The core is a
// shared library here, as in Node: it never patches itself, and only watches the objects around it.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "check.h"
#include "os/safe_read.h"
#include "os/symbols.h"
#include "profile/counters.h"
#include "profile/live.h"
#include "profile/profile.h"
#include "profile/seen_mappings.h"
#include "profile/stack.h"
#include "profile/thread_stack.h"
#include "torture.h"

namespace {

using extmem::HookStatus;
using extmem::StackTotals;

// libtsan keeps no frame pointers: what is found behind its frames is new each time, and would fill the table.
#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kDepth = 2;
#else
constexpr uint32_t kDepth = 64;
#endif

extmem::ProfileOptions EveryByte() { return {1, 0, kDepth, 1}; }

const uint32_t* FramesOf(uint32_t stack, size_t* count) {
  *count = extmem::Stacks().Length(stack) / sizeof(uint32_t);
  return static_cast<const uint32_t*>(extmem::Stacks().Bytes(stack));
}

uintptr_t AddressAt(uint32_t frame) {
  const extmem::CodePlace place = extmem::FramePlace(frame);
  if ((place.module & extmem::kNoModule) != 0) return place.at;
  return extmem::KnownModules()[place.module].base + place.at;
}

bool IsOurs(uintptr_t pc) {
  Dl_info ours, other;
  return dladdr(reinterpret_cast<void*>(&FramesOf), &ours) != 0 && dladdr(reinterpret_cast<void*>(pc), &other) != 0 &&
         ours.dli_fbase == other.dli_fbase;
}

// Live bytes and blocks of stacks whose innermost frame lies in this program.
torture::Held HeldByUs() {
  torture::Held held = {0, 0};
  for (uint32_t stack = 1; stack < extmem::Stacks().count(); stack++) {
    const StackTotals totals = extmem::LiveTotals(stack);
    size_t count;
    const uint32_t* frames = FramesOf(stack, &count);
    if (totals.live_samples == 0 || count == 0 || !IsOurs(AddressAt(frames[0]))) continue;
    held.bytes += static_cast<size_t>(totals.allocated_bytes - totals.freed_bytes);
    held.blocks += static_cast<size_t>(totals.live_samples);
  }
  return held;
}

void NothingIsPatchedBeforeTheStart() {
  const uint64_t before = extmem::LiveCount().samples;
  torture::EveryForm(1);
  CHECK_EQUAL(extmem::LiveCount().samples, before);
  CHECK_EQUAL(extmem::HookCoverage().slots, 0u);
}

void WhatIsHeldIsKnownToTheByte() {
  CHECK(extmem::ProfileStart(EveryByte()) == HookStatus::kInstalled);
  CHECK(extmem::ProfileStart(EveryByte()) == HookStatus::kRunning);
  for (int i = 0; i < 10; i++) torture::RaceRealloc(1000);
  torture::EveryForm(5);
  torture::Throws(20);
  torture::ThrowsThroughNew(20);
  torture::ThreadStorm(5);
  torture::SmallStack(3);
  torture::Reload(10);
  extmem::ProfileRescan();
  torture::RaceRealloc(1000);
  const torture::Held truth = torture::RacedBlocks();
  const torture::Held held = HeldByUs();
  CHECK(truth.blocks > 10);
  CHECK_EQUAL(held.blocks, truth.blocks);
  CHECK_EQUAL(held.bytes, truth.bytes);
  CHECK(extmem::LiveCount().samples > 20000);
  CHECK_EQUAL(extmem::LiveCount().overwritten, 0u);
  torture::FreeRaced(1);
  CHECK_EQUAL(HeldByUs().blocks, 0u);
  extmem::ProfileStop();
}

__attribute__((noinline)) void* Innermost(size_t bytes) { return malloc(bytes); }
__attribute__((noinline)) void* Middle(size_t bytes) {
  void* block = Innermost(bytes);
  asm volatile("" : : "r"(block) : "memory");  // or the call becomes a jump, and the frame is gone
  return block;
}

void StacksNameTheirCallers() {
  CHECK(extmem::ProfileStart(EveryByte()) == HookStatus::kInstalled);
  void* volatile much = malloc(100000);  // a thread that allocated while profiling was off rests for a while
  free(much);
  void* block = Middle(12345);
  extmem::LiveEntry entry = {};
  CHECK(extmem::LiveTake(reinterpret_cast<uintptr_t>(block), &entry));
  CHECK_EQUAL(entry.size_bytes, 12345u);
  size_t count;
  const uint32_t* frames = FramesOf(entry.stack, &count);
  CHECK(count >= 2);
  const auto within = [](uintptr_t pc, void* (*function)(size_t)) {
    const uintptr_t start = reinterpret_cast<uintptr_t>(function);
    return pc > start && pc < start + 512;
  };
  CHECK(within(AddressAt(frames[0]), Innermost));
  CHECK(within(AddressAt(frames[1]), Middle));
  extmem::LivePutBack(reinterpret_cast<uintptr_t>(block), entry);
  free(block);
  CHECK(!extmem::LiveTake(reinterpret_cast<uintptr_t>(block), &entry));
  extmem::ProfileStop();
}

void ForkedChildrenSampleNothing() {
  CHECK(extmem::ProfileStart(EveryByte()) == HookStatus::kInstalled);
  torture::ForkStorm(10);
#if !defined(__SANITIZE_THREAD__)  // which takes locks of its own in what a raw child calls
  torture::RawForkStorm(10);
#endif
  const pid_t child = fork();
  if (child == 0) {
    extmem::ProfileSetRate(1);
    const bool samples = extmem::ProfileRate().mean_bytes != 0;
    extmem::ProfileStop();
    _exit(samples ? 1 : 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK_EQUAL(status, 0);
  extmem::ProfileStop();
}

// All that a session which goes on in a child may call.
bool WhatAChildCallsDoesNothing() {
  const bool starts = extmem::ProfileStart(EveryByte()) != HookStatus::kRunning;
  extmem::ProfileSetRate(1);
  const bool samples = extmem::ProfileRate().mean_bytes != 0;
  const bool rescans = extmem::ProfileRescan();
  extmem::ProfileOwnBytes();
  extmem::CountProfile();
  extmem::ProfileRegisterThread();
  const bool captures = extmem::ProfileCapture(extmem::StackOf::kAllocation) != 0;
  const bool sees = extmem::SeenCount().ranges != 0;
  extmem::NoteModules();
  const bool knows = !extmem::KnownModules().empty();
  extmem::ProfileUnregisterThread();
  extmem::ProfileThreadEnds();
  extmem::ProfileStop();
  return !starts && !samples && !rescans && !captures && !sees && !knows;
}

void ForkedChildrenWaitForNoLock() {
  CHECK(extmem::ProfileStart({UINT64_C(1) << 40, 0, kDepth, 1}) == HookStatus::kInstalled);
  std::atomic<bool> stop{false};
  const auto repeat = [&stop](void (*take)()) {
    while (!stop) take();
  };
  std::thread holders[] = {
      std::thread(repeat, [] { extmem::ProfileRescan(); }),                              // the control
      std::thread(repeat, [] { extmem::NoteModules(); }),                                // the list of modules
      std::thread(repeat, [] { extmem::SeenMapped(0x100000000, size_t{1} << 20, 1); }),  // seen mappings
  };
  bool well = true;
  for (int i = 0; i < 30 && well; i++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);  // ends a child that waits for ever
      _exit(WhatAChildCallsDoesNothing() ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    well = status == 0;
  }
  stop = true;
  for (std::thread& holder : holders) holder.join();
  CHECK(well);
  extmem::ProfileStop();
}

// Pages become read-only and vanish between our looks at them and our writes.
void ObjectsComeAndGoElsewhere() {
  torture::BeginLoads(1);
  for (int i = 0; i < 20; i++) {
    CHECK(extmem::ProfileStart({UINT64_C(1) << 40, 0, kDepth, 1}) == HookStatus::kInstalled);
    for (int k = 0; k < 100; k++) extmem::ProfileRescan();
    extmem::ProfileStop();
  }
  torture::EndLoads(1);
}

void StartsAndStopsUnderLoad(int rounds) {
  std::atomic<bool> stop{false};
  std::thread noise([&] {
    while (!stop) {
      torture::RaceRealloc(20);
      torture::EveryForm(1);
    }
  });
  int wrong = 0;
  for (int i = 0; i < rounds; i++) {
    wrong += extmem::ProfileStart(EveryByte()) != HookStatus::kInstalled;
    free(Middle(100));
    extmem::ProfileStop();
  }
  stop = true;
  noise.join();
  CHECK_EQUAL(wrong, 0);
  torture::FreeRaced(1);
}

// V8 keeps its spaces at round distances: pages that are looked at in turn must not push each other out.
void HotPagesAreAskedForOnce() {
  constexpr uintptr_t kDistance = 32 << 20;
  constexpr int kPages = 8;
  void* reserved = mmap(nullptr, kPages * kDistance, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const uintptr_t first = reinterpret_cast<uintptr_t>(reserved);
  const uint64_t before = extmem::SafeReadAsked();
  for (int round = 0; round < 100; round++) {
    for (uintptr_t i = 0; i < kPages; i++) CHECK(extmem::PageReadable(first + i * kDistance));
  }
  CHECK(extmem::SafeReadAsked() - before < 2 * kPages);
  munmap(reserved, kPages * kDistance);
  extmem::SafeReadForget(first, kPages * kDistance);
  CHECK(!extmem::PageReadable(first));
}

// Nobody tells what is unmapped while the hooks are not there.
void PagesAreForgottenByAStart() {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const uintptr_t address = reinterpret_cast<uintptr_t>(page);
  CHECK(extmem::PageReadable(address));
  munmap(page, 4096);
  CHECK(extmem::ProfileStart({UINT64_C(1) << 40, 0, kDepth, 1}) == HookStatus::kInstalled);
  CHECK(!extmem::PageReadable(address));
  // While they are, the objects around ours tell themselves.
  page = mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(extmem::PageReadable(reinterpret_cast<uintptr_t>(page)));
  munmap(page, 4096);
  CHECK(!extmem::PageReadable(reinterpret_cast<uintptr_t>(page)));
  extmem::ProfileStop();
}

// The kernel joins what lies above it to the mapping of a stack.
void AStackEndsWhereItsThreadBegins() {
  constexpr size_t kBytes = 2 << 20;
  void* mapped = mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, mapped, kBytes);
  pthread_t thread;
  const auto body = [](void*) -> void* {
    extmem::Thread learnt = {};  // no end when nothing is learnt
    extmem::LearnStack(&learnt, true);
    return reinterpret_cast<void*>(learnt.stack_high);
  };
  CHECK_EQUAL(pthread_create(&thread, &attributes, body, nullptr), 0);
  void* high = nullptr;
  pthread_join(thread, &high);
  CHECK(reinterpret_cast<uintptr_t>(high) > reinterpret_cast<uintptr_t>(mapped));
  CHECK(reinterpret_cast<uintptr_t>(high) <= reinterpret_cast<uintptr_t>(mapped) + kBytes);
  munmap(mapped, 2 * kBytes);
  pthread_attr_destroy(&attributes);
}

// Neighbours, holes and what is unmapped in the middle, from two threads.
void MappingsAreCutAndJoined() {
  CHECK(extmem::SeenInit());
  constexpr uintptr_t kBase = 0x100000000, kPage = 4096;
  extmem::SeenMapped(kBase, 100 * kPage, 1);
  extmem::SeenMapped(kBase + 100 * kPage, 10 * kPage, 1);
  CHECK_EQUAL(extmem::SeenCount().ranges, 1u);
  extmem::SeenUnmapped(kBase + 10 * kPage, 1);  // a whole page goes
  CHECK_EQUAL(extmem::SeenCount().bytes, 109 * kPage);
  uint64_t start, end;
  CHECK(extmem::SeenNext(kBase + 10 * kPage, &start, &end));
  CHECK_EQUAL(start, kBase + 11 * kPage);
  CHECK(!extmem::SeenNext(end, &start, &end));
  const auto churn = [](uintptr_t base) {
    for (uintptr_t i = 0; i < 2000; i++) {
      extmem::SeenMapped(base + i % 50 * 2 * kPage, kPage, 2);
      if (i % 3 == 0) extmem::SeenUnmapped(base + i % 40 * kPage, 3 * kPage);
    }
    extmem::SeenUnmapped(base, 1000 * kPage);
  };
  std::thread other(churn, kBase + 10000 * kPage);
  churn(kBase + 20000 * kPage);
  other.join();
  CHECK_EQUAL(extmem::SeenCount().bytes, 109 * kPage);
  extmem::SeenReserved(kBase * 2, 100 * kPage);
  uintptr_t from = kBase * 2 - kPage;
  size_t length = 3 * kPage;
  CHECK(extmem::SeenReservedPart(&from, &length));
  CHECK_EQUAL(from, kBase * 2);
  CHECK_EQUAL(length, 2 * kPage);
  extmem::SeenForget();
  CHECK_EQUAL(extmem::SeenCount().ranges, 0u);
}

#if defined(__x86_64__)

// As many callers as one wants, each of a few bytes: push rbp; mov rbp, rsp; mov rax, Innermost; call rax; pop rbp;
// ret.
class Callers {
 public:
  static constexpr size_t kCount = 24000;
  static constexpr size_t kBytes = 32;

  Callers()
      : code_(static_cast<uint8_t*>(
            mmap(nullptr, kCount * kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    auto* target = &Innermost;
    for (size_t i = 0; i < kCount; i++) {
      uint8_t* at = code_ + i * kBytes;
      memcpy(at, "\x55\x48\x89\xe5\x48\xb8", 6);
      memcpy(at + 6, &target, sizeof(target));
      memcpy(at + 14, "\xff\xd0\x5d\xc3", 4);
    }
  }
  ~Callers() { munmap(code_, kCount * kBytes); }

  void* Call(size_t caller) const { return reinterpret_cast<void* (*)(size_t)>(code_ + caller * kBytes)(64); }
  bool Holds(size_t caller, uintptr_t pc) const {
    return pc - reinterpret_cast<uintptr_t>(code_ + caller * kBytes) < kBytes;
  }

 private:
  uint8_t* const code_;
};

// The stack of a block that is alive names its caller, whoever had its number before.
bool Named(const Callers& callers, size_t caller, void* block) {
  extmem::LiveEntry entry = {};
  if (!extmem::LiveTake(reinterpret_cast<uintptr_t>(block), &entry)) return false;
  extmem::LivePutBack(reinterpret_cast<uintptr_t>(block), entry);
  size_t count;
  const uint32_t* frames = FramesOf(entry.stack, &count);
  return entry.stack != 0 && count >= 2 && callers.Holds(caller, AddressAt(frames[1]));
}

void CheckThatTotalsAddUp() {
  StackTotals sum = {};
  for (uint32_t stack = 0; stack < extmem::Stacks().count(); stack++) {
    const StackTotals totals = extmem::LiveTotals(stack);
    sum.allocated_count_256 += totals.allocated_count_256;
    sum.freed_count_256 += totals.freed_count_256;
    sum.live_samples += totals.live_samples;
  }
  const StackTotals all = extmem::LiveSum();
  CHECK_EQUAL(sum.allocated_count_256, all.allocated_count_256);
  CHECK_EQUAL(sum.freed_count_256, all.freed_count_256);
  CHECK_EQUAL(sum.live_samples, all.live_samples);
}

// Three times more stacks than the table holds, one part after the other: none is refused while few are alive.
void StacksThatHoldNothingMakeRoom() {
  CHECK(extmem::ProfileStart({1, 0, 2, 1}) == HookStatus::kInstalled);
  void* volatile much = malloc(100000);
  free(much);
  const uint64_t refused = extmem::Stacks().refused() + extmem::StackFrames().refused();
  Callers callers;
  constexpr size_t kEvery = 100, kPart = 2000;
  static void* kept[Callers::kCount / kEvery];
  for (size_t i = 0; i < Callers::kCount; i++) {
    void* block = callers.Call(i);
    if (i % kEvery == 0) {
      kept[i / kEvery] = block;
    } else {
      free(block);
    }
    if (i % kPart == 0) extmem::ProfileRescan();
  }
  CHECK_EQUAL(extmem::Stacks().refused() + extmem::StackFrames().refused(), refused);
  CHECK(extmem::Stacks().in_use() < extmem::kMaxStacks * 3 / 4);
  size_t wrong = 0;
  for (size_t i = 0; i < Callers::kCount; i += kEvery) wrong += !Named(callers, i, kept[i / kEvery]);
  CHECK_EQUAL(wrong, 0u);
  CheckThatTotalsAddUp();
  for (void* block : kept) free(block);
  extmem::ProfileStop();
}

// The same, swept again and again while two threads allocate.
void SweptUnderLoad() {
  CHECK(extmem::ProfileStart({1, 0, 2, 1}) == HookStatus::kInstalled);
  Callers callers;
  std::atomic<size_t> wrong{0}, running{2}, held{0};
  auto load = [&](size_t first) {
    void* volatile much = malloc(100000);
    free(much);
    void* kept[8] = {};
    for (size_t i = first; i < Callers::kCount; i += 2) {
      void*& place = kept[i / 2 % 8];
      free(place);
      place = callers.Call(i);
      // When the table is full the stack is not kept; a stack of somebody else never is.
      const extmem::ProfileReading reading;  // no sweep between the looks
      extmem::LiveEntry entry = {};
      if (!extmem::LiveTake(reinterpret_cast<uintptr_t>(place), &entry)) continue;
      extmem::LivePutBack(reinterpret_cast<uintptr_t>(place), entry);
      if (entry.stack == 0) continue;
      held++;
      wrong += !Named(callers, i, place);
    }
    for (void* block : kept) free(block);
    running--;
  };
  std::thread one(load, 0), other(load, 1);
  while (running != 0) extmem::ProfileRescan();
  one.join();
  other.join();
  CHECK_EQUAL(wrong.load(), 0u);
  CHECK(held > 1000);
  CheckThatTotalsAddUp();
  extmem::ProfileStop();
}

#endif

}  // namespace

int main() {
  CHECK(extmem::LiveInit());
  CHECK(extmem::ProfileRegisterThread() != nullptr);  // learns where the stack ends, and misses V8
  NothingIsPatchedBeforeTheStart();
  HotPagesAreAskedForOnce();
  PagesAreForgottenByAStart();
  AStackEndsWhereItsThreadBegins();
  MappingsAreCutAndJoined();
  WhatIsHeldIsKnownToTheByte();
  StacksNameTheirCallers();
  ForkedChildrenSampleNothing();
  ForkedChildrenWaitForNoLock();
  // On a thread that ends with it: the gap to the next sample that is drawn at such a rate would outlast the case.
  std::thread(ObjectsComeAndGoElsewhere).join();
#if defined(__x86_64__)
  StacksThatHoldNothingMakeRoom();
  SweptUnderLoad();
#endif
  StartsAndStopsUnderLoad(200);
  return check::Finish();
}
