// Threads that read at the same time in a process without a descriptor share the one that was held in reserve.
#include "os/process_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>

#include "check.h"

namespace {

constexpr int kThreads = 2;
constexpr int kRounds = 5000;

std::atomic<int> g_unread{0};

void* Read(void*) {
  char text[64];
  for (int i = 0; i < kRounds; i++) {
    g_unread += extmem::ReadWholeFile("/proc/self/statm", text, sizeof(text)) <= 0;
    usleep(20);  // whoever reads without a pause keeps the other from it
  }
  return nullptr;
}

void WithoutADescriptorAllIsRead() {
  extmem::HoldReserve(true);
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit low{64, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &low);
  while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) continue;

  pthread_t threads[kThreads];  // not std::thread, in which UBSan looks for types through a pipe: two descriptors
  for (pthread_t& thread : threads) pthread_create(&thread, nullptr, Read, nullptr);
  for (pthread_t& thread : threads) pthread_join(thread, nullptr);
  extmem::HoldReserve(false);
  const bool given_back = open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0;

  setrlimit(RLIMIT_NOFILE, &limit);
  CHECK_EQUAL(g_unread.load(), 0);
  CHECK(given_back);
}

}  // namespace

int main() {
  WithoutADescriptorAllIsRead();
  return check::Finish();
}
