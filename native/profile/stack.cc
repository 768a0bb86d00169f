#include "profile/stack.h"

#include <cstring>
#include <initializer_list>
#include <vector>

#include "os/own_pages.h"
#include "os/safe_read.h"
#include "profile/live.h"
#include "profile/thread_stack.h"
#include "v8/heap.h"

namespace extmem {

namespace {

constexpr uint32_t kCacheEntries = 1u << 14;
constexpr int kMaxInlined = 32;
// Distance of operator new's frame from the hook of malloc that it calls; farther ones were left by an exception.
constexpr uintptr_t kNewReach = 1024;
constexpr uint64_t kGroup = uint64_t{1} << 32;  // the cached value is a group of frames, not a single one

// What a frame was decoded to. Lossy: two ways, and the check word makes a torn entry look like a stranger's.
struct CacheEntry {
  std::atomic<uint64_t> function, place, value, check;
};

V8Layout g_layout;
const char* g_missing = nullptr;
bool g_layout_loaded = false;
std::atomic<TierLevel> g_levels[kCodeTiers];
std::atomic<uint32_t> g_isolates{0};
std::atomic<uint64_t> g_decoded, g_unreadable, g_unlicensed, g_unwalked, g_broken, g_repaired, g_unplaced, g_unread;
CacheEntry* g_cache = nullptr;
std::atomic<LinePlace>* g_lines = nullptr;  // by frame: lines that were found later
InternTable g_strings, g_frames, g_stacks;
InternTable g_groups;  // the functions that were inlined into one frame, innermost first
Lock g_vacant_lock;
V8Isolate* g_vacant = nullptr;  // of workers that ended

// Only the thread that took it looks at it.
V8Isolate* TakeIsolate() {
  Locked locked(&g_vacant_lock);
  V8Isolate* isolate = g_vacant;
  if (isolate == nullptr) return OwnArray<V8Isolate>(1);
  g_vacant = isolate->next_vacant;
  return isolate;
}

void GiveBackIsolate(V8Isolate* isolate) {
  Locked locked(&g_vacant_lock);
  isolate->next_vacant = g_vacant;
  g_vacant = isolate;
}

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t mixed = (a * 0x9E3779B97F4A7C15ull) ^ (b * 0xC2B2AE3D27D4EB4Full);
  return mixed ^ (mixed >> 29);
}

uint64_t CheckOf(uint64_t function, uint64_t place, uint64_t value) { return Mix(Mix(function, place), value) | 1; }

bool CacheFind(const FrameKey& key, uint64_t* value) {
  CacheEntry* way = &g_cache[(Mix(key.function, key.place) % (kCacheEntries / 2)) * 2];
  for (int i = 0; i < 2; i++, way++) {
    if (way->function.load(std::memory_order_relaxed) != key.function ||
        way->place.load(std::memory_order_relaxed) != key.place) {
      continue;
    }
    *value = way->value.load(std::memory_order_acquire);
    if (way->check.load(std::memory_order_relaxed) == CheckOf(key.function, key.place, *value)) return true;
  }
  return false;
}

void CachePut(const FrameKey& key, uint64_t value) {
  CacheEntry* way = &g_cache[(Mix(key.function, key.place) % (kCacheEntries / 2)) * 2];
  // The first way holds what came first, the second the latest.
  if (way->check.load(std::memory_order_relaxed) != 0) way++;
  way->check.store(0, std::memory_order_relaxed);
  way->function.store(key.function, std::memory_order_relaxed);
  way->place.store(key.place, std::memory_order_relaxed);
  way->value.store(value, std::memory_order_release);
  way->check.store(CheckOf(key.function, key.place, value), std::memory_order_relaxed);
}

// What one sample does. Tables and texts apart, so that a long text leaves the frames further out their positions, and
// lines that are near have the time of their frames: a block that is allocated once has no sample that could find them.
struct SampleWork {
  Work tables, near_texts, texts;
  uint32_t frames_seen = 0, frames_decoded = 0;
  uint64_t asked = SafeReadAsked();

