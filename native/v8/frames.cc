#include "v8/frames.h"

#include <sys/mman.h>

#include "os/elf_image.h"
#include "os/proc_maps.h"
#include "os/safe_read.h"
#include "v8/heap.h"
#include "v8/translation.h"

namespace extmem {

namespace {

// Slots of a JavaScript frame, from its frame pointer.
constexpr uintptr_t kContextSlot = 8, kFunctionSlot = 16, kBytecodeSlot = 32, kOffsetSlot = 40;
constexpr int kMaxInlining = 32;

WORDS_OF_ANY_FRAME uintptr_t Slot(uintptr_t fp, uintptr_t below) {
  return *reinterpret_cast<const uintptr_t*>(fp - below);
}

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }

// The entry in force at `offset`: position in the text and inlining id, packed. kNoPosition or kPositionNotReached when
// there is none, else 0.
int32_t FindPosition(const V8Layout& v8, uintptr_t table, int32_t offset, Work* work, uint64_t* entry) {
  uintptr_t first;
  size_t length;
  if (!Bytes(v8, table, &first, &length)) return kNoPosition;
  ByteReader reader(first, length, work);
  int64_t code = -1;
  int64_t position = 0;
  bool any = false;
  uint64_t step, move;
  while (reader.Next(&step)) {
    // Since V8 14 the step is unsigned with two flags; before, its sign is a flag.
    const int64_t signed_step = Signed(step);
    code += v8.major >= 14 ? static_cast<int64_t>(step >> 2) : signed_step >= 0 ? signed_step : -(signed_step + 1);
    if (code > offset || !reader.Next(&move)) break;
    position += Signed(move);
    any = true;
  }
  if (code <= offset && reader.IsCutShort()) return kPositionNotReached;
  *entry = static_cast<uint64_t>(position);
  return any ? 0 : kNoPosition;
}

int32_t ScriptPosition(uint64_t entry) {
  return (entry & 1) != 0 ? -1 : static_cast<int32_t>((entry >> 1) & 0x3fffffff) - 1;
}
int32_t InliningId(uint64_t entry) { return static_cast<int32_t>((entry >> 31) & 0xffff) - 1; }

struct CodeObject {
  uintptr_t object = 0;  // 0: none
  uintptr_t start = 0;
  uint32_t size = 0;
  int32_t kind = -1;
};

// Steps back from pc to the header of the instructions it lies in. Instructions start at multiples of 32.
CodeObject FindCode(const V8Layout& v8, V8Isolate* isolate, uintptr_t pc, Work* work) {
  const AddressRange* range = isolate->CodeRange(pc);
  if (range == nullptr || isolate->IsBuiltin(pc)) return {};
  constexpr uintptr_t kStep = 32;
  const uintptr_t header = static_cast<uintptr_t>(v8.stream_header);
  uintptr_t known_map = isolate->stream_map.load(std::memory_order_relaxed);
  uintptr_t start = pc & ~(kStep - 1);
  uintptr_t page = 0;  // readable
  for (; !work->IsDone() && start > range->start + 64; start -= kStep) {
    work->Spend(1);
    // Headers have a size that keeps both words on one page.
    if (page != (start - header) / kReadPage && !Readable(start - header, 16)) return {};
    page = (start - header) / kReadPage;
    const uintptr_t map = *reinterpret_cast<const uintptr_t*>(start - header);
    if (known_map != 0 ? map != known_map : !IsReference(map)) continue;
    const uintptr_t code = ReadWord(start - header + 8);
    if (!IsReference(code)) continue;
    if (known_map == 0 && TypeOf(v8, start - header + 1) != v8.type.instruction_stream) continue;
    if (TypeOf(v8, code) != v8.type.code || Field(code, v8.code.start) != start) continue;
    uint32_t size, flags;
    if (!ReadAt(code - 1 + static_cast<uintptr_t>(v8.code.size), &size) || pc - start > size) continue;
    if (!ReadAt(code - 1 + static_cast<uintptr_t>(v8.code.flags), &flags)) continue;
    if (known_map == 0) isolate->stream_map.store(map, std::memory_order_relaxed);
    return {code, start, size, static_cast<int32_t>(flags & 15)};
  }
  return {};
}

CodeTier TierOf(const V8Layout& v8, bool builtin, const CodeObject& code) {
  if (builtin) return CodeTier::kInterpreter;
  if (code.object == 0) return CodeTier::kUnknown;
  const int32_t above = code.kind - v8.kind_baseline;
  return above < 0    ? CodeTier::kInterpreter
         : above == 0 ? CodeTier::kBaseline
         : above == 1 ? CodeTier::kMaglev
                      : CodeTier::kTurbofan;
}

// The bytecode of a function, wherever its data slot keeps it.
uintptr_t BytecodeOf(const V8Layout& v8, uintptr_t shared) {
  uintptr_t data = Field(shared, v8.shared.data);
  const int32_t type = TypeOf(v8, data);
  if (type == v8.type.code) {
    data = Field(data, v8.code.deopt_data);  // baseline code keeps it in the slot that others use for deoptimization
  }
  if (TypeOf(v8, data) == v8.type.interpreter_data) data = Field(data, 8);
  return TypeOf(v8, data) == v8.type.bytecode_array ? data : 0;
}

// The bytecode array a frame runs, or 0 when its slot holds something else.
uintptr_t RunningBytecode(const V8Layout& v8, uintptr_t shared, uintptr_t fp) {
  const uintptr_t bytecode = Slot(fp, kBytecodeSlot);
  if (TypeOf(v8, bytecode) != v8.type.bytecode_array) return 0;
  if (bytecode == BytecodeOf(v8, shared)) return bytecode;
  // A debugger runs an instrumented copy. Functions without a script are V8's own and have no bytecode.
  return ScriptOf(v8, shared) != 0 ? bytecode : 0;
}

// The bytecode that a return address in baseline code belongs to. The table holds the sizes of the machine code of the
// prologue and of each bytecode.
int32_t BaselineOffset(const V8Layout& v8, const CodeObject& code, uintptr_t bytecode, uintptr_t pc, Work* work) {
  uintptr_t table;
  size_t table_length;
  if (v8.bytecode_sizes == nullptr || !Bytes(v8, Field(code.object, v8.code.positions), &table, &table_length))
    return kNoPosition;
  const int32_t length = SmallIntegerField(bytecode, v8.bytecode.length);
  if (length <= 0) return kNoPosition;
  ByteReader bytecodes(bytecode - 1 + static_cast<uintptr_t>(v8.bytecode.data), static_cast<size_t>(length), work);
  const uint64_t wanted = pc - code.start;
  ByteReader reader(table, table_length, work);
  uint64_t end = 0, step;
  if (!reader.Next(&end)) return reader.IsCutShort() ? kPositionNotReached : kNoPosition;
  if (end >= wanted) return 0;
  int32_t offset = 0;
  while (reader.Next(&step)) {
    end += step;
    if (end >= wanted) return offset;
    // The first four bytecodes widen the operands of the one that follows: wide, extra wide, twice.
    uint8_t code_byte;
    if (!bytecodes.NextByte(&code_byte)) break;
    const int32_t row = code_byte >= 4 ? 0 : (code_byte & 1) == 0 ? 1 : 2;
    if (row != 0) {
      offset++;
      if (!bytecodes.NextByte(&code_byte)) break;
    }
    if (code_byte >= v8.bytecodes) return kNoPosition;
    const uint8_t size = v8.bytecode_sizes[row * v8.bytecodes + code_byte];
    offset += size;
    if (size == 0 || !bytecodes.Skip(size - 1u)) break;
  }
  return reader.IsCutShort() || bytecodes.IsCutShort() ? kPositionNotReached : kNoPosition;
}

// Optimised code, as V8 itself tells what its calls stand for.
int DecodeTranslation(const V8Layout& v8, const CodeObject& code, uintptr_t pc, ScriptFrame* frames, int max,
                      Work* work) {
  TranslatedCall calls[kMaxInlining];
  const OptimizedCode optimized = {code.object, code.start + code.size, TierOf(v8, false, code) == CodeTier::kMaglev};
  const int count = TranslateCall(v8, optimized, static_cast<uint32_t>(pc - code.start), calls,
                                  max < kMaxInlining ? max : kMaxInlining, work);
  for (int i = 0; i < count; i++) {
    const uintptr_t bytecode = BytecodeOf(v8, calls[i].shared);
    uint64_t entry;
    const uintptr_t table = bytecode == 0 ? 0 : Field(bytecode, v8.bytecode.positions);
    const int32_t found = FindPosition(v8, table, calls[i].bytecode_offset, work, &entry);
    frames[i] = {calls[i].shared, found < 0 ? found : ScriptPosition(entry)};
  }
  return count;
}

// Optimised code without: the entry names a position and, when that lies in an inlined function, where that was
// inlined.
int DecodeOptimized(const V8Layout& v8, uintptr_t code, uint64_t entry, uintptr_t shared, ScriptFrame* frames,
                    int max) {
  const uintptr_t deopt = Field(code, v8.code.deopt_data);
  uintptr_t literals = 0, rows = 0;
  int32_t inlined = 0;
  if (TypeOf(v8, deopt) >= 0 && SmallIntegerField(deopt, v8.array.length) > v8.deopt.inlining_positions) {
    literals = Field(deopt, v8.array.data + 8 * v8.deopt.literals);
    rows = Field(deopt, v8.array.data + 8 * v8.deopt.inlining_positions);
    inlined = SmallIntegerField(deopt, v8.array.data + 8 * v8.deopt.inlined_count);
  }
  uintptr_t first_row = 0;
  size_t rows_length = 0;
  if (rows != 0 && !Bytes(v8, rows, &first_row, &rows_length)) rows_length = 0;
  int count = 0;
  for (int32_t id; (id = InliningId(entry)) >= 0 && count < max - 1 && count < kMaxInlining;) {
    struct {
      uint64_t position;
      int32_t function;
    } row;
    if (static_cast<size_t>(id) * 16 + 16 > rows_length) break;
    if (!ReadAt(first_row + static_cast<uintptr_t>(id) * 16, &row)) break;
    uintptr_t callee = 0;
    if (row.function >= 0 && row.function < inlined) {
      callee = (Field(literals, v8.array.data + 8 * row.function) & ~uintptr_t{3}) | 1;  // may be weak
      if (TypeOf(v8, callee) == v8.type.shared_wrapper) callee = Field(callee, 8);
    } else if (row.function == -1) {
      callee = shared;
    }
    if (TypeOf(v8, callee) != v8.type.shared_function_info) break;
    frames[count++] = {callee, ScriptPosition(entry)};
    entry = row.position;
  }
  frames[count++] = {shared, ScriptPosition(entry)};
  return count;
}

}  // namespace

