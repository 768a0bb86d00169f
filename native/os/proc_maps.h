// A snapshot of /proc/self/maps, read with plain system calls into memory of our own. Not for hooks.
#ifndef EXTMEM_OS_PROC_MAPS_H_
#define EXTMEM_OS_PROC_MAPS_H_

#include <cstddef>
#include <cstdint>

namespace extmem {

struct MapLine {
  uintptr_t start, end;
  uintptr_t offset;
  uint64_t inode;  // 0 = anonymous
  int protection;  // PROT_*
};

class ProcMaps {
 public:
  ProcMaps();
  ~ProcMaps();
  ProcMaps(const ProcMaps&) = delete;
  ProcMaps& operator=(const ProcMaps&) = delete;

  // Null when the address is not mapped, or the file could not be read.
  const MapLine* Find(uintptr_t address) const;
  const MapLine* begin() const { return lines_; }
  const MapLine* end() const { return lines_ + count_; }

 private:
  static constexpr size_t kMaxLines = 1u << 17;  // above the default limit of mappings of a process
  MapLine* lines_;
  size_t count_ = 0;
};

}  // namespace extmem

#endif  // EXTMEM_OS_PROC_MAPS_H_