  explicit SampleWork(SampleClock* clock)
      : tables(clock, SampleClock::kFramesNs),
        near_texts(clock, SampleClock::kFramesNs),
        texts(clock, SampleClock::kTextsNs) {}

  // Whether the frames further out are left alone. What takes long begins with a frame or a page that nobody remembers,
  // so the clock is read after these; and now and then, for frames that are in no cache of the processor.
  bool IsOver() {
    const uint64_t asked_now = SafeReadAsked();
    if (frames_decoded != 0 || asked_now != asked || ++frames_seen % 16 == 0) tables.Look();
    frames_decoded = 0;
    asked = asked_now;
    return tables.IsLate();
  }
};

// What the cache leads to may be gone, or may not be shown any more.
void ForgetCache() {
  for (uint32_t i = 0; i < kCacheEntries; i++) {
    if (g_cache[i].check.load(std::memory_order_relaxed) != 0) g_cache[i].check.store(0, std::memory_order_relaxed);
  }
}

uint32_t FrameAt(uint64_t pc, FrameKind kind) {
  const FrameKey key = {pc, static_cast<uint64_t>(kind) << 32 | ModulesEpoch(), {}};
  uint64_t value;
  if (CacheFind(key, &value)) return static_cast<uint32_t>(value);
  const CodePlace place = pc == 0 ? CodePlace{0, 0} : PlaceOf(pc);
  const FrameRecord record = {place.at, 0, 0, 0, 0, kind, CodeTier::kUnknown, place.module};
  const uint32_t id = g_frames.Intern(&record, sizeof(record));
  if (id != 0) CachePut(key, id);
  return id;
}

// One frame that was not kept would show the next one in its place: such a stack is not kept either.
uint32_t InternStack(const uint32_t* ids, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (ids[i] == 0) return 0;
  }
  return g_stacks.Intern(ids, count * sizeof(uint32_t));
}

// Of code that nobody may have found by now nothing is known.
TierLevel LevelOf(CodeTier tier) {
  return tier == CodeTier::kUnknown ? TierLevel::kRefused
                                    : g_levels[static_cast<size_t>(tier)].load(std::memory_order_relaxed);
}

// False: no room.
bool InternScript(uintptr_t script, FrameRecord* record) {
  char text[512];
  const size_t length = CopyString(g_layout, Field(script, g_layout.script.name), text, sizeof(text));
  record->script = length == 0 ? 0 : g_strings.Intern(text, static_cast<uint32_t>(length));
  return length == 0 || record->script != 0;
}

// A frame of which only the script is shown: that of its function, which V8 keeps in the frame itself in every tier.
uint32_t Undecoded(const ScriptRef& script, CodeTier tier) {
  FrameRecord record = {0, 0, 0, 0, 0, FrameKind::kUnreadable, tier, 0};
  return InternScript(script.object, &record) ? g_frames.Intern(&record, sizeof(record)) : 0;
}

// Names and place of one function of a frame. `settled` is cleared when a later sample may find more.
uint32_t Describe(const V8Isolate& isolate, const ScriptFrame& frame, CodeTier tier, TierLevel level, SampleWork* work,
                  bool* settled) {
  char text[256];
  FrameRecord record = {0, 0, 0, 0, 0, FrameKind::kJavaScript, level == TierLevel::kUnseen ? tier : CodeTier::kUnknown,
                        0};
  int32_t start;
  const size_t length = FunctionName(g_layout, frame.shared, text, sizeof(text), &start);
  if (length != 0 && (record.name = g_strings.Intern(text, static_cast<uint32_t>(length))) == 0) return 0;
  const uintptr_t script = ScriptOf(g_layout, frame.shared);
  if (script == 0) return g_frames.Intern(&record, sizeof(record));
  if (!InternScript(script, &record)) return 0;
  if (level == TierLevel::kNames || frame.position == kPositionNotReached) {
    return g_frames.Intern(&record, sizeof(record));
  }
  const ScriptRef ref = RefOf(g_layout, isolate, script);
  const int32_t position = frame.position >= 0 ? frame.position : start;
  LinePlace place;
  switch (FindLine(g_layout, ref, position, &work->near_texts, &work->texts, &place)) {
    case LineAnswer::kKnown:
      record.line = LineOfPlace(place);
      record.column = ColumnOfPlace(place);
      break;
    case LineAnswer::kLater:
      record.place = ref.key;
      record.detail = static_cast<uint32_t>(position);
      break;
    case LineAnswer::kNever:
      break;
  }
  const uint32_t id = g_frames.Intern(&record, sizeof(record));
  if (id != 0 && record.place != 0 && g_lines[id].load(std::memory_order_relaxed) == 0 &&
      !AwaitLine(ref, position, &g_lines[id]))
    *settled = false;
  return id;
}

