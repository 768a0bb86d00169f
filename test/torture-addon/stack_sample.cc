// What v8::Isolate::GetStackSample would add to a walk over frame pointers: sample() -> [frames V8 gives, of these
// unknown to the walk, bytes of its result that it wrote, nanoseconds]. Called by its mangled name, its structs copied
// by hand. For interpreted frames it gives not the pc but the bytecode, which stands in the frame; and it adds the
// entries of native callbacks, which are no frames.
#include <dlfcn.h>
#include <node_api.h>
#include <time.h>

#include <cstdint>
#include <cstring>

#include "exports.h"

namespace {

struct Registers {  // v8::RegisterState
  void* pc;
  void* sp;
  void* fp;
  void* lr;
  void* callee_saved;
};

constexpr size_t kMaxFrames = 128;
constexpr size_t kInfoBytes = 256;  // far more than v8::SampleInfo needs
constexpr unsigned char kUntouched = 0xA5;
constexpr uintptr_t kHeaderReach = 64;  // V8 counts from the array's first bytecode or from its header

using GetCurrent = void* (*)();
using GetStackSample = void (*)(void* isolate, const Registers&, void** frames, size_t limit, void* info);

double NowNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Walked {
  uintptr_t pc;        // where the caller of this frame goes on
  uintptr_t bytecode;  // where an interpreter would be in this frame; otherwise anything
};

size_t WalkFrames(const uintptr_t* frame, Walked* walked) {
  size_t count = 0;
  while (count < kMaxFrames && frame[1] != 0) {
    walked[count++] = {frame[1], *(frame - 4) + (*(frame - 5) >> 32)};
    const uintptr_t* next = reinterpret_cast<const uintptr_t*>(frame[0]);
    if (next <= frame || next > frame + (1 << 17)) break;
    frame = next;
  }
  return count;
}

__attribute__((noinline)) napi_value Sample(napi_env env, napi_callback_info) {
  static const auto current = reinterpret_cast<GetCurrent>(dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv"));
  static const auto get = reinterpret_cast<GetStackSample>(
      dlsym(RTLD_DEFAULT, "_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE"));
  uintptr_t* frame = static_cast<uintptr_t*>(__builtin_frame_address(0));
  Walked walked[kMaxFrames];
  const size_t walked_count = WalkFrames(frame, walked);

  unsigned char info[kInfoBytes];
  memset(info, kUntouched, sizeof(info));
  void* frames[kMaxFrames] = {};
  Registers registers = {__builtin_return_address(0), frame, frame, nullptr, nullptr};
  const double before = NowNs();
  if (get != nullptr && current != nullptr) get(current(), registers, frames, kMaxFrames, info);
  const double ns = NowNs() - before;
  size_t written = sizeof(info);
  while (written > 0 && info[written - 1] == kUntouched) written--;

  size_t count = 0, missing = 0;
  for (; count < kMaxFrames && frames[count] != nullptr; count++) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(frames[count]);
    Dl_info symbol;
    bool known = dladdr(frames[count], &symbol) != 0 && symbol.dli_saddr == frames[count];
    for (size_t i = 0; i < walked_count && !known; i++) {
      known = walked[i].pc == address || address + kHeaderReach - walked[i].bytecode < 2 * kHeaderReach;
    }
    missing += !known;
  }
  napi_value row, number;
  napi_create_array(env, &row);
  const double values[] = {static_cast<double>(count), static_cast<double>(missing), static_cast<double>(written), ns};
  for (uint32_t i = 0; i < 4; i++) {
    napi_create_double(env, values[i], &number);
    napi_set_element(env, row, i, number);
  }
  return row;
}

napi_value Init(napi_env env, napi_value exports) { return Export(env, exports, {{"sample", Sample}}); }

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
