#include "v8/lines.h"

#include <cstring>

#include "os/own_pages.h"
#include "os/safe_read.h"
#include "v8/heap.h"

namespace extmem {

namespace {

constexpr uint32_t kSources = 32;  // bits of g_awaited
constexpr uint32_t kCheckpoints = 2048;
constexpr uint32_t kMinShift = 10;
constexpr uint32_t kMaxAwaited = 64;
constexpr uint32_t kDirectChars = 1u << 12;  // shorter texts are counted each time
constexpr uint32_t kNearChars = 1u << 16;    // some 8 us when they are in no cache

constexpr uint32_t kStepBytes = 16, kPageSteps = 32;

// Line ends before a position, and where its line begins.
struct Count {
  uint32_t lines;
  uint32_t line_start;
};

struct Awaited {
  uint32_t position;
  std::atomic<LinePlace>* into;
};

struct Source {
  std::atomic<uint32_t> held;   // by the hook that counts; whoever finds it held goes without
  std::atomic<uint64_t> key;    // 0: vacant
  std::atomic<uint32_t> stamp;  // the one not used for longest is given away
  uint32_t length;
  uint32_t shift;    // 1 << shift chars between checkpoints
  uint32_t reached;  // counted up to here: a multiple of that, or the length
  bool one_byte;
  Count count;  // at `reached`
  uint32_t awaited_count;
  Awaited awaited[kMaxAwaited];  // ascending
  Count checkpoints[kCheckpoints];
};

Source* g_sources = nullptr;
std::atomic<uint32_t> g_awaited{0};  // a bit for each source of which something is awaited
std::atomic<uint32_t> g_stamp{0};

// As V8 sees it: a carriage return before a line feed ends nothing.
template <typename Char>
bool EndsLine(const Char* text, uint32_t length, uint32_t at) {
  const uint32_t c = text[at];
  return c == '\n' || (c | 1) == 0x2029 || (c == '\r' && (at + 1 == length || text[at + 1] != '\n'));
}

typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef uint16_t Units8 __attribute__((vector_size(16)));
template <typename Char>
struct VectorOf;
template <>
struct VectorOf<uint8_t> {
  using Type = Bytes16;
};
template <>
struct VectorOf<uint16_t> {
  using Type = Units8;
};

// Counts [from, to). Precondition: the text is readable there and one char further, where it has one.
template <typename Char>
void CountEnds(const Char* text, uint32_t length, uint32_t from, uint32_t to, Count* count) {
  using Vector = typename VectorOf<Char>::Type;
  constexpr uint32_t kLanes = sizeof(Vector) / sizeof(Char);
  constexpr uint32_t kRounds = 255;  // a lane holds no larger sum
  uint32_t at = from, block = from, block_end = from;
  while (at + kLanes <= to && at + kLanes < length) {
    const uint32_t start = at;
    Vector sums = {};
    for (uint32_t round = 0; round < kRounds && at + kLanes <= to && at + kLanes < length; round++, at += kLanes) {
      Vector here, next;
      memcpy(&here, text + at, sizeof(here));
      memcpy(&next, text + at + 1, sizeof(next));
      auto ends = (here == '\n') | ((here == '\r') & (next != '\n'));
      if constexpr (sizeof(Char) > 1) ends |= (here | 1) == 0x2029;
      sums -= reinterpret_cast<Vector>(ends);
    }
    uint32_t found = 0;
    for (uint32_t lane = 0; lane < kLanes; lane++) found += sums[lane];
    if (found == 0) continue;
    count->lines += found;
    block = start;
    block_end = at;
  }
  bool in_rest = false;
  for (; at < to; at++) {
    if (!EndsLine(text, length, at)) continue;
    count->lines++;
    count->line_start = at + 1;
    in_rest = true;
  }
  for (at = block_end; !in_rest && at > block; at--) {
    if (!EndsLine(text, length, at - 1)) continue;
    count->line_start = at;
    break;
  }
}

// Pays for it and checks that it can be read. The pages are not remembered: those of one text would push out all
// others.
bool CountText(const FlatString& text, uint32_t from, uint32_t to, Work* work, Count* count) {
  const uintptr_t width = text.one_byte ? 1 : 2;
  const uintptr_t low = text.chars + from * width;
  const uintptr_t high = text.chars + (to < text.length ? to + 1 : to) * width;
  work->Spend(static_cast<uint32_t>((high - low) / kStepBytes + ((high - low) / kReadPage + 1) * kPageSteps));
  if (work->IsLate() || low < 0x10000 || high >= uintptr_t{1} << 47 || !ReadableNow(low, high)) return false;
  if (text.one_byte) {
    CountEnds(reinterpret_cast<const uint8_t*>(text.chars), text.length, from, to, count);
  } else {
    CountEnds(reinterpret_cast<const uint16_t*>(text.chars), text.length, from, to, count);
  }
  return true;
}

LinePlace PlaceAt(const V8Layout& v8, uintptr_t script, const Count& count, uint32_t position) {
  const int32_t first = count.lines == 0 ? SmallIntegerField(script, v8.script.column_offset) : 0;
  const int32_t line = static_cast<int32_t>(count.lines) + 1 + SmallIntegerField(script, v8.script.line_offset);
  return PackPlace(line, static_cast<int32_t>(position - count.line_start) + 1 + first);
}

bool Hold(Source* source) { return source->held.exchange(1, std::memory_order_acquire) == 0; }
void LetGo(Source* source) { source->held.store(0, std::memory_order_release); }
uint32_t BitOf(const Source* source) { return 1u << (source - g_sources); }

void ForgetAwaitedOf(Source* source) {
  source->awaited_count = 0;
  g_awaited.fetch_and(~BitOf(source), std::memory_order_relaxed);
}

// The held source of a script, or null.
Source* HoldKnown(uint64_t key) {
  for (Source* source = g_sources; source < g_sources + kSources; source++) {
    if (source->key.load(std::memory_order_relaxed) != key || !Hold(source)) continue;
    if (source->key.load(std::memory_order_relaxed) == key) return source;
    LetGo(source);
  }
  return nullptr;
}

// Null when others wait for lines of all that there is room for.
Source* HoldVacant() {
  Source* oldest = nullptr;
  const uint32_t now = g_stamp.load(std::memory_order_relaxed), awaited = g_awaited.load(std::memory_order_relaxed);
  auto age = [now](const Source* source) {
    return source->key.load(std::memory_order_relaxed) == 0 ? UINT32_MAX
                                                            : now - source->stamp.load(std::memory_order_relaxed);
  };
  for (Source* source = g_sources; source < g_sources + kSources; source++) {
    if ((awaited & BitOf(source)) == 0 && (oldest == nullptr || age(source) > age(oldest))) oldest = source;
  }
  if (oldest == nullptr || !Hold(oldest)) return nullptr;
  if ((g_awaited.load(std::memory_order_relaxed) & BitOf(oldest)) == 0) return oldest;
  LetGo(oldest);
  return nullptr;
}

// The held source of a script with this text.
Source* HoldSource(uint64_t key, const FlatString& text) {
  Source* source = HoldKnown(key);
  const bool known = source != nullptr;
  if (!known) source = HoldVacant();
  if (source == nullptr) return nullptr;
  source->stamp.store(g_stamp.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
  if (known && source->length == text.length && source->one_byte == text.one_byte) return source;
  ForgetAwaitedOf(source);
  source->key.store(key, std::memory_order_relaxed);
  source->length = text.length;
  source->one_byte = text.one_byte;
  source->shift = kMinShift;
  while (text.length >> source->shift >= kCheckpoints) source->shift++;
  source->reached = 0;
  source->count = {};
  source->checkpoints[0] = {};
  return source;
}

// Counts to a position that was passed, from the checkpoint before it.
bool CountFromCheckpoint(const Source& source, const FlatString& text, uint32_t position, Work* work, Count* count) {
  const uint32_t checkpoint = position >> source.shift;
  *count = source.checkpoints[checkpoint];
  return CountText(text, checkpoint << source.shift, position, work, count);
}

void DropFirstAwaited(Source* source, uint32_t dropped) {
  source->awaited_count -= dropped;
  memmove(source->awaited, source->awaited + dropped, source->awaited_count * sizeof(Awaited));
  if (source->awaited_count == 0) ForgetAwaitedOf(source);
}

// One slice further, with the lines that are awaited in it.
bool CountSlice(const V8Layout& v8, uintptr_t script, Source* source, const FlatString& text, Work* work) {
  const uint32_t stride = 1u << source->shift;
  const uint32_t end = text.length - source->reached > stride ? source->reached + stride : text.length;
  Count count = source->count;
  uint32_t from = source->reached, passed = 0;
  for (; passed < source->awaited_count && source->awaited[passed].position <= end; passed++) {
    const Awaited& awaited = source->awaited[passed];
    if (!CountText(text, from, awaited.position, work, &count)) return false;
    from = awaited.position;
    awaited.into->store(PlaceAt(v8, script, count, from), std::memory_order_relaxed);
  }
  if (passed != 0) DropFirstAwaited(source, passed);
  if (!CountText(text, from, end, work, &count)) return false;
  source->count = count;
  source->reached = end;
  if ((end & (stride - 1)) == 0) source->checkpoints[end >> source->shift] = count;
  return true;
}

// What was passed when there was no work left for the way from the checkpoint, then slices up to `position`. False: it
// is not reached.
bool Advance(const V8Layout& v8, uintptr_t script, Source* source, const FlatString& text, uint32_t position,
             Work* work) {
  while (source->awaited_count > 0 && source->awaited[0].position < source->reached) {
    Count count;
    const Awaited& awaited = source->awaited[0];
    if (work->IsDone() || !CountFromCheckpoint(*source, text, awaited.position, work, &count)) return false;
    awaited.into->store(PlaceAt(v8, script, count, awaited.position), std::memory_order_relaxed);
    DropFirstAwaited(source, 1);
  }
  while (source->reached < text.length && source->reached <= position) {
    if (work->IsDone() || !CountSlice(v8, script, source, text, work)) return false;
  }
  return true;
}

bool TextOf(const V8Layout& v8, uintptr_t script, FlatString* text) {
  return Flatten(v8, Field(script, v8.script.source), text) && text->length <= kMaxTextChars;
}

}  // namespace

bool LinesInit() {
  if (g_sources == nullptr) g_sources = OwnArray<Source>(kSources);
  return g_sources != nullptr;
}

LineAnswer FindLine(const V8Layout& v8, const ScriptRef& script, int32_t position, Work* near, Work* far,
                    LinePlace* place) {
  FlatString text;
  if (position < 0 || !TextOf(v8, script.object, &text)) return LineAnswer::kNever;
  const uint32_t at = static_cast<uint32_t>(position);
  if (at > text.length) return LineAnswer::kNever;
  Count count = {};
  if (text.length <= kDirectChars && !near->IsDone()) {
    if (!CountText(text, 0, at, near, &count)) return near->IsLate() ? LineAnswer::kLater : LineAnswer::kNever;
  } else {
    Source* source = HoldSource(script.key, text);
    if (source == nullptr) return LineAnswer::kLater;
    Work* work = at < source->reached + kNearChars ? near : far;
    const bool known = Advance(v8, script.object, source, text, at, work) && !work->IsDone() &&
                       CountFromCheckpoint(*source, text, at, work, &count);
    LetGo(source);
    if (!known) return LineAnswer::kLater;
  }
  *place = PlaceAt(v8, script.object, count, at);
  return LineAnswer::kKnown;
}

bool AwaitLine(const ScriptRef& script, int32_t position, std::atomic<LinePlace>* into) {
  Source* source = HoldKnown(script.key);
  if (source == nullptr) return false;
  const uint32_t at = static_cast<uint32_t>(position);
  uint32_t index = 0;
  while (index < source->awaited_count && source->awaited[index].position < at) index++;
  bool awaits = false;
  for (uint32_t i = index; i < source->awaited_count && source->awaited[i].position == at; i++) {
    awaits = awaits || source->awaited[i].into == into;
  }
  if (!awaits && source->awaited_count < kMaxAwaited) {
    memmove(source->awaited + index + 1, source->awaited + index, (source->awaited_count - index) * sizeof(Awaited));
    source->awaited[index] = {at, into};
    source->awaited_count++;
    g_awaited.fetch_or(BitOf(source), std::memory_order_relaxed);
    awaits = true;
  }
  LetGo(source);
  return awaits;
}

bool LinesAwaited() { return g_awaited.load(std::memory_order_relaxed) != 0; }

void AdvanceLines(const V8Layout& v8, const ScriptRef& script, Work* work) {
  uint32_t bits = g_awaited.load(std::memory_order_relaxed);
  for (; bits != 0; bits &= bits - 1) {
    Source* source = g_sources + __builtin_ctz(bits);
    if (source->key.load(std::memory_order_relaxed) != script.key || !Hold(source)) continue;
    FlatString text;
    if (source->key.load(std::memory_order_relaxed) == script.key && TextOf(v8, script.object, &text) &&
        source->length == text.length && source->one_byte == text.one_byte && source->awaited_count > 0) {
      Advance(v8, script.object, source, text, source->awaited[source->awaited_count - 1].position, work);
    }
    LetGo(source);
    return;
  }
}

bool ForgetAwaited(bool (*dropped)(const std::atomic<LinePlace>* into)) {
  bool all = true;
  for (uint32_t i = 0; g_sources != nullptr && i < kSources; i++) {
    Source* source = g_sources + i;
    if (!Hold(source)) {
      all = false;
      continue;
    }
    uint32_t kept = 0;
    for (uint32_t k = 0; k < source->awaited_count; k++) {
      if (!dropped(source->awaited[k].into)) source->awaited[kept++] = source->awaited[k];
    }
    source->awaited_count = kept;
    if (kept == 0) ForgetAwaitedOf(source);
    LetGo(source);
  }
  return all;
}

void ForgetLines(uint32_t isolate) {
  for (uint32_t i = 0; g_sources != nullptr && i < kSources; i++) {
    Source* source = g_sources + i;
    if (source->key.load(std::memory_order_relaxed) >> 32 != isolate || !Hold(source)) continue;
    if (source->key.load(std::memory_order_relaxed) >> 32 == isolate) {
      ForgetAwaitedOf(source);
      source->key.store(0, std::memory_order_relaxed);
    }
    LetGo(source);
  }
}

}  // namespace extmem