// Decodes a frame, and keeps what may be shown of it now or later. Means nothing when the work is late.
uint64_t GroupOf(V8Isolate* isolate, const RawFrame& raw, const FrameKey& key, bool test, SampleWork* work) {
  g_decoded.fetch_add(1, std::memory_order_relaxed);
  ScriptFrame frames[kMaxInlined];
  uint32_t group[kMaxInlined + 1];
  FrameCode code;
  const bool had_all = work->tables.IsFresh();
  work->frames_decoded++;
  const int functions = DecodeFrame(g_layout, isolate, raw.pc, raw.fp, frames, kMaxInlined, &work->tables, &code);
  if (work->tables.IsLate()) return 0;
  bool settled = true;
  if (frames[0].position == kPositionNotReached) {
    settled = had_all;  // no later sample could do more
    g_unplaced.fetch_add(had_all, std::memory_order_relaxed);
  }
  const TierLevel level = test ? TierLevel::kUnseen : LevelOf(code.tier);
  int count = 0;
  if (level <= TierLevel::kRefused) {
    g_unlicensed.fetch_add(!test, std::memory_order_relaxed);
    group[count++] = Undecoded(key.script, level == TierLevel::kUnseen ? code.tier : CodeTier::kUnknown);
  }
  for (int i = 0; i < functions && level != TierLevel::kRefused; i++)
    group[count++] = Describe(*isolate, frames[i], code.tier, level, work, &settled);
  uint64_t value = count == 1 ? group[0] : g_groups.Intern(group, count * sizeof(uint32_t)) | kGroup;
  if (value == kGroup) {
    // Full: the function that really has a frame, where that is seen to be right.
    value = level == TierLevel::kUnseen ? Undecoded(key.script, CodeTier::kUnknown) : group[count - 1];
  }
  for (int i = 0; i < count; i++) settled = settled && group[i] != 0;
  if (code.repeatable && settled && !test) CachePut(key, value);
  return value;
}

// Appends the frames that one physical frame of V8 stands for.
uint32_t AppendFrame(V8Isolate* isolate, const RawFrame& raw, bool test, SampleWork* work, uint32_t* ids,
                     uint32_t count) {
  FrameKey key;
  FrameClass kind = FrameClass::kNative;
  if (isolate != nullptr && raw.fp != 0) kind = ClassifyFrame(g_layout, *isolate, raw.pc, raw.fp, &key);
  if (kind == FrameClass::kNative) {
    ids[count++] = FrameAt(raw.pc, FrameKind::kNative);
    return count;
  }
  if (kind == FrameClass::kBuiltin) {
    ids[count++] = FrameAt(isolate->Original(raw.pc), FrameKind::kBuiltin);
    return count;
  }
  if (kind == FrameClass::kUnreadable) {
    g_unreadable.fetch_add(1, std::memory_order_relaxed);
    ids[count++] = FrameAt(0, FrameKind::kUnreadable);
    return count;
  }
  uint64_t value;
  if (test || !CacheFind(key, &value)) {
    value = GroupOf(isolate, raw, key, test, work);
    if (work->tables.IsLate()) return count;
  }
  if (LinesAwaited() && !work->texts.IsDone()) AdvanceLines(g_layout, key.script, &work->texts);
  if ((value & kGroup) == 0) {
    ids[count++] = static_cast<uint32_t>(value);
    return count;
  }
  const uint32_t group = static_cast<uint32_t>(value);
  const uint32_t* members = static_cast<const uint32_t*>(g_groups.Bytes(group));
  for (uint32_t i = 0; i < g_groups.Length(group) / sizeof(uint32_t) && count < kMaxDepth; i++)
    ids[count++] = members[i];
  return count;
}

