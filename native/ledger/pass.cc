#include "ledger/pass.h"

#include <cmath>
#include <cstdlib>

#include "ledger/allocator.h"
#include "ledger/glibc_arena_top.h"
#include "ledger/mappings.h"
#include "os/clock.h"
#include "os/own_pages.h"
#include "os/peek_self.h"
#include "os/process_files.h"
#include "profile/seen_mappings.h"
#include "v8/pages.h"

namespace extmem {
namespace {

enum class Outcome { kComplete, kTruncated, kUnreadable, kStopped };

// Some thread arena of glibc, once a ledger has seen one: the way into the ring of arenas, which are never freed.
std::atomic<uint64_t> g_any_arena{0};

// Bytes in mmapped chunks by the last malloc_info. The ledger searches further when it finds much less.
std::atomic<uint64_t> g_chunk_bytes{0};
constexpr uint64_t kChunkSlackBytes = 1 << 20;

// Text flows through a fixed buffer into the table: the text of 56 000 mappings is some 40 MiB and is never held.
Outcome ReadSmaps(Workspace& workspace, const std::atomic<bool>& stop, SmapsParser* parser) {
  const ProcessFile smaps("/proc/self/smaps");
  if (!smaps.is_open()) return Outcome::kUnreadable;
  Outcome outcome = Outcome::kComplete;
  for (;;) {
    if (stop.load(std::memory_order_relaxed)) {
      outcome = Outcome::kStopped;
      break;
    }
    const ssize_t got = smaps.Read(workspace.text(), Workspace::kTextBytes);
    if (got < 0) outcome = parser->count() == 0 ? Outcome::kUnreadable : Outcome::kTruncated;
    if (got <= 0) break;
    // A record is far longer than 64 bytes: with this much room no record of this piece can overflow the table.
    while (!parser->HasRoomFor(Workspace::kTextBytes / 64) && workspace.Grow()) parser->Grow(workspace.capacity());
    parser->Feed(workspace.text(), static_cast<size_t>(got));
  }
  const bool whole = parser->Finish();
  if (outcome == Outcome::kComplete && (!whole || parser->overflow_count() > 0)) outcome = Outcome::kTruncated;
  if (outcome == Outcome::kComplete && parser->count() == 0) outcome = Outcome::kUnreadable;
  return outcome;
}

bool RunLedger(Workspace& workspace, const std::atomic<bool>& stop, double* numbers) {
  const double start_us = MonotonicUs();
  const double start_cpu_us = ThreadCpuUs();
  ClassifyOptions options;
  options.malloc_budget_bytes = PreloadedAllocatorBytes();
  void* const block = options.malloc_budget_bytes > 0 ? std::malloc(64) : nullptr;
  options.malloc_block = reinterpret_cast<uint64_t>(block);
  SmapsParser parser(workspace.table(), workspace.capacity());
  const Outcome outcome = ReadSmaps(workspace, stop, &parser);
  std::free(block);
  if (outcome == Outcome::kStopped) return false;
  if (outcome == Outcome::kUnreadable) return true;

  Range own[Workspace::kMaxRanges + 1];
  options.own = own;
  options.own_count = Workspace::Ranges(own);
  const OwnPagesBounds tables = BoundsOfOwnPages();
  if (tables.start != 0) own[options.own_count++] = {tables.start, tables.end};
  options.next_seen = SeenNext;
  PeekSelf memory(workspace.pagemap(), workspace.pagemap_words());
  Ledger ledger;
  ClassifyMappings(workspace.table(), parser.count(), options, memory, &ledger);
  if (ledger.chunk_bytes + kChunkSlackBytes < g_chunk_bytes.load()) {
    options.deep = true;
    ledger = Ledger{};
    ClassifyMappings(workspace.table(), parser.count(), options, memory, &ledger);
  }
  if (ledger.any_arena != 0) g_any_arena.store(ledger.any_arena);
  // Mappings that found no room in the table are resident all the same.
  ledger.rss_bytes += parser.overflow_rss_bytes();
  ledger.pss_bytes += parser.overflow_pss_bytes();
  ledger.swap_bytes += parser.overflow_swap_bytes();
  ledger.leaf_bytes[static_cast<size_t>(Leaf::kUnattributed)] += parser.overflow_rss_bytes();

  const auto set = [numbers](Field field, uint64_t value) { numbers[field] = static_cast<double>(value); };
  for (size_t i = 0; i < kLeafCount; i++) set(static_cast<Field>(k_leafV8Heap + i), ledger.leaf_bytes[i]);
  set(k_ledgerRssBytes, ledger.rss_bytes);
  set(k_ledgerPssBytes, ledger.pss_bytes);
  set(k_ledgerMappings, parser.count() + parser.overflow_count());
  set(k_filesCleanBytes, ledger.files_clean_bytes);
  set(k_filesDirtyBytes, ledger.files_dirty_bytes);
  set(k_filesBssBytes, ledger.files_bss_bytes);
  set(k_mallocBrkBytes, ledger.malloc_brk_bytes);
  set(k_mallocArenaBytes, ledger.malloc_arena_bytes);
  set(k_mallocMmappedBytes, ledger.malloc_mmapped_bytes);
  set(k_stacksLiveThreads, ledger.live_stacks);
  set(k_stacksCachedThreads, ledger.cached_stacks);
  set(k_ledgerSwapBytes, ledger.swap_bytes);
  set(k_ledgerTruncated, outcome == Outcome::kTruncated);
  set(k_ledgerPeekFailures, memory.failures());
  numbers[k_ledgerAtMs] = std::floor(MonotonicUs() / 1e3);
  numbers[k_ledgerWallUs] = MonotonicUs() - start_us;
  numbers[k_ledgerCpuUs] = ThreadCpuUs() - start_cpu_us;
  return true;
}
static_assert(k_leafUnattributed - k_leafV8Heap + 1 == kLeafCount, "leaf fields and enum Leaf must have one order");

void RunQuick(double* numbers) {
  numbers[k_rssBytes] = ResidentBytesByStatm();
  numbers[k_threads] = ThreadCount();
  numbers[k_quickAtMs] = std::floor(MonotonicUs() / 1e3);
}

void RunDescriptors(Workspace& workspace, double* numbers) {
  const double start_cpu_us = ThreadCpuUs();
  const DescriptorCounts counts = CountDescriptors(workspace.text(), Workspace::kTextBytes);
  numbers[k_fdCount] = counts.all;
  numbers[k_fdFiles] = counts.files;
  numbers[k_fdSockets] = counts.sockets;
  numbers[k_fdPipes] = counts.pipes;
  numbers[k_fdOther] = counts.other;
  numbers[k_fdCpuUs] = ThreadCpuUs() - start_cpu_us;
  numbers[k_fdAtMs] = std::floor(MonotonicUs() / 1e3);
}

void RunAllocator(double* numbers) {
  const AllocatorCounters counters = ReadAllocator();
  if (counters.mmapped_bytes >= 0) g_chunk_bytes.store(static_cast<uint64_t>(counters.mmapped_bytes));
  numbers[k_mallocCallUs] = counters.call_us;
  numbers[k_mallocInUseBytes] = counters.in_use_bytes;
  numbers[k_mallocSystemBytes] = counters.system_bytes;
  numbers[k_mallocMmappedCountBytes] = counters.mmapped_bytes;
  numbers[k_mallocReclaimableBytes] = counters.reclaimable_bytes;
  numbers[k_mallocAtMs] = std::floor(MonotonicUs() / 1e3);
}

// After the ledger, which may just have found the way to the arenas.
void LeaveOutWhatJoinsTops(Workspace& workspace, double* numbers) {
  const double in_bins = numbers[k_mallocReclaimableBytes];
  if (std::isnan(in_bins)) return;
  PeekSelf memory(workspace.pagemap(), workspace.pagemap_words());
  const double joining_tops = static_cast<double>(BytesJoiningTops(memory, g_any_arena.load()));
  numbers[k_mallocReclaimableBytes] = std::fmax(0, in_bins - joining_tops);
}

}  // namespace

bool RunParts(uint32_t parts, Workspace& workspace, const std::atomic<bool>& stop, double* numbers) {
  for (size_t i = 0; i < kFieldCount; i++) {
    if ((kFieldPart[i] & parts) != 0) numbers[i] = NAN;
  }
  if ((parts & kQuick) != 0) RunQuick(numbers);
  if ((parts & kDescriptors) != 0) RunDescriptors(workspace, numbers);
  if ((parts & kAllocator) != 0) RunAllocator(numbers);
  if ((parts & kLedger) != 0 && !RunLedger(workspace, stop, numbers)) return false;
  if ((parts & kAllocator) != 0) LeaveOutWhatJoinsTops(workspace, numbers);
  return true;
}

uint32_t ProbeCapabilities(uint64_t object_address) {
  uint32_t bits = 0;
  if (HasMallocInfo()) bits |= kMallocInfoFound;
  Workspace workspace;
  if (!workspace.ok()) return bits;
  PeekSelf memory(workspace.pagemap(), workspace.pagemap_words());
  const uint64_t known = 0x6d656d747865;
  uint64_t copy = 0;
  if (memory.ReadByCall(reinterpret_cast<uint64_t>(&known), &copy, sizeof(copy)) && copy == known) {
    bits |= kReadByCallWorks;
  }
  copy = 0;
  if (memory.ReadByFile(reinterpret_cast<uint64_t>(&known), &copy, sizeof(copy)) && copy == known) {
    bits |= kReadByFileWorks;
  }
  const uint64_t page = reinterpret_cast<uint64_t>(&known) / kPageBytes * kPageBytes;
  uint64_t resident = 0;
  if (memory.ResidentBytes(page, page + kPageBytes, &resident) && resident == kPageBytes) bits |= kPagemapReadable;

  const std::atomic<bool> never{false};
  SmapsParser parser(workspace.table(), workspace.capacity());
  const Outcome outcome = ReadSmaps(workspace, never, &parser);
  if (outcome == Outcome::kUnreadable) return bits;
  bits |= kSmapsReadable;
  if (V8PageBytes(memory, object_address / kV8PageBytes * kV8PageBytes, UINT64_MAX) != 0) bits |= kV8HeaderConfirmed;
  for (size_t i = 0; i < parser.count(); i++) {
    const Vma& vma = workspace.table()[i];
    if (vma.has(kHasVmFlags)) bits |= kVmFlagsPresent;
    const bool holds = object_address >= vma.start && object_address < vma.end;
    if (holds && vma.has(kDontFork)) bits |= kV8HabitConfirmed;
  }
  return bits;
}

}  // namespace extmem
