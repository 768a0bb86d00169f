// The TypeScript declaration of the binding, assembled from the tables that make the binding.
#ifndef EXTMEM_BINDING_DECLARATION_H_
#define EXTMEM_BINDING_DECLARATION_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace extmem {

struct ExportRow {
  const char* name;
  napi_callback call;
  const char* signature;
  const char* doc;
};

struct BitRow {
  const char* name;
  uint32_t bit;
  const char* doc;
};

template <typename Row>
struct Rows {
  const Row* first;
  size_t count;
  const Row* begin() const { return first; }
  const Row* end() const { return first + count; }
};

std::string Declaration(Rows<ExportRow> exports, Rows<ExportRow> profile, Rows<BitRow> parts, Rows<BitRow> probes);

}  // namespace extmem

#endif  // EXTMEM_BINDING_DECLARATION_H_