// A frame of V8 at `fp`: typed, or that of a function.
WORDS_OF_ANY_FRAME bool PlausibleFrame(const V8Isolate& isolate, uintptr_t pc, uintptr_t fp) {
  FrameKey key;
  if (fp == 0) return false;
  const uintptr_t marker = *reinterpret_cast<const uintptr_t*>(fp - 8);
  if (IsSmallInteger(marker)) return marker != 0 && marker >> 1 < 64;
  return ClassifyFrame(g_layout, isolate, pc, fp, &key) != FrameClass::kUnreadable;
}

// Native code without frame pointers broke the chain. Stale words on the stack look like frames too, so a place is
// only accepted when it is a frame in which V8 left JavaScript, and everything above it up to the thread's start is
// sane as well. Better an incomplete stack than a wrong one.
WORDS_OF_ANY_FRAME int Repair(const V8Isolate& isolate, uintptr_t sp, uintptr_t high, SampleWork* work,
                              RawFrame* frames, int max) {
  constexpr uintptr_t kWindow = 16384;
  const uintptr_t end = high - sp > kWindow ? sp + kWindow : high - 16;
  for (uintptr_t at = (sp + 7) & ~uintptr_t{7}; at + 16 <= end; at += 8) {
    const uintptr_t fp = reinterpret_cast<const uintptr_t*>(at)[0];
    const uintptr_t pc = reinterpret_cast<const uintptr_t*>(at)[1];
    if (!isolate.IsBuiltin(pc) && isolate.CodeRange(pc) == nullptr) continue;
    if (fp <= at || fp >= high || high - fp < 16 || fp % 8 != 0) continue;
    if (!IsExitFrame(g_layout, *reinterpret_cast<const uintptr_t*>(fp - 8))) continue;
    if (work->IsOver()) return 0;
    FrameWalk walk(pc, fp, at, high);
    int count = 0;
    while (count < max && walk.Next(&frames[count])) count++;
    bool sane = walk.complete();
    for (int i = 0; i < count && sane && !work->IsOver(); i++) {
      const bool v8 = isolate.IsBuiltin(frames[i].pc) || isolate.CodeRange(frames[i].pc) != nullptr;
      sane = v8 ? PlausibleFrame(isolate, frames[i].pc, frames[i].fp) : frames[i].pc >= 0x10000;
    }
    if (sane && !work->IsOver()) return count;
  }
  return 0;
}

// The stack of a foreign thread may be small: one frame after the other.
__attribute__((noinline)) uint32_t CaptureNative(FrameWalk walk, uint32_t depth, StackOf what) {
  uint32_t ids[kMaxDepth];
  uint32_t count = 0;
  if (what == StackOf::kMapping) ids[count++] = FrameAt(0, FrameKind::kMapping);
  RawFrame raw;
  for (uint32_t i = 0; i < depth && count < kMaxDepth && walk.Next(&raw); i++) {
    ids[count++] = FrameAt(raw.pc, FrameKind::kNative);
  }
  if (!walk.complete()) g_broken.fetch_add(1, std::memory_order_relaxed);
  return InternStack(ids, count);
}

