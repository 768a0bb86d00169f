// One thread at a time, no wake-up lost, and a child that knows what it is.
#include "os/lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "check.h"
#include "os/clock.h"

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

void AChildKnowsThatItIsOne() {
  CHECK(!extmem::InForkedChild());
  const pid_t child = fork();
  if (child == 0) _exit(extmem::InForkedChild() ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  CHECK_EQUAL(status, 0);
  CHECK(!extmem::InForkedChild());
}

}  // namespace

int main() {
  alarm(60);  // what hangs has failed
  OneThreadAtATime();
  NoWakeUpIsLost();
  AWaitEnds();
  AChildKnowsThatItIsOne();
  return check::Finish();
}
