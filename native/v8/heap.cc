#include "v8/heap.h"

namespace extmem {

namespace {

// String shapes, in the low bits of the type.
enum Shape { kSequential = 0, kCons = 1, kExternal = 2, kSliced = 3, kThin = 5, kShapeMask = 7, kOneByteBit = 8 };
// An external string too short to keep the address of its characters: only its owner can be asked.
constexpr int kUncachedBit = 16;

constexpr int32_t kMaxInlineLocals = 75;  // with more context locals V8 keeps their names in a hash table

size_t PutUtf8(uint32_t code, char* into, size_t room) {
  if (code < 0x20) code = ' ';
  const size_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
  if (bytes > room) return 0;
  if (bytes == 1) {
    into[0] = static_cast<char>(code);
  } else if (bytes == 2) {
    into[0] = static_cast<char>(0xC0 | (code >> 6));
    into[1] = static_cast<char>(0x80 | (code & 63));
  } else {
    if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;  // halves of pairs are not worth a table
    into[0] = static_cast<char>(0xE0 | (code >> 12));
    into[1] = static_cast<char>(0x80 | ((code >> 6) & 63));
    into[2] = static_cast<char>(0x80 | (code & 63));
  }
  return bytes;
}

// Functions that V8 makes of the fields and static blocks of a class, by the kind in the low bits of the flags.
size_t InitializerName(const V8Layout& v8, uintptr_t shared, char* into, size_t size) {
  uint32_t flags;
  if (!ReadAt(shared - 1 + static_cast<uintptr_t>(v8.shared.flags), &flags)) return 0;
  const uint32_t kind = flags & 31;
  const char* name = "";
  if (kind == 24) name = "<instance_members_initializer>";
  // V8 14 has a second kind of static blocks.
  if (kind == 25 || (kind == 26 && v8.major >= 14)) name = "<static_initializer>";
  const size_t length = strlen(name);
  if (length >= size) return 0;
  memcpy(into, name, length + 1);
  return length;
}

}  // namespace

bool Flatten(const V8Layout& v8, uintptr_t string, FlatString* flat) {
  uint32_t from = 0;
  uint32_t length = 0;
  bool sliced = false;
  for (int depth = 0; depth < 8; depth++) {
    const int32_t type = TypeOf(v8, string);
    uint32_t own_length;
    if (type < 0 || type >= v8.type.first_nonstring ||
        !ReadAt(string - 1 + static_cast<uintptr_t>(v8.string.length), &own_length)) {
      return false;
    }
    if (!sliced) length = own_length;
    switch (type & kShapeMask) {
      case kThin:
        string = Field(string, v8.string.chars);
        continue;
      case kCons:
        // Flat when the second part is empty.
        if (uint32_t second;
            !ReadAt(Field(string, v8.string.chars + 8) - 1 + static_cast<uintptr_t>(v8.string.length), &second) ||
            second != 0) {
          return false;
        }
        string = Field(string, v8.string.chars);
        continue;
      case kSliced:
        from += static_cast<uint32_t>(SmallIntegerField(string, v8.string.chars + 8));
        sliced = true;
        string = Field(string, v8.string.chars);
        continue;
      case kSequential:
        flat->chars = string - 1 + static_cast<uintptr_t>(v8.string.chars);
        break;
      case kExternal:
        if ((type & kUncachedBit) != 0) return false;
        flat->chars = Field(string, v8.string.chars + 8);
        if (flat->chars == 0) return false;
        break;
      default:
        return false;
    }
    if (from > own_length || length > own_length - from) return false;
    flat->one_byte = (type & kOneByteBit) != 0;
    flat->length = length;
    flat->chars += from * (flat->one_byte ? 1u : 2u);
    return true;
  }
  return false;
}

size_t CopyString(const V8Layout& v8, uintptr_t string, char* into, size_t size, int depth) {
  into[0] = '\0';
  FlatString flat;
  size_t used = 0;
  if (!Flatten(v8, string, &flat)) {
    // A rope, as of computed names: its two halves.
    const int32_t type = TypeOf(v8, string);
    if (type < 0 || type >= v8.type.first_nonstring || (type & kShapeMask) != kCons) return 0;
    for (int half = 0; half < 2 && used + 1 < size && depth < 6; half++) {
      used += CopyString(v8, Field(string, v8.string.chars + 8 * half), into + used, size - used, depth + 1);
    }
    return used;
  }
  const uintptr_t width = flat.one_byte ? 1 : 2;
  uint32_t count = flat.length < size ? flat.length : static_cast<uint32_t>(size);
  if (count == 0 || !Readable(flat.chars, count * width)) return 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t code = flat.one_byte ? reinterpret_cast<const uint8_t*>(flat.chars)[i]
                                        : reinterpret_cast<const uint16_t*>(flat.chars)[i];
    const size_t bytes = PutUtf8(code, into + used, size - 1 - used);
    if (bytes == 0) break;
    used += bytes;
  }
  into[used] = '\0';
  return used;
}

bool Bytes(const V8Layout& v8, uintptr_t array, uintptr_t* first, size_t* length) {
  const int32_t type = TypeOf(v8, array);
  if (type < 0 || (type != v8.type.byte_array && type != v8.type.trusted_byte_array)) return false;
  const int32_t count = SmallIntegerField(array, v8.array.length);
  if (count <= 0) return false;
  *first = array - 1 + static_cast<uintptr_t>(v8.array.data);
  *length = static_cast<size_t>(count);
  return true;
}

size_t FunctionName(const V8Layout& v8, uintptr_t shared, char* into, size_t size, int32_t* start) {
  *start = -1;
  into[0] = '\0';
  const uintptr_t info = Field(shared, v8.shared.name);
  const int32_t type = TypeOf(v8, info);
  if (type >= 0 && type < v8.type.first_nonstring) return CopyString(v8, info, into, size);
  if (type != v8.type.scope_info) return 0;
  auto slot = [&](int32_t index) { return Field(info, 8 + 8 * index); };
  const bool fixed_positions = v8.scope.first_variable >= 5;  // start and end before the variables
  if (fixed_positions) *start = SmallInteger(slot(3));
  const int32_t locals = SmallInteger(slot(v8.scope.local_count));
  if (locals < 0) return 0;
  // Names and descriptions of the context locals come first; then the function's name, else an inferred one.
  int32_t index = v8.scope.first_variable + (locals < kMaxInlineLocals ? locals : 1) + locals;
  size_t length = InitializerName(v8, shared, into, size);
  for (int i = 0; i < 5; i++, index++) {
    const uintptr_t word = slot(index);
    if (length == 0 && IsReference(word)) {
      length = CopyString(v8, word, into, size);
      if (length != 0 && fixed_positions) break;
    }
    if (!fixed_positions && IsSmallInteger(word)) {
      const uintptr_t next = slot(index + 1);
      if (IsSmallInteger(next) && SmallInteger(word) >= 0 && SmallInteger(word) < SmallInteger(next)) {
        *start = SmallInteger(word);
        break;
      }
    }
  }
  return length;
}

uintptr_t ScriptOf(const V8Layout& v8, uintptr_t shared) {
  const uintptr_t script = Field(shared, v8.shared.script);
  if (TypeOf(v8, script) == v8.type.script) return script;
  // While a debugger is attached, V8 11 keeps its own record here, which refers to the script.
  constexpr int32_t kDebugInfoScript = 24;
  const uintptr_t behind = IsReference(script) ? Field(script, kDebugInfoScript) : 0;
  return TypeOf(v8, behind) == v8.type.script ? behind : 0;
}

}  // namespace extmem
