#include "v8/layout.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "os/elf_image.h"
#include "os/symbols.h"

namespace extmem {

namespace {

constexpr int32_t kUnknown = INT32_MIN;

bool Published(const char* name, int32_t* value) {
  char symbol[160];
  snprintf(symbol, sizeof(symbol), "v8dbg_%s", name);
  const void* found = FindSymbol(symbol);
  if (found == nullptr) return false;
  memcpy(value, found, sizeof(*value));
  return true;
}

// Names of one number over the versions, newest last, and what to assume when none is published.
struct Number {
  int32_t* value;
  const char* names[3];
  int32_t otherwise;
};

}  // namespace

const char* LoadV8Layout(V8Layout* v8) {
  *v8 = {};
  auto version = reinterpret_cast<const char* (*)()>(FindSymbol("_ZN2v82V810GetVersionEv"));
  if (version == nullptr) return "v8::V8::GetVersion";
  char* rest;
  v8->major = static_cast<int32_t>(strtol(version(), &rest, 10));
  v8->minor = *rest == '.' ? static_cast<int32_t>(strtol(rest + 1, nullptr, 10)) : 0;
  const bool since_12 = v8->major >= 12;
  int32_t js_function = 0, line_ends = 0;
  const Number numbers[] = {
      {&js_function, {"type_JSFunction__JS_FUNCTION_TYPE"}, kUnknown},
      {&v8->type.js_function_first, {"FirstJSFunctionType"}, 0},
      {&v8->type.js_function_last, {"LastJSFunctionType"}, 0},
      {&v8->type.shared_function_info, {"type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE"}, kUnknown},
      {&v8->type.script, {"type_Script__SCRIPT_TYPE"}, kUnknown},
      {&v8->type.scope_info, {"type_ScopeInfo__SCOPE_INFO_TYPE"}, kUnknown},
      {&v8->type.bytecode_array, {"type_BytecodeArray__BYTECODE_ARRAY_TYPE"}, kUnknown},
      {&v8->type.code, {"type_Code__CODE_TYPE"}, kUnknown},
      {&v8->type.byte_array, {"type_ByteArray__BYTE_ARRAY_TYPE"}, kUnknown},
      {&v8->type.trusted_byte_array, {"type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE"}, -1},
      {&v8->type.fixed_array, {"type_FixedArray__FIXED_ARRAY_TYPE"}, kUnknown},
      {&v8->type.instruction_stream, {"type_InstructionStream__INSTRUCTION_STREAM_TYPE"}, kUnknown},
      {&v8->type.interpreter_data, {"type_InterpreterData__INTERPRETER_DATA_TYPE"}, -1},
      {&v8->type.shared_wrapper, {"type_SharedFunctionInfoWrapper__SHARED_FUNCTION_INFO_WRAPPER_TYPE"}, -1},
      {&v8->type.first_nonstring, {"FirstNonstringType"}, 128},
      {&v8->map_instance_type, {"class_Map__instance_type__uint16_t"}, kUnknown},
      {&v8->function_shared, {"class_JSFunction__shared__SharedFunctionInfo"}, kUnknown},
      {&v8->shared.data, {"class_SharedFunctionInfo__function_data__Object"}, 8},
      {&v8->shared.name,
       {"class_SharedFunctionInfo__name_or_scope_info__Object",
        "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
        "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_"},
       kUnknown},
      {&v8->shared.script,
       {"class_SharedFunctionInfo__script_or_debug_info__HeapObject",
        "class_SharedFunctionInfo__script__Tagged_HeapObject_"},
       kUnknown},
      {&v8->shared.flags, {"class_SharedFunctionInfo__flags__int"}, kUnknown},
      {&v8->script.source, {"class_Script__source__Object"}, kUnknown},
      {&v8->script.name, {"class_Script__name__Object"}, kUnknown},
      {&line_ends, {"class_Script__line_ends__Object"}, kUnknown},
      {&v8->bytecode.data, {"class_BytecodeArray__data__uintptr_t"}, kUnknown},
      {&v8->bytecode.length, {"class_FixedArrayBase__length__SMI"}, kUnknown},
      {&v8->string.length, {"class_String__length__int32_t"}, kUnknown},
      {&v8->string.chars, {"class_SeqOneByteString__chars__char"}, kUnknown},
      {&v8->array.length, {"class_FixedArrayBase__length__SMI"}, kUnknown},
      {&v8->array.data, {"class_FixedArray__data__uintptr_t"}, kUnknown},
      {&v8->kind_baseline, {"CodeKindBaseline"}, kUnknown},
      {&v8->stream_header, {"class_InstructionStream__instruction_start__uintptr_t"}, kUnknown},
      {&v8->code.deopt_data, {"class_Code__deoptimization_data__FixedArray"}, since_12 ? 8 : kUnknown},
      {&v8->code.positions, {"class_Code__source_position_table__ByteArray"}, since_12 ? 16 : kUnknown},
      {&v8->code.start, {"class_Code__instruction_start__Address"}, since_12 ? kUnknown : 0},
      {&v8->code.flags, {"class_Code__flags__uint32_t"}, since_12 ? kUnknown : 0},
      {&v8->code.size, {"class_Code__instruction_size__int"}, since_12 ? kUnknown : 0},
      {&v8->deopt.inlined_count, {"DeoptimizationDataInlinedFunctionCountIndex"}, 1},
      {&v8->deopt.literals, {"DeoptimizationDataLiteralArrayIndex"}, kUnknown},
      {&v8->deopt.inlining_positions, {"DeoptimizationDataInliningPositionsIndex"}, kUnknown},
      {&v8->scope.first_variable, {"scopeinfo_idx_first_vars"}, kUnknown},
      {&v8->scope.local_count, {"scopeinfo_idx_ncontextlocals"}, kUnknown},
      {&v8->exit_frame[0], {"frametype_ExitFrame"}, kUnknown},
      {&v8->exit_frame[1], {"frametype_BuiltinExitFrame"}, kUnknown},
      {&v8->exit_frame[2], {"frametype_ApiCallbackExitFrame"}, 0},
      {&v8->exit_frame[3], {"frametype_ApiAccessorExitFrame"}, 0},
      {&v8->exit_frame[4], {"frametype_ApiConstructExitFrame"}, 0},
      {&v8->exit_frame[5], {"frametype_ApiNamedAccessorExitFrame"}, 0},
      {&v8->exit_frame[6], {"frametype_ApiIndexedAccessorExitFrame"}, 0},
  };
  for (const Number& number : numbers) {
    *number.value = number.otherwise;
    bool found = false;
    for (const char* name : number.names) found = found || (name != nullptr && Published(name, number.value));
    if (!found && number.otherwise == kUnknown) return number.names[0];
  }
  // What no version publishes.
  if (v8->type.js_function_first == 0) {
    v8->type.js_function_first = js_function;
    v8->type.js_function_last = js_function + 16;
  }
  if (v8->type.trusted_byte_array < 0) v8->type.trusted_byte_array = v8->type.byte_array;
  v8->shared.literal_id = v8->shared.flags + 4;
  v8->script.line_offset = v8->script.name + 8;
  v8->script.column_offset = v8->script.name + 16;
  v8->script.id = line_ends + 8;
  v8->bytecode.positions = since_12 ? 24 : 32;
  if (!since_12) {
    v8->code.start = v8->code.positions + 16;
    v8->code.flags = v8->code.positions + 24;
    v8->code.size = v8->code.flags + 8;
  }
  // Only an aid to find lines in baseline code: without it such a frame shows the line where its function starts.
  // Three rows, by the scale of the operands; an opcode is a byte, and V8 has had more than 150 since version 9.
  uint64_t bytecodes = 0;
  const uintptr_t sizes =
      FindStaticTable("_ZN2v88internal11interpreter9Bytecodes14kBytecodeSizesE", 3, 150, 256, &bytecodes);
  if (sizes != 0) {
    v8->bytecode_sizes = reinterpret_cast<const uint8_t*>(sizes);
    v8->bytecodes = static_cast<int32_t>(bytecodes);
  }
  return nullptr;
}

}  // namespace extmem