__attribute__((noinline)) uint32_t CaptureMixed(V8Isolate* isolate, FrameWalk walk, uintptr_t sp, uintptr_t high,
                                                uint32_t depth, StackOf what, SampleClock clock) {
  SampleWork work(&clock);
  RawFrame raw[kMaxDepth];
  const int max = static_cast<int>(depth);
  int raw_count = 0;
  bool has_script = false;
  while (raw_count < max && walk.Next(&raw[raw_count])) {
    const uintptr_t pc = raw[raw_count++].pc;
    has_script = has_script || isolate->IsBuiltin(pc) || isolate->CodeRange(pc) != nullptr;
  }
  if (!walk.complete()) {
    g_broken.fetch_add(1, std::memory_order_relaxed);
    const int found = has_script ? 0 : Repair(*isolate, sp, high, &work, raw + raw_count, max - raw_count);
    if (found > 0) g_repaired.fetch_add(1, std::memory_order_relaxed);
    raw_count += found;
  }
  uint32_t ids[kMaxDepth];
  uint32_t count = 0;
  if (what == StackOf::kMapping) ids[count++] = FrameAt(0, FrameKind::kMapping);
  for (int i = 0; i < raw_count && count < kMaxDepth && !work.IsOver(); i++) {
    count = AppendFrame(isolate, raw[i], what == StackOf::kTest, &work, ids, count);
  }
  if (work.tables.IsLate()) {
    g_unread.fetch_add(1, std::memory_order_relaxed);
    if (count == kMaxDepth) count--;
    ids[count++] = FrameAt(0, FrameKind::kUnread);
  }
  return InternStack(ids, count);
}

}  // namespace

bool StackInit() {
  if (g_cache != nullptr) return true;
  if (!ModulesInit() || !g_strings.Init(1u << 14, 1u << 20) ||
      !g_frames.Init(kMaxFrames, kMaxFrames * sizeof(FrameRecord)) || !g_stacks.Init(kMaxStacks, 1u << 21) ||
      !g_groups.Init(1u << 13, 1u << 19)) {
    return false;
  }
  g_lines = OwnArray<std::atomic<LinePlace>>(kMaxFrames);
  if (g_lines == nullptr || !LinesInit()) return false;
  g_cache = OwnArray<CacheEntry>(kCacheEntries);
  return g_cache != nullptr;
}

const char* StackLoadLayout() {
  if (!g_layout_loaded) g_missing = LoadV8Layout(&g_layout);
  g_layout_loaded = true;
  return g_missing;
}

void StackSetLevel(CodeTier tier, TierLevel level) {
  const TierLevel before = g_levels[static_cast<size_t>(tier)].exchange(level, std::memory_order_relaxed);
  if (level < before && g_cache != nullptr) ForgetCache();
}

bool StackRegisterThread(Thread* thread) {
  const bool reads_checked = SafeReadWorks();
  if (!LearnStack(thread, reads_checked)) return false;
  if (thread->isolate != nullptr || g_missing != nullptr || !g_layout_loaded || !reads_checked) return true;
  V8Isolate* isolate = TakeIsolate();
  if (isolate == nullptr) return true;
  if (LoadV8Isolate(g_isolates.fetch_add(1) + 1, isolate)) {
    thread->isolate = isolate;
  } else {
    GiveBackIsolate(isolate);
  }
  return true;
}

void StackUnregisterThread(Thread* thread) {
  V8Isolate* isolate = thread->isolate;
  thread->isolate = nullptr;
  if (isolate == nullptr) return;
  ForgetLines(isolate->number);
  GiveBackIsolate(isolate);
}

uint32_t CaptureStack(Thread* thread, const uintptr_t* frame, uint32_t depth, StackOf what, SampleClock clock) {
  const uintptr_t own = reinterpret_cast<uintptr_t>(frame);
  if (thread->new_frame > own && thread->new_frame - own < kNewReach) {
    frame = reinterpret_cast<const uintptr_t*>(thread->new_frame);
  }
  const bool known = StackKnown(thread, own);
  if (!known) g_unwalked.fetch_add(1, std::memory_order_relaxed);
  const FrameWalk walk(frame[1], known ? frame[0] : 0, own, thread->stack_high);
  if (depth > kMaxDepth) depth = kMaxDepth;
  V8Isolate* isolate = thread->isolate;
  if (isolate == nullptr || !known) return CaptureNative(walk, depth, what);
  return CaptureMixed(isolate, walk, own, thread->stack_high, depth, what, clock);
}

