/**
 * After tsc: the declarations that it does not copy, no descriptor that inherits, and one file for the programs that
 * load us.
 *
 * With an `Object.prototype.get` in the program, `Object.defineProperty(exports, '__esModule', { value: true })` throws,
 * and no file of ours would load. And fifty files take twice as long to load as one, in every child process that
 * inherits the preload. The single files stay: the command line and tests load what they need of them.
 */
import { appendFileSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

copyFileSync('lib/binding/binding.d.ts', 'dist/binding/binding.d.ts');
for (const name of readdirSync('dist', { recursive: true })) {
  if (!name.endsWith('.js')) continue;
  const file = join('dist', name);
  const text = readFileSync(file, 'utf8')
    .replaceAll(
      /^Object\.defineProperty\(exports, ("__esModule"), \{/gm,
      'Object.defineProperty(exports, $1, { __proto__: null,',
    )
    // Node finds the names of a CommonJS module for `import` in this form.
    .replaceAll(/^Object\.defineProperty\(exports, "(\w+)", .* return (\w+\.\w+); \} \}\);$/gm, 'exports.$1 = $2;');
  writeFileSync(file, text);
}

const index = 'dist/index.js';
buildSync({
  entryPoints: [index],
  outfile: index,
  allowOverwrite: true,
  bundle: true,
  platform: 'node',
  target: 'node20.9',
  packages: 'external',
  external: ['../package.json'],
  logLevel: 'error',
});
// The same for the one file: this is never run, only read.
const names = Object.keys(createRequire(import.meta.url)(resolve(index)));
appendFileSync(index, `0 && (module.exports = { ${names.join(', ')} });\n`);
