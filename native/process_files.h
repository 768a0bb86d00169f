// Small files under /proc/self, read by raw read(2): stdio would allocate inside the heap that is being measured.
// Any thread. NaN where the file is missing or says something else.
#ifndef EXTMEM_NATIVE_PROCESS_FILES_H_
#define EXTMEM_NATIVE_PROCESS_FILES_H_

#include <cstddef>

namespace extmem {

struct DescriptorCounts {
  double all, files, sockets, pipes, other;
};

// Reads at most `capacity` bytes of `path`; returns how many, or -1.
long ReadWholeFile(const char* path, char* into, size_t capacity);

double ResidentBytesByStatm();
double ThreadCount();
// `buffer` holds directory entries.
DescriptorCounts CountDescriptors(char* buffer, size_t capacity);

}  // namespace extmem

#endif  // EXTMEM_NATIVE_PROCESS_FILES_H_
