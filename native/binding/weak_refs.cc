#include "binding/weak_refs.h"

namespace extmem {

uint32_t WeakRefs::Add(napi_env env, napi_value value) {
  napi_ref reference = nullptr;
  if (value == nullptr || napi_create_reference(env, value, 0, &reference) != napi_ok) return kNone;
  if (vacant_.empty()) {
    references_.push_back(reference);
    return static_cast<uint32_t>(references_.size() - 1);
  }
  const uint32_t slot = vacant_.back();
  vacant_.pop_back();
  references_[slot] = reference;
  return slot;
}

napi_value WeakRefs::Get(napi_env env, uint32_t slot) const {
  napi_value value = nullptr;
  if (slot < references_.size() && references_[slot] != nullptr) {
    napi_get_reference_value(env, references_[slot], &value);
  }
  return value;
}

void WeakRefs::Remove(napi_env env, uint32_t slot) {
  if (slot >= references_.size() || references_[slot] == nullptr) return;
  napi_delete_reference(env, references_[slot]);
  references_[slot] = nullptr;
  vacant_.push_back(slot);
}

}  // namespace extmem
