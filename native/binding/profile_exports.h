// What the native profiler adds to the binding.
#ifndef EXTMEM_BINDING_PROFILE_EXPORTS_H_
#define EXTMEM_BINDING_PROFILE_EXPORTS_H_

#include "binding/declaration.h"

namespace extmem {

Exports ProfileExports();

}  // namespace extmem

#endif  // EXTMEM_BINDING_PROFILE_EXPORTS_H_
