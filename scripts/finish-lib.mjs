/**
 * After tsc: the declarations that it does not copy, and no descriptor that inherits. With an `Object.prototype.get` in the
 * program, `Object.defineProperty(exports, '__esModule', { value: true })` throws, and no file of ours would load.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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
