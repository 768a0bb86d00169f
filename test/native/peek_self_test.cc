// Reading this process with the usual way, and with ways taken away: in children, for a filter is for life.
#include "os/peek_self.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "check.h"
#include "ledger/fields.h"
#include "ledger/pass.h"
#include "ledger/workspace.h"
#include "os/thread_block.h"

namespace {

using extmem::kPageBytes;

const std::atomic<bool> g_never{false};

// Refuses one system call with EPERM from now on, as container profiles do.
bool Deny(unsigned call) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof(rules) / sizeof(rules[0]), rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Runs `body` in a child; its answer is the child's.
template <typename Body>
bool InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0;
}

bool LedgerSums(double* numbers) {
  extmem::Workspace workspace;
  if (!extmem::RunParts(extmem::kAllParts, workspace, g_never, numbers)) return false;
  double sum = 0;
  for (size_t i = extmem::k_leafV8Heap; i <= extmem::k_leafUnattributed; i++) sum += numbers[i];
  return sum > 1e6 && sum == numbers[extmem::k_ledgerRssBytes];
}

void ReadsWhatIsThereAndNothingElse() {
  uint64_t buffer[512];
  extmem::PeekSelf memory(buffer, 512);
  const uint64_t word = 42;
  uint64_t copy = 0;
  CHECK(memory.Read(reinterpret_cast<uint64_t>(&word), &copy, sizeof(copy)));
  CHECK_EQUAL(copy, 42u);
  CHECK(memory.ReadByFile(reinterpret_cast<uint64_t>(&word), &copy, sizeof(copy)));
  CHECK_EQUAL(memory.failures(), 0u);
  CHECK(!memory.Read(0x1000, &copy, sizeof(copy)));
  CHECK_EQUAL(memory.failures(), 1u);
}

// The facts of os/thread_block.h, against the libc that runs here.
void FindsTheThreadsBlock() {
  const auto check = [] {
    extmem::PeekSelf memory(nullptr, 0);
    uint64_t words[extmem::kThreadIdOffset / sizeof(uint64_t) + 1];
    const uint64_t block = extmem::ThisThreadBlock();
    if (block % extmem::kThreadBlockAlignment != 0 || !memory.Read(block, words, sizeof(words))) return false;
    return extmem::IsThreadBlock(words, block) &&
           static_cast<pid_t>(words[extmem::kThreadIdOffset / sizeof(uint64_t)]) == syscall(SYS_gettid);
  };
  CHECK(check());
  bool other = false;
  std::thread([&] { other = check(); }).join();
  CHECK(other);
}

void CountsResidentPages() {
  uint64_t buffer[16];  // smaller than the range: it is read in pieces
  extmem::PeekSelf memory(buffer, 16);
  constexpr size_t kPages = 100;
  void* mapped = mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED);
  const uint64_t start = reinterpret_cast<uint64_t>(mapped);
  madvise(mapped, kPages * kPageBytes, MADV_NOHUGEPAGE);
  std::memset(mapped, 1, 7 * kPageBytes);
  std::memset(static_cast<char*>(mapped) + 30 * kPageBytes, 1, 20 * kPageBytes);
  uint64_t bytes = 0;
  CHECK(memory.ResidentBytes(start, start + kPages * kPageBytes, &bytes));
  CHECK_EQUAL(bytes, 27 * kPageBytes);
  munmap(mapped, kPages * kPageBytes);
}

void WithoutTheCallTheFileServes() {
  CHECK(InChild([] {
    if (!Deny(SYS_process_vm_readv)) return false;
    const uint32_t bits = extmem::ProbeCapabilities(0);
    double numbers[extmem::kFieldCount];
    return (bits & extmem::kReadByCallWorks) == 0 && (bits & extmem::kReadByFileWorks) != 0 && LedgerSums(numbers) &&
           numbers[extmem::k_ledgerPeekFailures] == 0;
  }));
}

void WithoutPagemapTheSumHolds() {
  CHECK(InChild([] {
    double numbers[extmem::kFieldCount];
    return Deny(SYS_pread64) && LedgerSums(numbers);
  }));
}

// No file can be opened: everything that needs one is unknown, nothing is zero.
void WithoutDescriptorsNumbersAreUnknown() {
  CHECK(InChild([] {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    double numbers[extmem::kFieldCount] = {};
    extmem::Workspace workspace;
    if (!extmem::RunParts(extmem::kQuick | extmem::kLedger, workspace, g_never, numbers)) return false;
    for (size_t i = 0; i < extmem::kFieldCount; i++) {
      const bool asked = (extmem::kFieldPart[i] & (extmem::kQuick | extmem::kLedger)) != 0;
      if (asked && i != extmem::k_quickAtMs && !std::isnan(numbers[i])) return false;
    }
    return true;
  }));
}

void AStoppedPassGivesNothing() {
  const std::atomic<bool> stop{true};
  extmem::Workspace workspace;
  double numbers[extmem::kFieldCount];
  CHECK(!extmem::RunParts(extmem::kLedger, workspace, stop, numbers));
}

void AWorkspaceGrowsToItsLimit() {
  extmem::Workspace workspace;
  size_t capacity = workspace.capacity();
  CHECK(capacity > 1000);
  while (workspace.Grow()) {
    CHECK(workspace.capacity() > capacity);
    capacity = workspace.capacity();
    workspace.table()[capacity - 1].start = 1;
  }
  CHECK(capacity > 300000);
  extmem::Range ranges[extmem::Workspace::kMaxRanges];
  CHECK_EQUAL(extmem::Workspace::Ranges(ranges), 1u);
}

}  // namespace

int main() {
  ReadsWhatIsThereAndNothingElse();
  FindsTheThreadsBlock();
  CountsResidentPages();
  WithoutTheCallTheFileServes();
  WithoutPagemapTheSumHolds();
  WithoutDescriptorsNumbersAreUnknown();
  AStoppedPassGivesNothing();
  AWorkspaceGrowsToItsLimit();
  return check::Finish();
}
