// What one environment (the main thread's, a worker's) holds while it lives: the instance data of its env.
#ifndef EXTMEM_BINDING_ENVIRONMENT_H_
#define EXTMEM_BINDING_ENVIRONMENT_H_

#include "binding/addon_api.h"
#include "binding/weak_refs.h"
#include "v8/collections.h"
#include "v8/heap_counters.h"
#include "v8/heap_sampling.h"

namespace extmem {

// Runs `callback` on the JavaScript thread. What it throws is an uncaught exception, as from any timer.
void CallOnPass(Napi::Env env, Napi::Function callback, void*, void*);
using OnPass = Napi::TypedThreadSafeFunction<void, void, CallOnPass>;

struct Environment {
  OnPass on_pass;  // null unless this environment owns the reader
  WeakRefs weak_refs;
  HeapCounters heap_counters;
  Collections collections;
  HeapSampling heap_sampling;

  // Stops and joins the reader, when this environment owns it, takes back what it published, and stops its profiler.
  void Close();
};

}  // namespace extmem

#endif  // EXTMEM_BINDING_ENVIRONMENT_H_
