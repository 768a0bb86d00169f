// Words are written to read-only pages whole, their protection stays as it is, and what is gone is no crash.
#include "os/slot_writer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "check.h"
#include "os/proc_maps.h"

namespace {

using extmem::SlotWriter;
using Slot = std::atomic<uintptr_t>;

constexpr uintptr_t kOne = 0x1111111111111111, kOther = 0xeeeeeeeeeeeeeeee;

class Page {
 public:
  Page() : bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    start_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  ~Page() { munmap(start_, bytes_); }
  Slot* slot() const { return static_cast<Slot*>(start_) + 5; }
  void Protect(int protection) const { CHECK_EQUAL(mprotect(start_, bytes_, protection), 0); }
  int protection() const {
    const extmem::ProcMaps map;
    const extmem::MapLine* line = map.Find(reinterpret_cast<uintptr_t>(start_));
    return line == nullptr ? -1 : line->protection;
  }

 private:
  const size_t bytes_;
  void* start_;
};

void ProtectionsStayAsTheyAre() {
  const Page page;
  SlotWriter writer;
  for (const int protection : {PROT_READ | PROT_WRITE, PROT_READ}) {
    page.Protect(protection);
    for (const uintptr_t value : {kOne, kOther}) {
      CHECK(writer.WriteByFile(page.slot(), value));
      CHECK_EQUAL(page.slot()->load(), value);
      CHECK_EQUAL(page.protection(), protection);
    }
  }
}

void TheCallRespectsProtections() {
  const Page page;
  SlotWriter writer;
  CHECK(writer.WriteByCall(page.slot(), kOne));
  page.Protect(PROT_READ);
  CHECK(!writer.WriteByCall(page.slot(), kOther));
  CHECK_EQUAL(page.slot()->load(), kOne);
}

void WhatIsGoneIsRefused() {
  Slot* slot;
  {
    const Page page;
    slot = page.slot();
  }
  SlotWriter writer;
  CHECK(!writer.WriteByFile(slot, kOne));
  CHECK(!writer.WriteByCall(slot, kOne));
}

// Other threads call through a slot while it changes.
void NoReaderSeesHalfAWord() {
  const Page page;
  page.slot()->store(kOne);
  SlotWriter writer;
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 100; i++) {
        const uintptr_t value = page.slot()->load(std::memory_order_relaxed);
        if (value != kOne && value != kOther) torn++;
      }
    }
  });
  for (int i = 0; i < 200000; i++) {
    const uintptr_t value = i % 2 == 0 ? kOther : kOne;
    if (i % 4 < 2) {
      writer.WriteByFile(page.slot(), value);
    } else {
      writer.WriteByCall(page.slot(), value);
    }
  }
  stop = true;
  reader.join();
  CHECK_EQUAL(torn.load(), 0);
}

}  // namespace

int main() {
  ProtectionsStayAsTheyAre();
  TheCallRespectsProtections();
  WhatIsGoneIsRefused();
  NoReaderSeesHalfAWord();
  return check::Finish();
}