uintptr_t V8Isolate::Original(uintptr_t pc) const {
  return builtins_copy.Contains(pc) ? pc - builtins_copy.start + (builtins.start & ~uintptr_t{4095}) : pc;
}

bool LoadV8Isolate(uint32_t number, V8Isolate* isolate) {
  void* (*current)();
  size_t (*copy)(void*, size_t, AddressRange*);
  if (!FindFunction("_ZN2v87Isolate10GetCurrentEv", &current) ||
      !FindFunction("_ZN2v87Isolate13CopyCodePagesEmPNS_11MemoryRangeE", &copy) || current() == nullptr) {
    return false;
  }
  AddressRange ranges[V8Isolate::kMaxCodeRanges + 1];
  const size_t count = copy(current(), V8Isolate::kMaxCodeRanges + 1, ranges);
  // More ranges than fit: code lies in single pages that come and go, which this scheme does not follow.
  if (count == 0 || count > V8Isolate::kMaxCodeRanges + 1) return false;
  isolate->number = number;
  isolate->stream_map.store(0, std::memory_order_relaxed);
  isolate->builtins = ranges[0];
  isolate->builtins_copy = {};
  isolate->code_count = static_cast<int>(count) - 1;
  for (int i = 0; i < isolate->code_count; i++) isolate->code[i] = ranges[i + 1];
  ProcMaps map;
  for (const MapLine& line : map) {
    if (line.inode != 0 && (line.protection & PROT_EXEC) != 0 && isolate->CodeRange(line.start) != nullptr) {
      isolate->builtins_copy = {line.start, line.end - line.start};
    }
  }
  return true;
}

