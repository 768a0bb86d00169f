// One thread at a time, no wake-up lost, and a child that knows what it is, whoever forked it.
#include "os/lock.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <thread>

#include "check.h"
#include "os/clock.h"
#include "os/own_pages.h"

using extmem::Condition;
using extmem::Lock;
using extmem::Locked;

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 20000;

void OneThreadAtATime() {
  Lock lock;
  int64_t sum = 0;  // plain, so that TSan sees when the lock orders nothing
  std::thread threads[kThreads];
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      for (int i = 0; i < kRounds; i++) {
        Locked locked(&lock);
        sum++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQUAL(sum, int64_t{kThreads} * kRounds);
}

// The other side never sleeps, so it answers while the one that asks is just about to.
void NoWakeUpIsLost() {
  Lock lock;
  Condition answered;
  bool asked = false;
  std::thread other([&] {
    for (int answers = 0; answers < kRounds;) {
      Locked locked(&lock);
      if (!asked) continue;
      asked = false;
      answered.Wake();
      answers++;
    }
  });
  for (int i = 0; i < kRounds; i++) {
    Locked locked(&lock);
    asked = true;
    while (asked) answered.Wait(&lock, Condition::kForever);
  }
  other.join();
  CHECK(!asked);
}

void AWaitEnds() {
  Lock lock;
  Condition never;
  const double start_us = extmem::MonotonicUs();
  {
    Locked locked(&lock);
    never.Wait(&lock, 20'000'000);
  }
  const double us = extmem::MonotonicUs() - start_us;
  CHECK(us >= 19'000 && us < 5'000'000);
}

pid_t Fork() { return fork(); }
// By the bare call: no handler of libc runs in the child.
pid_t RawFork() { return static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }

int StatusOf(pid_t child) {
  int status = 1;
  waitpid(child, &status, 0);
  return status;
}

void AChildKnowsThatItIsOne() {
  for (pid_t (*const make)() : {Fork, RawFork}) {
    CHECK(!extmem::InForkedChild());
    const pid_t child = make();
    if (child == 0) {
      const pid_t grandchild = make();
      if (grandchild == 0) syscall(SYS_exit_group, extmem::InForkedChild() ? 0 : 1);
      syscall(SYS_exit_group, extmem::InForkedChild() && StatusOf(grandchild) == 0 ? 0 : 1);
    }
    CHECK_EQUAL(StatusOf(child), 0);
    CHECK(!extmem::InForkedChild());
  }
}

void AChildSeesZeros() {
  uint64_t* table = extmem::OwnArray<uint64_t>(1000);
  table[500] = 4711;
  const pid_t child = RawFork();
  if (child == 0) syscall(SYS_exit_group, table[500] == 0 ? 0 : 1);
  CHECK_EQUAL(StatusOf(child), 0);
  CHECK_EQUAL(table[500], 4711u);
}

// As before Linux 4.14, in a process that has not asked yet.
void WithoutWipingTheProcessIdTells() {
  const pid_t process = fork();
  if (process != 0) return CHECK_EQUAL(StatusOf(process), 0);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {std::size(filter), filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  CHECK_EQUAL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
  AChildKnowsThatItIsOne();
  _exit(check::failed);
}

}  // namespace

int main() {
  alarm(60);  // what hangs has failed
  WithoutWipingTheProcessIdTells();
  OneThreadAtATime();
  NoWakeUpIsLost();
  AWaitEnds();
  AChildKnowsThatItIsOne();
  AChildSeesZeros();
  return check::Finish();
}
