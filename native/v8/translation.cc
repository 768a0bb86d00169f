#include "v8/translation.h"

#include <cstring>
#include <utility>

#include "os/safe_read.h"
#include "v8/heap.h"

namespace extmem {

namespace {

// More entries are not looked at inside a hook.
constexpr uint32_t kMaxSafepoints = 1u << 13;
constexpr int kMaxOperands = 6;

// The entry of a safepoint table for a return address: maglev and turbofan have one each.
struct SafepointTable {
  uintptr_t first = 0;
  uint32_t length = 0;
  uint32_t pc_bytes = 0, index_bytes = 0, entry_bytes = 0;

  bool Load(const V8Layout& v8, const OptimizedCode& code, Work* work) {
    // Since V8 13 the number of stack slots comes first.
    const uintptr_t header = code.safepoints + (v8.major >= 13 ? 4 : 0);
    uint32_t configuration;
    if (!ReadAt(header, &length) || !ReadAt(header + 4, &configuration)) return false;
    // Bit 0: there is deoptimisation data. Then the sizes of three fields, three bits each.
    if ((configuration & 1) == 0 || length > kMaxSafepoints) return false;
    const uint32_t register_bytes = configuration >> 1 & 7;
    pc_bytes = configuration >> 4 & 7;
    index_bytes = configuration >> 7 & 7;
    entry_bytes = 2 * pc_bytes + index_bytes + register_bytes + (code.maglev ? 1 : 0);
    first = header + 8 + (code.maglev ? v8.major >= 13 ? 4 : 8 : 0);
    work->Spend(length * entry_bytes);
    return pc_bytes <= 4 && index_bytes <= 4 && !work->IsDone() && Readable(first, length * entry_bytes);
  }

  uint32_t Number(uintptr_t at, uint32_t bytes) const {
    uint32_t value = 0;
    memcpy(&value, reinterpret_cast<const void*>(at), bytes);
    return value;
  }

  // The number of the deoptimisation point, or -1.
  int32_t Find(uint32_t offset) const {
    for (uint32_t i = 0; i < length; i++) {
      const uintptr_t entry = first + i * entry_bytes;
      const uintptr_t index = entry + pc_bytes;
      // The return address of a frame whose code was given up leads to a trampoline. Both are kept plus one.
      if (Number(entry, pc_bytes) == offset || Number(index + index_bytes, pc_bytes) == offset + 1)
        return static_cast<int32_t>(Number(index, index_bytes)) - 1;
    }
    return -1;
  }
};

// A translation is a list of operations, each a byte and its operands: a begin, then each frame, outermost first,
// followed by where its values are, which is of no interest here.
struct Operations {
  const char* operands;  // how many each has, as digits
  uint8_t count;
  uint8_t begin;        // this one and the next
  uint8_t interpreted;  // likewise: a frame of the interpreter

  bool IsBegin(uint8_t operation) const { return operation == begin || operation == begin + 1; }
  bool IsInterpreted(uint8_t operation) const { return operation == interpreted || operation == interpreted + 1; }
};

// By V8 version: `TranslationOpcode` of src/deoptimizer/translation-opcode.h, as found in the binaries of Node.
Operations OperationsOf(const V8Layout& v8) {
  if (v8.major >= 13) return {"643321343331003311101111111111111111101111121", 45, 14, 0};
  if (v8.major == 12 && v8.minor >= 9) return {"53332134332100331111111111111111111101111121", 44, 14, 0};
  if (v8.major == 12) return {"5333213432103311111111111111111101111121", 40, 12, 0};
  return {"103311313111112111111115333401111121", 36, 2, 23};
}

int32_t SignLast(uint64_t operand) {
  const int32_t magnitude = static_cast<int32_t>(operand >> 1);
  return (operand & 1) != 0 ? -magnitude : magnitude;
}

// Operations that equal those of an earlier translation are not repeated: a count says how many to take from there.
class TranslationReader {
 public:
  TranslationReader(const Operations& operations, uintptr_t first, size_t length, size_t start, Work* work)
      : operations_(operations),
        first_(first),
        end_(first + length),
        work_(work),
        here_(first + start, length - start, work),
        earlier_(here_) {}

  // False when this is no start of a translation.
  bool Begin() {
    const uintptr_t start = here_.at();
    uint8_t operation;
    uint64_t back, frames, script_frames;
    if (!here_.NextByte(&operation) || !operations_.IsBegin(operation)) return false;
    if (!here_.Next(&back) || !here_.Next(&frames) || !here_.Next(&script_frames)) return false;
    if (back > start - first_) return false;
    earlier_ = ByteReader(start - back, end_ - (start - back), work_);
    return true;
  }

