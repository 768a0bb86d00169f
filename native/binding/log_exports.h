// What the destination of the log adds to the binding.
#ifndef EXTMEM_BINDING_LOG_EXPORTS_H_
#define EXTMEM_BINDING_LOG_EXPORTS_H_

#include "binding/declaration.h"

namespace extmem {

Exports LogExports();

}  // namespace extmem

#endif  // EXTMEM_BINDING_LOG_EXPORTS_H_
