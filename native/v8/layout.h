// Where V8 keeps what a stack trace needs: instance types, field offsets, encodings. Offsets count from the untagged
// address of an object.
//
// V8 publishes most of these numbers for debuggers as variables `v8dbg_*` of the executable. A few are in no version;
// they come from a table per major version (layout.cc). Nothing here is trusted: whether the numbers fit the
// running V8 is decided by the self-test (lib/profile/selftest.ts), which compares real stacks.
#ifndef EXTMEM_V8_LAYOUT_H_
#define EXTMEM_V8_LAYOUT_H_

#include <cstdint>

namespace extmem {

struct V8Layout {
  int32_t major, minor;

  struct {
    int32_t js_function_first, js_function_last, shared_function_info, script, scope_info, bytecode_array, code,
        byte_array, trusted_byte_array, fixed_array, instruction_stream, interpreter_data, shared_wrapper,
        first_nonstring;
  } type;

  int32_t map_instance_type;
  int32_t function_shared;
  struct {
    int32_t data, name, script, flags, literal_id;
  } shared;
  struct {
    int32_t source, name, line_offset, column_offset, id;
  } script;
  struct {
    int32_t length, positions, data;
  } bytecode;
  struct {
    int32_t length, chars;
  } string;
  struct {
    int32_t length, data;
  } array;
  struct {
    int32_t deopt_data, positions, start, flags, size;
  } code;
  int32_t stream_header;  // from an InstructionStream to its first instruction
  int32_t kind_baseline;  // code kinds: maglev and turbofan follow
  struct {
    int32_t inlined_count, literals, inlining_positions;
  } deopt;
  struct {
    int32_t first_variable, local_count;
  } scope;
  int32_t exit_frame[8];  // frame types that end JavaScript and begin native code; 0 = none

  // Sizes of the bytecodes: three rows (plain, wide, extra wide) of `bytecodes` entries. Null when unknown.
  const uint8_t* bytecode_sizes;
  int32_t bytecodes;
};

// The first number that cannot be found, or null when the layout is complete. Not from a hook.
const char* LoadV8Layout(V8Layout* layout);

}  // namespace extmem

#endif  // EXTMEM_V8_LAYOUT_H_
