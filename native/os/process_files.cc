#include "os/process_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "os/lock.h"

namespace extmem {
namespace {

struct DirectoryEntry {  // linux_dirent64
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};

double NumberAt(const char* text, const char* end) {
  if (text == end || *text < '0' || *text > '9') return NAN;
  double value = 0;
  for (; text < end && *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

// Raw: fstat as a symbol is bound to glibc 2.33.
bool Status(int fd, struct stat* status) { return syscall(SYS_fstat, fd, status) == 0; }

// A descriptor to give up when there is none left: a file in memory of which there is no other, so that it is known
// from whatever the program opens under its number. No reserve where the kernel makes none.
struct Reserve {
  Lock lock;
  int fd = -1;
  FileIdentity identity;
  bool keeping = false;
  bool lent = false;
  int files = 0;  // of ours that are open, or being opened or closed

  // For the holder of the lock.
  bool IsThere() const { return fd >= 0 && identity.Is(fd); }
  void Restore() {
    if (!keeping || lent || IsThere()) return;
    constexpr unsigned kCloseOnExec = 1;  // MFD_CLOEXEC
    fd = static_cast<int>(syscall(SYS_memfd_create, "extmem-reserve", kCloseOnExec));
    identity = FileIdentity::Of(fd);
  }
  void GiveUp() {
    if (IsThere()) close(fd);
    fd = -1;
  }
} g_reserve;

// False: nobody will give a descriptor back. Otherwise another attempt may find one: the reserve's, or its place, which
// another thread leaves after a file or, at most, after a pass over smaps.
bool BorrowReserve(bool* borrowed) {
  {
    Locked locked(&g_reserve.lock);
    if (g_reserve.IsThere()) {
      *borrowed = g_reserve.lent = true;
      g_reserve.GiveUp();
      return true;
    }
    if (g_reserve.files == 1) return false;  // only the caller's
  }
  usleep(1000);  // a poll, not a lock: the caller may hold a second file itself, and would wait for ever
  return true;
}

bool IsReserve(int fd) {
  Locked locked(&g_reserve.lock);
  return fd == g_reserve.fd && g_reserve.IsThere();
}

int OpenToRead(const char* path, int flags) { return open(path, O_RDONLY | O_CLOEXEC | flags); }

// The text behind `spaces` more blanks, or `end`.
const char* SkipFields(const char* text, const char* end, int spaces) {
  for (; text < end && spaces > 0; text++) spaces -= *text == ' ';
  return text;
}

}  // namespace

FileIdentity FileIdentity::Of(int fd) {
  FileIdentity identity;
  struct stat status;
  if (Status(fd, &status)) {
    identity.device_ = status.st_dev;
    identity.inode_ = status.st_ino;
  }
  return identity;
}

bool FileIdentity::Is(int fd) const {
  struct stat status;
  return Status(fd, &status) && status.st_dev == device_ && status.st_ino == inode_;
}

ProcessFile::ProcessFile(const char* path, int flags) {
  {
    Locked locked(&g_reserve.lock);
    g_reserve.files++;
  }
  for (int tries = 0; tries < 200; tries++) {
    fd_ = OpenToRead(path, flags);
    if (fd_ >= 0 || errno != EMFILE || !BorrowReserve(&from_reserve_)) break;
  }
  identity_ = FileIdentity::Of(fd_);
}

ProcessFile::~ProcessFile() {
  if (IsOurs()) close(fd_);
  // In one step with what tells others to wait: between the two there would be neither reserve nor borrower.
  Locked locked(&g_reserve.lock);
  g_reserve.files--;
  if (from_reserve_) g_reserve.lent = false;
  g_reserve.Restore();
}

ssize_t ProcessFile::Read(void* into, size_t size) const {
  ssize_t got;
  do {
    got = IsOurs() ? read(fd_, into, size) : -1;
  } while (got < 0 && errno == EINTR);
  return got;
}

ssize_t ProcessFile::ReadAt(void* into, size_t size, uint64_t offset) const {
  return IsOurs() ? pread(fd_, into, size, static_cast<off_t>(offset)) : -1;
}

ssize_t ProcessFile::WriteAt(const void* from, size_t size, uint64_t offset) const {
  return IsOurs() ? pwrite(fd_, from, size, static_cast<off_t>(offset)) : -1;
}

void KeepReserve() {
  Locked locked(&g_reserve.lock);
  g_reserve.Restore();
}

void HoldReserve(bool hold) {
  Locked locked(&g_reserve.lock);
  g_reserve.keeping = hold;
  if (hold) {
    g_reserve.Restore();
  } else {
    g_reserve.GiveUp();
  }
}

long ReadWholeFile(const char* path, char* into, size_t capacity) {
  const ProcessFile file(path, O_NONBLOCK);
  size_t length = 0;
  ssize_t got = file.is_open() ? 0 : -1;
  while (length < capacity && file.is_open()) {
    got = file.Read(into + length, capacity - length);
    if (got <= 0) break;
    length += static_cast<size_t>(got);
  }
  return got < 0 ? -1 : static_cast<long>(length);
}

double ResidentBytesByStatm() {
  char text[256];
  const long length = ReadWholeFile("/proc/self/statm", text, sizeof(text));
  if (length <= 0) return NAN;
  const char* end = text + length;
  return NumberAt(SkipFields(text, end, 1), end) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double ThreadCount() {
  char text[1024];
  const long length = ReadWholeFile("/proc/self/stat", text, sizeof(text));
  if (length <= 0) return NAN;
  // The name in parentheses may hold anything: count fields from behind its last bracket (proc(5): 20th field).
  const char* end = text + length;
  const char* close_bracket = end - 1;
  while (close_bracket > text && *close_bracket != ')') close_bracket--;
  return NumberAt(SkipFields(close_bracket, end, 18), end);
}

DescriptorCounts CountDescriptors(char* buffer, size_t capacity) {
  DescriptorCounts counts{0, 0, 0, 0, 0};
  const ProcessFile directory("/proc/self/fd", O_DIRECTORY);
  if (!directory.is_open()) return {NAN, NAN, NAN, NAN, NAN};
  for (;;) {
    const long got = directory.IsOurs() ? syscall(SYS_getdents64, directory.fd(), buffer, capacity) : -1;
    if (got < 0) counts = {NAN, NAN, NAN, NAN, NAN};
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      DirectoryEntry entry;
      std::memcpy(&entry, buffer + at, offsetof(DirectoryEntry, name));
      const char* name = buffer + at + offsetof(DirectoryEntry, name);
      at += entry.length;
      if (*name < '0' || *name > '9') continue;
      const int fd = static_cast<int>(NumberAt(name, name + std::strlen(name)));
      if (fd == directory.fd() || IsReserve(fd)) continue;
      struct stat status;
      if (!Status(fd, &status)) continue;  // closed meanwhile
      counts.all++;
      switch (status.st_mode & S_IFMT) {
        case S_IFREG:
        case S_IFDIR:
          counts.files++;
          break;
        case S_IFSOCK:
          counts.sockets++;
          break;
        case S_IFIFO:
          counts.pipes++;
          break;
        default:
          counts.other++;
      }
    }
  }
  return counts;
}

}  // namespace extmem
