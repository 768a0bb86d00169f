#include "binding/isolate_table.h"

#include <unistd.h>
#include <uv.h>

#include <cstring>

namespace extmem {
namespace {

constexpr size_t kMaxIsolates = 4096;

struct Row {
  const void* owner;
  double numbers[kIsolateNumbers];
};

Row g_rows[kMaxIsolates];  // .bss: resident only as far as it is used
size_t g_count = 0;
pid_t g_pid = 0;
uv_mutex_t g_lock;
uv_once_t g_once = UV_ONCE_INIT;

class Lock {
 public:
  Lock() {
    uv_once(&g_once, [] {
      uv_mutex_init(&g_lock);
      g_pid = getpid();
    });
    held_ = g_pid == getpid();  // a forked child may have inherited a locked lock
    if (held_) uv_mutex_lock(&g_lock);
  }
  ~Lock() {
    if (held_) uv_mutex_unlock(&g_lock);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  bool held() const { return held_; }

 private:
  bool held_ = false;
};

}  // namespace

bool PublishIsolate(const void* owner, const double* numbers) {
  Lock lock;
  if (!lock.held()) return false;
  size_t at = 0;
  while (at < g_count && g_rows[at].owner != owner) at++;
  if (at == kMaxIsolates) return false;
  if (at == g_count) g_count++;
  g_rows[at].owner = owner;
  std::memcpy(g_rows[at].numbers, numbers, sizeof(g_rows[at].numbers));
  return true;
}

void RemoveIsolate(const void* owner) {
  Lock lock;
  if (!lock.held()) return;
  for (size_t at = 0; at < g_count; at++) {
    if (g_rows[at].owner != owner) continue;
    g_rows[at] = g_rows[--g_count];
    return;
  }
}

size_t CopyIsolates(const void* except, double* into, size_t rows) {
  Lock lock;
  if (!lock.held()) return 0;
  size_t found = 0;
  for (size_t at = 0; at < g_count; at++) {
    if (g_rows[at].owner == except) continue;
    if (found < rows) std::memcpy(into + found * kIsolateNumbers, g_rows[at].numbers, sizeof(g_rows[at].numbers));
    found++;
  }
  return found;
}

}  // namespace extmem