FrameClass ClassifyFrame(const V8Layout& v8, const V8Isolate& isolate, uintptr_t pc, uintptr_t fp, FrameKey* key) {
  const bool builtin = isolate.IsBuiltin(pc);
  if (!builtin && isolate.CodeRange(pc) == nullptr) return FrameClass::kNative;
  if (!IsReference(Slot(fp, kContextSlot))) return builtin ? FrameClass::kBuiltin : FrameClass::kUnreadable;
  const uintptr_t function = Slot(fp, kFunctionSlot);
  const int32_t type = TypeOf(v8, function);
  if (type < v8.type.js_function_first || type > v8.type.js_function_last) {
    return builtin ? FrameClass::kBuiltin : FrameClass::kUnreadable;
  }
  const uintptr_t shared = Field(function, v8.function_shared);
  if (TypeOf(v8, shared) != v8.type.shared_function_info) return FrameClass::kUnreadable;
  const uintptr_t script = ScriptOf(v8, shared);
  if (script == 0) return builtin ? FrameClass::kBuiltin : FrameClass::kUnreadable;
  int32_t literal;
  if (!ReadAt(shared - 1 + static_cast<uintptr_t>(v8.shared.literal_id), &literal)) return FrameClass::kUnreadable;
  key->script = RefOf(v8, isolate, script);
  key->function = (key->script.key << 32 | static_cast<uint32_t>(literal)) ^ (isolate.number * 0x9E3779B97F4A7C15ull);
  if (builtin) {
    key->place = static_cast<uint32_t>(SmallInteger(Slot(fp, kOffsetSlot)));
    return FrameClass::kJavaScript;
  }
  // Other code may come to lie at the same address. The instructions around the return address tell it apart. A word
  // that only looks like one may point anywhere; and the last instructions may end the page.
  uint64_t before, after = 0;
  if (!ReadAt(pc - 8, &before)) return FrameClass::kUnreadable;
  if ((pc & (kReadPage - 1)) <= kReadPage - 8 && !ReadAt(pc, &after)) return FrameClass::kUnreadable;
  key->place = (pc ^ (before * 0x9E3779B97F4A7C15ull) ^ (after * 0xC2B2AE3D27D4EB4Full)) | uint64_t{1} << 63;
  return FrameClass::kJavaScript;
}

