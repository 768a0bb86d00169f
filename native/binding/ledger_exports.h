// What the ledger adds to the binding.
#ifndef EXTMEM_BINDING_LEDGER_EXPORTS_H_
#define EXTMEM_BINDING_LEDGER_EXPORTS_H_

#include "binding/declaration.h"

namespace extmem {

Exports LedgerExports();

}  // namespace extmem

#endif  // EXTMEM_BINDING_LEDGER_EXPORTS_H_
