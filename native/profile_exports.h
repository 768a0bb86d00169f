// The rows of the native profiler in the table of exports.
#ifndef EXTMEM_NATIVE_PROFILE_EXPORTS_H_
#define EXTMEM_NATIVE_PROFILE_EXPORTS_H_

#include "declaration.h"

namespace extmem {

Rows<ExportRow> ProfileExports();

}  // namespace extmem

#endif  // EXTMEM_NATIVE_PROFILE_EXPORTS_H_