bool StackIsCrowded() {
  if (g_cache == nullptr) return false;
  for (const InternTable* table : {&g_strings, &g_frames, &g_stacks, &g_groups}) {
    if (table->IsCrowded()) return true;
  }
  return ModulesAreCrowded();
}

namespace {

std::vector<bool> g_kept_frames;

bool IsOfSweptFrame(const std::atomic<LinePlace>* line) { return !g_kept_frames[static_cast<size_t>(line - g_lines)]; }

}  // namespace

void StackSweep() {
  std::vector<bool> stacks(g_stacks.count()), strings(g_strings.count()), modules;
  g_kept_frames.assign(g_frames.count(), false);
  for (uint32_t stack = 1; stack < g_stacks.count(); stack++) {
    if (g_stacks.IsVacant(stack)) continue;
    if (!LiveHolds(stack)) {
      LiveGiveUp(stack);
      continue;
    }
    stacks[stack] = true;
    const uint32_t* ids = static_cast<const uint32_t*>(g_stacks.Bytes(stack));
    for (uint32_t i = 0; i < g_stacks.Length(stack) / sizeof(uint32_t); i++) g_kept_frames[ids[i]] = true;
  }
  for (uint32_t frame = 1; frame < g_frames.count(); frame++) {
    if (!g_kept_frames[frame]) {
      if (g_lines[frame].load(std::memory_order_relaxed) != 0) g_lines[frame].store(0, std::memory_order_relaxed);
      continue;
    }
    const FrameRecord& record = *static_cast<const FrameRecord*>(g_frames.Bytes(frame));
    strings[record.name] = strings[record.script] = true;
    if (record.kind == FrameKind::kJavaScript || (record.detail & kNoModule) != 0) continue;
    if (record.detail >= modules.size()) modules.resize(record.detail + 1);
    modules[record.detail] = true;
  }
  ForgetAwaited(IsOfSweptFrame);
  ForgetCache();  // groups are known through it alone
  g_groups.Sweep(std::vector<bool>(g_groups.count()));
  // A table that could not be swept keeps more than it needs, never less: what refers to others goes first.
  if (g_stacks.Sweep(stacks) && g_frames.Sweep(g_kept_frames)) {
    g_strings.Sweep(strings);
    ForgetModules(modules);
  }
  g_kept_frames = {};
}

const InternTable& StackStrings() { return g_strings; }
const InternTable& StackFrames() { return g_frames; }
const InternTable& Stacks() { return g_stacks; }

CodePlace FramePlace(uint32_t frame) {
  const FrameRecord& record = *static_cast<const FrameRecord*>(g_frames.Bytes(frame));
  if (record.kind == FrameKind::kJavaScript) return {0, 0};
  return {record.place, record.detail};
}

bool FrameIsShown(const FrameRecord& frame) {
  if (frame.tier == CodeTier::kUnknown) return true;
  return (LevelOf(frame.tier) >= TierLevel::kNames) == (frame.kind == FrameKind::kJavaScript);
}

LinePlace FrameLine(uint32_t frame) {
  const FrameRecord& record = *static_cast<const FrameRecord*>(g_frames.Bytes(frame));
  if (record.tier != CodeTier::kUnknown && LevelOf(record.tier) == TierLevel::kNames) return 0;
  return record.line != 0 ? PackPlace(record.line, record.column) : g_lines[frame].load(std::memory_order_relaxed);
}

StackCounters StackCount() {
  auto get = [](const std::atomic<uint64_t>& value) { return value.load(std::memory_order_relaxed); };
  return {get(g_decoded), get(g_unreadable), get(g_unlicensed), get(g_unwalked),
          get(g_broken),  get(g_repaired),   get(g_unplaced),   get(g_unread)};
}

uint64_t StackOwnBytes() {
  uint64_t bytes = g_cache == nullptr ? 0 : kCacheEntries * sizeof(CacheEntry);
  for (const InternTable* table : {&g_strings, &g_frames, &g_stacks, &g_groups}) {
    bytes += table->used_bytes() + table->in_use() * 24ull;  // text, entry, and two slots of the index
  }
  return bytes;
}

}  // namespace extmem
