// Text of /proc/PID/smaps -> one Vma record per mapping. A pure function of the text, fed in pieces of any size.
//
// A record of the kernel (proc(5)); fields we do not know are skipped, so newer kernels only add noise:
//
//   7f2c40000000-7f2c40021000 rw-p 00000000 00:00 0          [heap]
//   Rss:                 132 kB
//   Pss:                 132 kB
//   Anonymous:           132 kB
//   Swap:                  0 kB
//   VmFlags: rd wr mr mw me nr sd
//
// Tolerant by rule, because the sum must hold whatever comes: text before the first header is ignored, a missing
// field is 0, numbers saturate, overlong lines are cut, a table that is full adds further records to `overflow`.
// Threads: none shared; the caller owns table and parser. Sizes are KiB as the kernel prints them.
#ifndef EXTMEM_LEDGER_SMAPS_H_
#define EXTMEM_LEDGER_SMAPS_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

enum VmaFlag : uint16_t {
  kRead = 1 << 0,
  kWrite = 1 << 1,
  kExec = 1 << 2,
  kSharedMap = 1 << 3,
  kDontFork = 1 << 4,     // dc: MADV_DONTFORK, which V8 sets on everything it maps
  kNoReserve = 1 << 5,    // nr: MAP_NORESERVE: V8 reservations, glibc arenas, jemalloc, mimalloc
  kNoHugePage = 1 << 6,   // nh: on kernels from 6.7 on also what MAP_STACK means
  kHasVmFlags = 1 << 7,   // the record had a VmFlags line
  kHasRss = 1 << 8,       // the record had an Rss line
  kStartOfFile = 1 << 9,  // file offset 0: the ELF header of a loaded object is at `start`
};

// What the last column of the header says.
enum class VmaName : uint8_t {
  kNone,          // anonymous
  kFile,          // a path
  kSharedObject,  // memfd, shm, devices, anon_inode
  kHeap,          // [heap]
  kStack,         // [stack]
  kKernel,        // [vdso], [vvar], [vsyscall], [uprobes], ...
  kAnonMalloc,    // [anon: glibc: malloc...], [anon:jemalloc...]: names are a bonus, never relied on
  kAnonStack,     // [anon: glibc: pthread stack: TID]
  kAnonLoader,    // [anon: glibc: loader malloc]
};

struct Vma {
  uint64_t start;
  uint64_t end;
  uint32_t rss_kib;
  uint32_t pss_kib;
  uint32_t anonymous_kib;
  uint32_t swap_kib;
  uint16_t flags;
  VmaName name;

  uint64_t size() const { return end - start; }
  uint64_t rss_bytes() const { return uint64_t{rss_kib} * 1024; }
  bool has(uint16_t mask) const { return (flags & mask) == mask; }
};

class SmapsParser {
 public:
  SmapsParser(Vma* table, size_t capacity) : table_(table), capacity_(capacity) {}

  // True while there is room for `records` more; the owner of the table may grow it between two feeds.
  bool HasRoomFor(size_t records) const { return capacity_ - count_ >= records; }
  void Grow(size_t capacity) { capacity_ = capacity; }

  void Feed(const char* text, size_t length);
  // Ends the text. False when it stopped in the middle of a line or of a record.
  bool Finish();

  size_t count() const { return count_; }
  // Sums of the records that found no room, and how many they were.
  uint64_t overflow_rss_bytes() const { return overflow_rss_bytes_; }
  uint64_t overflow_pss_bytes() const { return overflow_pss_bytes_; }
  uint64_t overflow_swap_bytes() const { return overflow_swap_bytes_; }
  size_t overflow_count() const { return overflow_count_; }

 private:
  static constexpr size_t kLineBytes = 256;  // a header with the part of the path that we look at

  void Line(const char* begin, const char* end);
  bool Header(const char* begin, const char* end);
  void CloseRecord();

  Vma* table_;
  size_t capacity_;
  size_t count_ = 0;
  size_t overflow_count_ = 0;
  uint64_t overflow_rss_bytes_ = 0;
  uint64_t overflow_pss_bytes_ = 0;
  uint64_t overflow_swap_bytes_ = 0;
  bool open_ = false;           // `current_` is being filled
  bool vm_flags_seen_ = false;  // some record had VmFlags: then a last record without them was cut off
  bool line_cut_ = false;
  size_t line_length_ = 0;
  Vma current_{};
  char line_[kLineBytes];
};

}  // namespace extmem

#endif  // EXTMEM_LEDGER_SMAPS_H_