ScriptRef RefOf(const V8Layout& v8, const V8Isolate& isolate, uintptr_t script) {
  const uint32_t id = static_cast<uint32_t>(SmallIntegerField(script, v8.script.id));
  return {static_cast<uint64_t>(isolate.number) << 32 | id, script};
}

int DecodeFrame(const V8Layout& v8, V8Isolate* isolate, uintptr_t pc, uintptr_t fp, ScriptFrame* frames, int max,
                Work* work, FrameCode* facts) {
  const uintptr_t shared = Field(Slot(fp, kFunctionSlot), v8.function_shared);
  frames[0] = {shared, kNoPosition};
  // Where the pc lies comes first: a frame that was replaced while its loop ran still shows the interpreter's slots.
  const bool builtin = isolate->IsBuiltin(pc);
  const CodeObject code = builtin ? CodeObject{} : FindCode(v8, isolate, pc, work);
  *facts = {TierOf(v8, builtin, code), true};
  if (facts->tier == CodeTier::kUnknown) {
    if (work->IsDone()) frames[0].position = kPositionNotReached;
    return 1;
  }
  const uintptr_t bytecode = RunningBytecode(v8, shared, fp);
  uint64_t entry;
  int32_t found = kNoPosition, at = kNoPosition;
  if (facts->tier >= CodeTier::kMaglev) {
    if (const int count = DecodeTranslation(v8, code, pc, frames, max, work); count != 0) return count;
    at = static_cast<int32_t>(pc - code.start) - 1;  // the call, not what follows it
    found = FindPosition(v8, Field(code.object, v8.code.positions), at, work, &entry);
    if (found >= 0) return DecodeOptimized(v8, code.object, entry, shared, frames, max);
    frames[0].position = found;
    return 1;
  }
  if (facts->tier == CodeTier::kInterpreter) {
    facts->repeatable = builtin;
    const uintptr_t offset = Slot(fp, kOffsetSlot);
    if (bytecode != 0 && (offset & UINT32_MAX) == 0) at = SmallInteger(offset) - (v8.bytecode.data - 1);
  } else if (bytecode != 0) {
    found = at = BaselineOffset(v8, code, bytecode, pc, work);
  }
  if (at >= 0) found = FindPosition(v8, Field(bytecode, v8.bytecode.positions), at, work, &entry);
  frames[0].position = found < 0 ? found : ScriptPosition(entry);
  return 1;
}

bool IsExitFrame(const V8Layout& v8, uintptr_t marker) {
  if (!IsSmallInteger(marker) || marker == 0) return false;
  for (int32_t type : v8.exit_frame) {
    if (type > 0 && marker >> 1 == static_cast<uintptr_t>(type)) return true;
  }
  return false;
}

}  // namespace extmem
