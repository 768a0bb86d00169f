// Small files under /proc/self, read by raw read(2): stdio would allocate inside the heap that is being measured.
// Any thread. NaN where the file is missing or says something else.
#ifndef EXTMEM_OS_PROCESS_FILES_H_
#define EXTMEM_OS_PROCESS_FILES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace extmem {

// Which file a descriptor stands for. Programs close numbers that they do not know, and reuse them: before anything is
// done with a number of ours it is asked whether it still stands for what we opened.
class FileIdentity {
 public:
  static FileIdentity Of(int fd);  // of no file when `fd` is not open
  bool Is(int fd) const;

 private:
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

// A file that opens even in a process that has no descriptor left, which is a process that somebody wants to
// understand: while a reserve is held it is given up for the time that the file is open.
// -1 from all that moves bytes: not opened, or not ours any more.
class ProcessFile {
 public:
  explicit ProcessFile(const char* path, int flags = 0);
  ~ProcessFile();
  ProcessFile(const ProcessFile&) = delete;
  ProcessFile& operator=(const ProcessFile&) = delete;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool IsOurs() const { return identity_.Is(fd_); }
  ssize_t Read(void* into, size_t size) const;
  ssize_t ReadAt(void* into, size_t size, uint64_t offset) const;
  ssize_t WriteAt(const void* from, size_t size, uint64_t offset) const;

 private:
  int fd_ = -1;
  FileIdentity identity_;
  bool from_reserve_ = false;
};
void HoldReserve(bool hold);
void KeepReserve();  // opens it anew when the program took its place; the reader does so before each pass

struct DescriptorCounts {
  double all, files, sockets, pipes, other;
};

// Reads at most `capacity` bytes of `path`; returns how many, or -1.
long ReadWholeFile(const char* path, char* into, size_t capacity);

double ResidentBytesByStatm();
double ThreadCount();
// One fstat(2) for each. `buffer` holds directory entries.
DescriptorCounts CountDescriptors(char* buffer, size_t capacity);

}  // namespace extmem

#endif  // EXTMEM_OS_PROCESS_FILES_H_
