// Text of glibc's malloc_info(3) -> what malloc_trim(0) would return, and the totals. Pure, fed in pieces.
//
//   <heap nr="0">
//   <sizes>
//     <size from="33" to="48" total="96" count="2"/>
//     <unsorted from="1041" to="131057" total="264704" count="3"/>
//   </sizes>
//   <total type="fast" count="0" size="0"/>      free in fastbins
//   <total type="rest" count="6" size="400000"/> free in bins, with the top chunk, which counts as one
//   <system type="current" size="135168"/>
//   </heap>
//   ... the same totals once more outside any heap, with <total type="mmap" count= size=/>
//
// malloc_trim gives back the whole pages inside a free chunk, behind its header of 48 bytes. A chunk of s bytes holds
// s - 4096 bytes of whole pages on average; bins tell only total and count, so bins whose mean chunk is below a page
// count for nothing, and the rest for total - 4096 * count. The top of the main arena is given back too.
//
// A chunk in a bin is summed with the lowest bit of its size word, a flag that is always set there: one byte too many
// for each. Without these the totals are those of mallinfo2 to the byte.
#ifndef EXTMEM_LEDGER_GLIBC_MALLOC_INFO_H_
#define EXTMEM_LEDGER_GLIBC_MALLOC_INFO_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

struct MallocInfo {
  uint64_t reclaimable_bytes = 0;
  uint64_t in_use_bytes = 0;  // system - free + mmapped; chunks in a tcache count as in use
  uint64_t system_bytes = 0;  // with mmapped chunks
  uint64_t mmapped_bytes = 0;
  bool complete = false;  // the closing tag was seen
};

class MallocInfoParser {
 public:
  void Feed(const char* text, size_t length);
  MallocInfo Finish();

 private:
  void Line(const char* begin, const char* end);
  void Bin(const char* begin, const char* end);
  void CloseHeap();

  static constexpr size_t kLineBytes = 256;
  char line_[kLineBytes];
  size_t line_length_ = 0;
  bool in_heap_ = false;
  bool main_heap_ = false;
  uint64_t heap_rest_bytes_ = 0;
  uint64_t heap_fast_bytes_ = 0;
  uint64_t heap_bins_bytes_ = 0;  // fastbins have rows among the sizes too
  uint64_t free_bytes_ = 0;
  uint64_t heaps_ = 0;
  MallocInfo info_;
};

}  // namespace extmem

#endif  // EXTMEM_LEDGER_GLIBC_MALLOC_INFO_H_
