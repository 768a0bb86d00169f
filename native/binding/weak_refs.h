// Weak references of one environment, by slot.
//
// Unlike a WeakRef of the language, one of Node-API lets its object die in a minor collection: V8 keeps the targets of
// WeakRefs through those (measured on Node 20 to 26). So thousands of short-lived objects can be followed without
// making any of them live longer.
//
// One instance belongs to one JavaScript thread. Its references end with their environment, so they are plain ones, of
// 8 bytes: a Napi::Reference holds 24, wants to be destroyed, and throws at what is no object.
#ifndef EXTMEM_BINDING_WEAK_REFS_H_
#define EXTMEM_BINDING_WEAK_REFS_H_

#include <cstdint>
#include <vector>

#include "binding/addon_api.h"

namespace extmem {

class WeakRefs {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // A slot, or kNone when `value` is no object or the environment is about to end.
  uint32_t Add(napi_env env, napi_value value);
  // The object, or null when it was collected or the slot is vacant.
  napi_value Get(napi_env env, uint32_t slot) const;
  void Remove(napi_env env, uint32_t slot);

 private:
  std::vector<napi_ref> references_;  // null: vacant
  std::vector<uint32_t> vacant_;
};

}  // namespace extmem

#endif  // EXTMEM_BINDING_WEAK_REFS_H_
