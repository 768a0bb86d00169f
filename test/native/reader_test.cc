// The reader thread on this very process: open and close, passes under load, fork in the middle of a pass.
// Built with ASan and UBSan, and once more with TSan.
#include "ledger/reader.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "binding/isolate_table.h"
#include "check.h"
#include "ledger/allocator.h"
#include "ledger/pass.h"

namespace {

using extmem::kFieldCount;

std::atomic<int> g_passes{0};
void CountPass(void*) { g_passes++; }

void WaitForPass(int before) {
  while (g_passes.load() == before) usleep(200);
}

double LeafSum(const double* numbers) {
  double sum = 0;
  for (size_t i = extmem::k_leafV8Heap; i <= extmem::k_leafUnattributed; i++) sum += numbers[i];
  return sum;
}

void NothingIsKnownBeforeTheFirstPass() {
  double numbers[kFieldCount];
  extmem::CopyNumbers(numbers);
  for (double number : numbers) CHECK(std::isnan(number));
}

void APassOnThisThreadNeedsNoReader() {
  double numbers[kFieldCount];
  extmem::RunNow(extmem::kAllParts);
  extmem::CopyNumbers(numbers);
  CHECK(numbers[extmem::k_ledgerRssBytes] > 1e6);
  CHECK_EQUAL(LeafSum(numbers), numbers[extmem::k_ledgerRssBytes]);
  CHECK_EQUAL(numbers[extmem::k_ledgerTruncated], 0.0);
  CHECK(numbers[extmem::k_rssBytes] > 1e6);
  CHECK(numbers[extmem::k_threads] >= 1);
  CHECK(numbers[extmem::k_fdCount] >= 3);
  CHECK(std::isnan(numbers[extmem::k_threadCpuUs]));
}

void DescriptorsAreCountedByKind() {
  double before[kFieldCount];
  double after[kFieldCount];
  extmem::RunNow(extmem::kDescriptors);
  extmem::CopyNumbers(before);
  int open_now = 0;
  for (int fd = 0; fd < 4096; fd++) open_now += fcntl(fd, F_GETFD) >= 0;
  CHECK_EQUAL(before[extmem::k_fdCount], static_cast<double>(open_now));  // the one that counts is not counted
  int ends[2];
  CHECK_EQUAL(pipe(ends), 0);
  extmem::RunNow(extmem::kDescriptors);
  extmem::CopyNumbers(after);
  CHECK_EQUAL(after[extmem::k_fdPipes], before[extmem::k_fdPipes] + 2);
  CHECK_EQUAL(after[extmem::k_fdCount], before[extmem::k_fdCount] + 2);
  close(ends[0]);
  close(ends[1]);
}

void OneOwnerAtATime() {
  const int first = 1, second = 2;
  CHECK(extmem::OpenReader(&first, CountPass, nullptr, 0));
  CHECK(!extmem::OpenReader(&second, CountPass, nullptr, 0));
  CHECK(!extmem::OpenReader(&first, CountPass, nullptr, 0));
  CHECK(!extmem::CloseReader(&second));
  const int before = g_passes.load();
  extmem::RequestPass(extmem::kAllParts);
  WaitForPass(before);
  double numbers[kFieldCount];
  extmem::CopyNumbers(numbers);
  CHECK_EQUAL(LeafSum(numbers), numbers[extmem::k_ledgerRssBytes]);
  CHECK(numbers[extmem::k_threadCpuUs] > 0);
  CHECK(extmem::CloseReader(&first));
  CHECK(!extmem::CloseReader(&first));
  CHECK(extmem::OpenReader(&second, CountPass, nullptr, 0));
  CHECK(extmem::CloseReader(&second));
}

void PassesBeginByThemselves() {
  const int owner = 1;
  CHECK(extmem::OpenReader(&owner, CountPass, nullptr, 1));
  extmem::PlanPasses(extmem::kLedger);
  for (int i = 0; i < 2; i++) WaitForPass(g_passes.load());  // the first may have begun before the plan
  double numbers[kFieldCount];
  extmem::CopyNumbers(numbers);
  CHECK_EQUAL(LeafSum(numbers), numbers[extmem::k_ledgerRssBytes]);
  CHECK(extmem::CloseReader(&owner));
}

void WatchedFilesFollowTheirList() {
  extmem::WatchFiles({"/proc/self/comm", "/no/such/file"});
  CHECK_EQUAL(extmem::WatchedTexts().size(), 2u);
  CHECK(!extmem::WatchedTexts()[0].readable);
  extmem::RunNow(extmem::kQuick);
  CHECK(extmem::WatchedTexts()[0].readable);
  CHECK(!extmem::WatchedTexts()[0].text.empty());
  CHECK(!extmem::WatchedTexts()[1].readable);
  extmem::WatchFiles({});
  CHECK(extmem::WatchedTexts().empty());
}

void OpenAndCloseAThousandTimesWithPassesUnderWay() {
  const int owner = 1;
  int opened = 0;
  for (int i = 0; i < 1000; i++) {
    opened += extmem::OpenReader(&owner, CountPass, nullptr, 0);
    extmem::RequestPass(i % 2 == 0 ? extmem::kAllParts : extmem::kQuick);
    extmem::CloseReader(&owner);
  }
  CHECK_EQUAL(opened, 1000);
}

void ManyThreadsReadAndRun() {
  const int owner = 1;
  CHECK(extmem::OpenReader(&owner, CountPass, nullptr, 0));
  std::atomic<bool> stop{false};
  std::thread churn([&] {  // mappings come and go while they are being looked at
    while (!stop.load()) {
      void* block = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      std::memset(block, 1, 1 << 16);
      munmap(block, 1 << 20);
      std::free(std::malloc(300000));
    }
  });
  std::thread watcher([&] {  // shares nothing with the others but the lock, so TSan sees when that is missing
    double numbers[kFieldCount];
    while (!stop.load(std::memory_order_relaxed)) extmem::CopyNumbers(numbers);
  });
  std::mutex checks;  // the counters of check.h are plain ints
  std::thread runners[3];
  for (std::thread& runner : runners) {
    runner = std::thread([&] {
      double numbers[kFieldCount];
      for (int i = 0; i < 30; i++) {
        extmem::RequestPass(extmem::kAllParts);
        extmem::RunNow(extmem::kLedger);
        extmem::CopyNumbers(numbers);
        extmem::PublishIsolate(&numbers, numbers);
        std::lock_guard<std::mutex> lock(checks);
        CHECK_EQUAL(LeafSum(numbers), numbers[extmem::k_ledgerRssBytes]);
      }
      extmem::RemoveIsolate(&numbers);
    });
  }
  for (std::thread& runner : runners) runner.join();
  stop.store(true);
  churn.join();
  watcher.join();
  CHECK_EQUAL(extmem::CopyIsolates(nullptr, nullptr, 0), 0u);
  CHECK(extmem::CloseReader(&owner));
}

// The child has no reader thread, and may have been born while a lock was held.
void ForkedChildrenAreLeftAlone() {
  const int owner = 1;
  CHECK(extmem::OpenReader(&owner, CountPass, nullptr, 0));
  int clean = 0;
  for (int i = 0; i < 50; i++) {
    extmem::RequestPass(extmem::kAllParts);
    const pid_t child = fork();
    if (child == 0) {
      double numbers[kFieldCount];
      extmem::RequestPass(extmem::kAllParts);
      extmem::RunNow(extmem::kAllParts);
      extmem::CopyNumbers(numbers);
      extmem::PublishIsolate(&owner, numbers);
      const bool closed = extmem::CloseReader(&owner);
      _exit(closed || !std::isnan(numbers[0]) ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    clean += status == 0;
  }
  CHECK_EQUAL(clean, 50);
  CHECK(extmem::CloseReader(&owner));
}

// Signals of the application are handled by its own threads, never by the reader.
std::atomic<uint64_t> g_reader_mask{0};

uint64_t MaskOfThisThread() {
  uint64_t mask = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, sizeof(mask));
  return mask;
}

void SignalsAreBlockedOnTheReader() {
  const int owner = 1;
  const uint64_t before = MaskOfThisThread();
  const auto look = [](void*) {
    g_reader_mask.store(MaskOfThisThread());
    g_passes++;
  };
  const int passes = g_passes.load();
  CHECK(extmem::OpenReader(&owner, look, nullptr, 0));
  extmem::RequestPass(extmem::kQuick);
  WaitForPass(passes);
  CHECK(extmem::CloseReader(&owner));
  const auto blocked = [](int signal) { return (g_reader_mask.load() >> (signal - 1) & 1) == 1; };
  for (int signal : {SIGUSR1, SIGUSR2, SIGPROF, SIGTERM, SIGCHLD, SIGHUP}) CHECK(blocked(signal));
  CHECK(!blocked(32) && !blocked(33));  // glibc's own: setuid waits for every thread to handle it
  CHECK_EQUAL(MaskOfThisThread(), before);
}

}  // namespace

int main() {
  NothingIsKnownBeforeTheFirstPass();
  APassOnThisThreadNeedsNoReader();
  DescriptorsAreCountedByKind();
  OneOwnerAtATime();
  PassesBeginByThemselves();
  WatchedFilesFollowTheirList();
  OpenAndCloseAThousandTimesWithPassesUnderWay();
  ManyThreadsReadAndRun();
  ForkedChildrenAreLeftAlone();
  SignalsAreBlockedOnTheReader();
  return check::Finish();
}
