#include "binding/isolate_table.h"

#include <cstring>

#include "os/lock.h"
#include "os/own_pages.h"

namespace extmem {
namespace {

constexpr size_t kMaxIsolates = 4096;

struct Row {
  const void* owner;
  double numbers[kIsolateNumbers];
};

Row g_rows[kMaxIsolates];  // .bss: resident only as far as it is used
size_t g_count = 0;
Lock g_lock;

}  // namespace

bool PublishIsolate(const void* owner, const double* numbers) {
  if (InForkedChild()) return false;
  Locked locked(&g_lock);
  size_t at = 0;
  while (at < g_count && g_rows[at].owner != owner) at++;
  if (at == kMaxIsolates) return false;
  if (at == g_count) g_count++;
  g_rows[at].owner = owner;
  std::memcpy(g_rows[at].numbers, numbers, sizeof(g_rows[at].numbers));
  return true;
}

void RemoveIsolate(const void* owner) {
  if (InForkedChild()) return;
  Locked locked(&g_lock);
  for (size_t at = 0; at < g_count; at++) {
    if (g_rows[at].owner != owner) continue;
    g_rows[at] = g_rows[--g_count];
    return;
  }
}

size_t CopyIsolates(const void* except, double* into, size_t rows) {
  if (InForkedChild()) return 0;
  Locked locked(&g_lock);
  size_t found = 0;
  for (size_t at = 0; at < g_count; at++) {
    if (g_rows[at].owner == except) continue;
    if (found < rows) std::memcpy(into + found * kIsolateNumbers, g_rows[at].numbers, sizeof(g_rows[at].numbers));
    found++;
  }
  return found;
}

}  // namespace extmem
