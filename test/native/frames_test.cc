// Frames of V8 that are none: words on a stack that look like return addresses into code.
#include "v8/frames.h"

#include <sys/mman.h>

#include <cstdint>

#include "check.h"
#include "os/safe_read.h"

namespace extmem {
namespace {

constexpr size_t kPage = 4096;
constexpr uint16_t kFunctionType = 1000, kSharedType = 1001, kScriptType = 1002;
constexpr int32_t kInstanceType = 8;

// Objects as V8 lays them out, as far as a frame is asked for: the first word is the map, references are one too high.
struct Heap {
  uint64_t maps[3][2] = {{1, kFunctionType}, {1, kSharedType}, {1, kScriptType}};
  uint64_t function[2], shared[4], script[2];

  static uintptr_t Reference(const void* object) { return reinterpret_cast<uintptr_t>(object) + 1; }

  Heap() {
    function[0] = Reference(maps[0]);
    function[1] = Reference(shared);
    shared[0] = Reference(maps[1]);
    shared[1] = Reference(script);
    shared[2] = shared[3] = 7;
    script[0] = Reference(maps[2]);
    script[1] = uint64_t{5} << 32;
  }
};

V8Layout Layout() {
  V8Layout v8 = {};
  v8.major = 13;
  v8.map_instance_type = kInstanceType;
  v8.type.js_function_first = v8.type.js_function_last = kFunctionType;
  v8.type.shared_function_info = kSharedType;
  v8.type.script = kScriptType;
  v8.function_shared = 8;
  v8.shared.script = 8;
  v8.shared.literal_id = 16;
  v8.script.id = 8;
  return v8;
}

// Two pages of code with nothing readable before and after.
void TestEdgesOfCode() {
  static Heap heap;
  const V8Layout v8 = Layout();
  char* pages = static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(mprotect(pages + kPage, 2 * kPage, PROT_READ | PROT_WRITE) == 0);
  static V8Isolate isolate = {};
  isolate.number = 1;
  isolate.code[0] = {reinterpret_cast<uintptr_t>(pages), 4 * kPage};
  isolate.code_count = 1;
  uintptr_t words[8] = {};
  const uintptr_t fp = reinterpret_cast<uintptr_t>(words + 6);
  words[5] = Heap::Reference(&heap);  // context
  words[4] = Heap::Reference(heap.function);
  auto classify = [&](size_t offset) {
    FrameKey key;
    return ClassifyFrame(v8, isolate, reinterpret_cast<uintptr_t>(pages + offset), fp, &key);
  };
  CHECK(classify(kPage + 8) == FrameClass::kJavaScript);
  CHECK(classify(2 * kPage) == FrameClass::kJavaScript);
  CHECK(classify(3 * kPage - 1) == FrameClass::kJavaScript);
  CHECK(classify(0) == FrameClass::kUnreadable);
  CHECK(classify(kPage) == FrameClass::kUnreadable);
  CHECK(classify(kPage + 7) == FrameClass::kUnreadable);
  CHECK(classify(3 * kPage) == FrameClass::kUnreadable);
  CHECK(classify(3 * kPage + 8) == FrameClass::kUnreadable);
  munmap(pages, 4 * kPage);
}

}  // namespace
}  // namespace extmem

int main() {
  CHECK(extmem::SafeReadWorks());
  extmem::TestEdgesOfCode();
  return check::Finish();
}
