// What the calling isolate adds to the binding.
#ifndef EXTMEM_BINDING_ISOLATE_EXPORTS_H_
#define EXTMEM_BINDING_ISOLATE_EXPORTS_H_

#include "binding/declaration.h"

namespace extmem {

Exports IsolateExports();

}  // namespace extmem

#endif  // EXTMEM_BINDING_ISOLATE_EXPORTS_H_
