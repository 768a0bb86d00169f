// Writes lib/binding/binding.d.ts from the tables of the built addon: node scripts/binding-types.mjs [path of extmem.node]
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const binding = require(process.argv[2] ?? '../build/Release/extmem.node');
const target = new URL('../lib/binding/binding.d.ts', import.meta.url);
writeFileSync(target, binding.declaration);
console.log(`Wrote ${target.pathname}: ${binding.passFields.length} pass fields.`);
