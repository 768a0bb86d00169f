// The script names of two functions whose name is an external string: one that keeps the address of its characters, and
// one too short for that. Prints a JSON array.
//   node --expose-gc --expose-externalize-string external-names.cjs
'use strict';
const vm = require('node:vm');
const binding = require(process.env.EXTMEM_PREBUILD ?? '../../build/Release/extmem.node');

binding.profileRegister();
binding.profileLevel(2);
const shown = ['/external/long-enough.js', '/ext.js'].map((text) => {
  const filename = Buffer.from(text).toString('latin1');
  // V8 changes strings of the old generation only.
  gc();
  gc();
  externalizeString(filename);
  const named = vm.runInThisContext('(function named(capture) { return capture(); })', { filename });
  const frames = [...binding.profileStack(named(binding.profileCapture))].map((id) => binding.profileFrame(id));
  return frames.find(({ name }) => name === 'named').script;
});
console.log(JSON.stringify(shown));
