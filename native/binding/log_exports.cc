// A send that waits for no event loop: the last lines of a log, when the process ends.
#include "binding/log_exports.h"

#include <sys/socket.h>

#include "binding/values.h"

namespace extmem {
namespace {

// send(2) refuses anything but a socket, so a descriptor that the program reused meanwhile takes no harm.
Napi::Value SendNow(const Napi::CallbackInfo& info) {
  const int fd = static_cast<int>(IntegerAt(info, 0, -1));
  if (!info[1].IsTypedArray()) return Napi::Number::New(info.Env(), -1);  // IsBuffer() is true of a DataView too
  const Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  const ssize_t sent = send(fd, bytes.Data(), bytes.ByteLength(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return Napi::Number::New(info.Env(), static_cast<double>(sent));
}

constexpr FunctionRow kFunctions[] = {
    {"sendNow", Napi::Function::New<SendNow>, "(fd: number, bytes: Buffer): number",
     "send(2) to a socket without waiting: how many bytes it took, or -1."},
};

}  // namespace

Exports LogExports() { return {kFunctions, {}, {}, {}}; }

}  // namespace extmem
