// node-addon-api, the C++ face of Node-API, as this addon uses it.
//
// Some calls stay plain: where the wrapper throws at a wrong type, which is to be ignored (values.cc, weak_refs.h),
// throws again what was thrown, which is to be taken as it is (environment.cc), or leaves its members uninitialised
// when it fails (a promise, in profile_exports.cc).
#ifndef EXTMEM_BINDING_ADDON_API_H_
#define EXTMEM_BINDING_ADDON_API_H_

#define NAPI_VERSION 8
#define NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED
// What may run JavaScript returns a Maybe, so that a failure cannot be taken for a value.
#define NODE_ADDON_API_ENABLE_MAYBE
// A worker may be terminated inside any of our functions, and from then on calls fail and nothing can be thrown.
// Without this the first failure aborts the process; with it the function goes on to its return, with empty values in
// hand (terminatedInsideCalls in test/native/lifecycle.cjs). An empty value knows no env: pass it on, ask it nothing.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>

#endif  // EXTMEM_BINDING_ADDON_API_H_
