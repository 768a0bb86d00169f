// Memory made of literals: pages that were written can be read, everything else is unmapped.
#ifndef EXTMEM_TEST_NATIVE_FAKE_PEEK_H_
#define EXTMEM_TEST_NATIVE_FAKE_PEEK_H_

#include <cstring>
#include <initializer_list>
#include <map>
#include <vector>

#include "os/peek.h"

class FakePeek final : public extmem::Peek {
 public:
  bool refuse_reads = false;
  bool refuse_pagemap = false;
  uint64_t reads = 0;

  // Zero pages that are resident.
  void Map(uint64_t start, uint64_t end) {
    for (uint64_t page = start; page < end; page += extmem::kPageBytes) Page(page);
  }
  void Write(uint64_t address, std::initializer_list<uint64_t> words) {
    for (uint64_t word : words) {
      std::vector<char>& page = Page(address / extmem::kPageBytes * extmem::kPageBytes);
      std::memcpy(page.data() + address % extmem::kPageBytes, &word, sizeof(word));
      address += sizeof(word);
    }
  }

  bool Read(uint64_t address, void* into, size_t size) override {
    reads++;
    if (refuse_reads) return false;
    char* to = static_cast<char*>(into);
    while (size > 0) {
      const auto page = pages_.find(address / extmem::kPageBytes * extmem::kPageBytes);
      if (page == pages_.end()) return false;
      const size_t offset = address % extmem::kPageBytes;
      const size_t piece = size < extmem::kPageBytes - offset ? size : extmem::kPageBytes - offset;
      std::memcpy(to, page->second.data() + offset, piece);
      to += piece;
      address += piece;
      size -= piece;
    }
    return true;
  }

  bool ResidentBytes(uint64_t start, uint64_t end, uint64_t* bytes) override {
    if (refuse_pagemap) return false;
    *bytes = 0;
    for (auto page = pages_.lower_bound(start); page != pages_.end() && page->first < end; ++page) {
      *bytes += extmem::kPageBytes;
    }
    return true;
  }

 private:
  std::vector<char>& Page(uint64_t address) {
    std::vector<char>& page = pages_[address];
    if (page.empty()) page.resize(extmem::kPageBytes);
    return page;
  }
  std::map<uint64_t, std::vector<char>> pages_;
};

#endif  // EXTMEM_TEST_NATIVE_FAKE_PEEK_H_
