// The rows of the native profiler in the table of exports.
#ifndef EXTMEM_BINDING_PROFILE_EXPORTS_H_
#define EXTMEM_BINDING_PROFILE_EXPORTS_H_

#include "binding/declaration.h"

namespace extmem {

Rows<ExportRow> ProfileExports();

}  // namespace extmem

#endif  // EXTMEM_BINDING_PROFILE_EXPORTS_H_
