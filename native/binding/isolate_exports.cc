// What belongs to the calling isolate: its declared memory, its row in the table of isolates, its weak references; and
// a send that waits for no event loop.
#include "binding/isolate_exports.h"

#include <sys/socket.h>

#include <vector>

#include "binding/environment.h"
#include "binding/isolate_table.h"
#include "binding/values.h"

namespace extmem {
namespace {

napi_value DeclaredBytes(napi_env env, napi_callback_info) {
  int64_t bytes = 0;
  napi_adjust_external_memory(env, 0, &bytes);
  return Number(env, static_cast<double>(bytes));
}

napi_value Publish(napi_env env, napi_callback_info info) {
  const Doubles from = DoublesOf(env, ArgumentAt(env, info, 0));
  return Boolean(env, from.length >= kIsolateNumbers && PublishIsolate(Environment::Of(env), from.data));
}

napi_value Isolates(napi_env env, napi_callback_info) {
  const size_t rows = CopyIsolates(Environment::Of(env), nullptr, 0);
  if (rows == 0) return nullptr;  // undefined: the usual case should cost nothing
  // A worker may have come or gone in between: rows that are gone stay 0, a thread id that no worker has.
  std::vector<double> numbers(rows * kIsolateNumbers);
  CopyIsolates(Environment::Of(env), numbers.data(), rows);
  return Numbers(env, numbers.data(), numbers.size());
}

uint32_t SlotOf(napi_env env, napi_callback_info info) {
  return static_cast<uint32_t>(IntegerAt(env, info, 0, WeakRefs::kNone));
}

napi_value WeakAdd(napi_env env, napi_callback_info info) {
  Environment* self = Environment::Of(env);
  const uint32_t slot = self == nullptr ? WeakRefs::kNone : self->weak_refs.Add(env, ArgumentAt(env, info, 0));
  return Number(env, slot == WeakRefs::kNone ? -1 : static_cast<double>(slot));
}

napi_value WeakGet(napi_env env, napi_callback_info info) {
  Environment* self = Environment::Of(env);
  return self == nullptr ? nullptr : self->weak_refs.Get(env, SlotOf(env, info));
}

napi_value WeakRemove(napi_env env, napi_callback_info info) {
  Environment* self = Environment::Of(env);
  if (self != nullptr) self->weak_refs.Remove(env, SlotOf(env, info));
  return nullptr;
}

// send(2) refuses anything but a socket, so a descriptor that the program reused meanwhile takes no harm.
napi_value SendNow(napi_env env, napi_callback_info info) {
  const int fd = static_cast<int>(IntegerAt(env, info, 0, -1));
  napi_value buffer = ArgumentAt(env, info, 1);
  void* bytes = nullptr;
  size_t size = 0;
  if (buffer == nullptr || napi_get_buffer_info(env, buffer, &bytes, &size) != napi_ok) return Number(env, -1);
  return Number(env, static_cast<double>(send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

constexpr FunctionRow kFunctions[] = {
    {"declaredBytes", DeclaredBytes, "(): number",
     "External memory declared to V8 by anybody, this isolate: `napi_adjust_external_memory(0)`."},
    {"publishIsolate", Publish, "(numbers: Float64Array): boolean",
     "Publishes a row of this isolate, for `isolates()` of the others. False: the table is full."},
    {"isolates", Isolates, "(): Float64Array | undefined",
     "The rows of all other isolates that published; undefined: there are none."},
    {"weakAdd", WeakAdd, "(object: object): number",
     "Refers to an object without keeping it, not even through a minor collection as a WeakRef would. A slot, or -1."},
    {"weakGet", WeakGet, "(slot: number): object | undefined", "undefined: it was collected."},
    {"weakRemove", WeakRemove, "(slot: number): void", "Gives a slot of `weakAdd` back."},
    {"sendNow", SendNow, "(fd: number, bytes: Buffer): number",
     "send(2) to a socket without waiting: how many bytes it took, or -1."},
};

constexpr NameRow kIsolateRows[] = {EXTMEM_ISOLATE_NUMBERS(EXTMEM_NAME_ROW)};
constexpr NumberTable kNumbers[] = {
    {"IsolateNumbers", "isolateFields", "What an isolate publishes of itself; NaN is unknown", kIsolateRows},
};

}  // namespace

Exports IsolateExports() { return {kFunctions, {}, kNumbers, {}}; }

}  // namespace extmem