  // False at the end of the translation, and when it makes no sense.
  bool NextOperation(uint8_t* operation) {
    if (borrowed_ > 0 && --borrowed_ > 0) return NextEarlier(operation);
    uint8_t byte;
    if (!here_.NextByte(&byte)) {
      ended_ = here_.at() == end_;
      return false;
    }
    if (operations_.IsBegin(byte)) {
      ended_ = true;
      return false;
    }
    const uint8_t repeat = operations_.count - 1;
    if (byte < repeat) {
      since_++;
      *operation = byte;
      return true;
    }
    // Small counts stand in the byte itself.
    if (byte != repeat) {
      borrowed_ = byte - operations_.count;
    } else if (!here_.Next(&borrowed_)) {
      return false;
    }
    for (; since_ > 0; since_--) {
      uint8_t skipped;
      uint64_t operand;
      if (!NextEarlier(&skipped)) return false;
      for (int i = OperandsOf(skipped); i > 0; i--) {
        if (!earlier_.Next(&operand)) return false;
      }
    }
    return NextEarlier(operation);
  }

  bool NextOperand(uint64_t* operand) { return borrowed_ > 0 ? earlier_.Next(operand) : here_.Next(operand); }
  int OperandsOf(uint8_t operation) const { return operations_.operands[operation] - '0'; }
  bool ended() const { return ended_; }

 private:
  bool NextEarlier(uint8_t* operation) {
    return earlier_.NextByte(operation) && *operation < operations_.count - 1;  // an earlier one does not repeat
  }

  const Operations operations_;
  const uintptr_t first_, end_;
  Work* const work_;
  ByteReader here_, earlier_;
  uint64_t borrowed_ = 0;  // operations still to take from the earlier translation, with the one that is being read
  int since_ = 1;          // operations read here since the earlier place was brought up to date: the begin
  bool ended_ = false;
};

uintptr_t Element(const V8Layout& v8, uintptr_t array, int32_t index) {
  if (index < 0 || index >= SmallIntegerField(array, v8.array.length)) return 0;
  return Field(array, v8.array.data + 8 * index);
}

}  // namespace

int TranslateCall(const V8Layout& v8, const OptimizedCode& code, uint32_t offset, TranslatedCall* calls, int max,
                  Work* work) {
  const Operations operations = OperationsOf(v8);
  SafepointTable table;
  if (!table.Load(v8, code, work)) return 0;
  const int32_t point = table.Find(offset);
  const uintptr_t deopt = Field(code.object, v8.code.deopt_data);
  if (point < 0 || TypeOf(v8, deopt) < 0) return 0;
  // After the positions of inlined code come three numbers, then the points: bytecode offset, translation, pc.
  const int32_t first_point = v8.deopt.inlining_positions + 4;
  const int32_t start = SmallInteger(Element(v8, deopt, first_point + 3 * point + 1));
  const uintptr_t literals = Element(v8, deopt, v8.deopt.literals);
  uintptr_t first;
  size_t length;
  if (!Bytes(v8, Element(v8, deopt, 0), &first, &length) || start < 0 || static_cast<size_t>(start) >= length) return 0;
  TranslationReader reader(operations, first, length, static_cast<size_t>(start), work);
  if (!reader.Begin()) return 0;
  int count = 0;
  uint8_t operation;
  while (reader.NextOperation(&operation)) {
    uint64_t operands[kMaxOperands];
    const int operand_count = reader.OperandsOf(operation);
    for (int i = 0; i < operand_count; i++) {
      if (!reader.NextOperand(&operands[i])) return 0;
    }
    if (count == max) return 0;
    // Other frames are builtins, which have no place in a script.
    if (!operations.IsInterpreted(operation)) continue;
    uintptr_t shared = (Element(v8, literals, SignLast(operands[1])) & ~uintptr_t{3}) | 1;  // may be weak
    if (TypeOf(v8, shared) == v8.type.shared_wrapper) shared = Field(shared, 8);
    if (TypeOf(v8, shared) != v8.type.shared_function_info) return 0;
    calls[count++] = {shared, SignLast(operands[0])};
  }
  if (!reader.ended()) return 0;
  for (int i = 0; i < count / 2; i++) std::swap(calls[i], calls[count - 1 - i]);
  return count;
}

}  // namespace extmem
