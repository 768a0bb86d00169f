// The tables that make the binding, and the TypeScript declaration that is assembled from them.
#ifndef EXTMEM_BINDING_DECLARATION_H_
#define EXTMEM_BINDING_DECLARATION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "binding/addon_api.h"

namespace extmem {

// A view of a constant array.
template <typename Row>
class Rows {
 public:
  constexpr Rows() = default;
  template <size_t N>
  constexpr Rows(const Row (&rows)[N]) : first_(rows), size_(N) {}  // NOLINT(google-explicit-constructor)
  constexpr const Row* begin() const { return first_; }
  constexpr const Row* end() const { return first_ + size_; }
  constexpr size_t size() const { return size_; }
  constexpr const Row& operator[](size_t index) const { return first_[index]; }

 private:
  const Row* first_ = nullptr;
  size_t size_ = 0;
};

struct FunctionRow {
  const char* name;
  Napi::Function (*make)(napi_env env, const char* name, void* data);  // Napi::Function::New<f>
  const char* signature;
  const char* doc;
};

struct BitRow {
  const char* name;
  uint32_t bit;
  const char* doc;
};

// Exported as an object of bits by name.
struct BitTable {
  const char* property;
  Rows<BitRow> rows;
};

struct NameRow {
  const char* name;
  const char* doc;
};
// Of the rows of an X-table whose first two columns, or first and third, are these.
#define EXTMEM_NAME_ROW(name, doc) {#name, doc},

// Numbers that cross as a row of a Float64Array. What is exported is their names, in their order.
struct NumberTable {
  const char* type;
  const char* property;
  const char* doc;
  Rows<NameRow> rows;
};

// An enum, whose values cross as their names.
struct EnumTable {
  const char* type;
  const char* doc;
  Rows<NameRow> rows;
};

// What one part of the addon adds to the binding.
struct Exports {
  Rows<FunctionRow> functions;
  Rows<BitTable> bits;
  Rows<NumberTable> numbers;
  Rows<EnumTable> enums;
};

std::string Declaration(Rows<Exports> parts);

}  // namespace extmem

#endif  // EXTMEM_BINDING_DECLARATION_H_
