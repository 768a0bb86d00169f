// libFuzzer target for both parsers: any text, fed in two pieces, must neither crash nor break an account.
// Build: cmake with -DEXTMEM_FUZZ=ON and clang; run: fuzz_parsers test/fixtures/smaps
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ledger/glibc_malloc_info.h"
#include "ledger/mappings.h"
#include "ledger/smaps.h"

namespace {

constexpr size_t kRows = 64;

// Answers with bytes derived from the address, so that peeks see structure without a process.
class AnyPeek final : public extmem::Peek {
 public:
  bool Read(uint64_t address, void* into, size_t size) override {
    if (address % 7 == 0) return false;
    for (size_t i = 0; i < size; i++) static_cast<uint8_t*>(into)[i] = static_cast<uint8_t>(address >> (i % 8 * 8));
    return true;
  }
  bool ResidentBytes(uint64_t start, uint64_t end, uint64_t* bytes) override {
    *bytes = (end - start) / 2;
    return start % 3 != 0;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const char* text = reinterpret_cast<const char*>(data);
  const size_t cut = size == 0 ? 0 : data[0] % (size + 1);

  extmem::Vma table[kRows];
  extmem::SmapsParser smaps(table, kRows);
  smaps.Feed(text, cut);
  smaps.Feed(text + cut, size - cut);
  smaps.Finish();
  AnyPeek memory;
  extmem::Ledger ledger;
  extmem::ClassifyMappings(table, smaps.count(), extmem::ClassifyOptions{}, memory, &ledger);
  uint64_t sum = 0;
  for (uint64_t bytes : ledger.leaf_bytes) sum += bytes;
  if (sum != ledger.rss_bytes) std::abort();

  extmem::MallocInfoParser malloc_info;
  malloc_info.Feed(text, cut);
  malloc_info.Feed(text + cut, size - cut);
  malloc_info.Finish();
  return 0;
}
