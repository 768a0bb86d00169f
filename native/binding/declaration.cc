#include "binding/declaration.h"

#include "ledger/fields.h"

namespace extmem {
namespace {

std::string Doc(const char* indent, const char* text) { return std::string(indent) + "/** " + text + ". */\n"; }

std::string Bits(const char* name, Rows<BitRow> rows) {
  std::string text = std::string("  readonly ") + name + ": {\n";
  for (const BitRow& row : rows) {
    text += Doc("    ", row.doc) + "    readonly " + row.name + ": " + std::to_string(row.bit) + ";\n";
  }
  return text + "  };\n";
}

}  // namespace

std::string Declaration(Rows<ExportRow> exports, Rows<ExportRow> profile, Rows<BitRow> parts, Rows<BitRow> probes) {
  std::string text =
      "// Generated from the tables in native/binding and native/ledger/fields.h by "
      "scripts/binding-types.mjs. Do not edit.\n\n"
      "/** Names of the numbers that `read()` copies, by what they mean; NaN is unknown. */\n"
      "export interface PassNumbers {\n";
  for (const FieldRow& row : kFieldTable) text += Doc("  ", row.doc) + "  readonly " + row.name + ": number;\n";
  text +=
      "}\n\n"
      "export type PassField = keyof PassNumbers;\n\n"
      "/** The native addon. */\n"
      "export interface Binding {\n"
      "  /** Names in the order of the Float64Array that `read()` fills. */\n"
      "  readonly passFields: readonly PassField[];\n"
      "  /** The text of this file. */\n"
      "  readonly declaration: string;\n";
  text += Bits("parts", parts);
  text += Bits("probes", probes);
  for (const Rows<ExportRow>& rows : {exports, profile}) {
    for (const ExportRow& row : rows) {
      text += std::string("  /** ") + row.doc + " */\n  " + row.name + row.signature + ";\n";
    }
  }
  return text + "}\n";
}

}  // namespace extmem
