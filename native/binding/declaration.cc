#include "binding/declaration.h"

namespace extmem {
namespace {

std::string Doc(const char* indent, const char* text) { return std::string(indent) + "/** " + text + ". */\n"; }

std::string Interface(const NumberTable& table) {
  std::string text = Doc("", table.doc) + "export interface " + table.type + " {\n";
  for (const NameRow& row : table.rows) text += Doc("  ", row.doc) + "  readonly " + row.name + ": number;\n";
  return text + "}\n\n";
}

std::string Union(const EnumTable& table) {
  std::string text = Doc("", table.doc) + "export type " + table.type + " =";
  for (const NameRow& row : table.rows) text += "\n" + Doc("  ", row.doc) + "  | '" + row.name + "'";
  return text + ";\n\n";
}

std::string Fields(const NumberTable& table) {
  const std::string type = table.type;
  return "  /** Names of the numbers in a row of " + type + ", in their order. */\n  readonly " + table.property +
         ": readonly (keyof " + type + ")[];\n";
}

std::string Bits(const BitTable& table) {
  std::string text = std::string("  readonly ") + table.property + ": {\n";
  for (const BitRow& row : table.rows) {
    text += Doc("    ", row.doc) + "    readonly " + row.name + ": " + std::to_string(row.bit) + ";\n";
  }
  return text + "  };\n";
}

std::string Function(const FunctionRow& row) {
  return std::string("  /** ") + row.doc + " */\n  " + row.name + row.signature + ";\n";
}

}  // namespace

std::string Declaration(Rows<Exports> parts) {
  std::string text =
      "// Generated from the tables of native/ (native/binding/declaration.h says which) by scripts/binding-types.mjs. "
      "Do not edit.\n\n";
  for (const Exports& part : parts) {
    for (const NumberTable& table : part.numbers) text += Interface(table);
    for (const EnumTable& table : part.enums) text += Union(table);
  }
  text +=
      "/** The native addon. */\n"
      "export interface Binding {\n"
      "  /** The text of this file. */\n"
      "  readonly declaration: string;\n";
  for (const Exports& part : parts) {
    for (const NumberTable& table : part.numbers) text += Fields(table);
    for (const BitTable& table : part.bits) text += Bits(table);
    for (const FunctionRow& row : part.functions) text += Function(row);
  }
  return text + "}\n";
}

}  // namespace extmem
