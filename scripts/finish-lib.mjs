/**
 * After tsc: the declarations that it does not copy, no descriptor that inherits, and few files for the programs that
 * load us.
 *
 * With an `Object.prototype.get` in the program, `Object.defineProperty(exports, '__esModule', { value: true })` throws,
 * and no file of ours would load. And fifty files take twice as long to load as one, in every child process that
 * inherits the preload. So `dist/index.js` holds all that is imported from it on; what is required within a function comes
 * when it is needed, in the files below. The single files stay: the command line and tests load what they need of them.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { dirname, join as joinPath } from 'node:path/posix';
import { transformSync } from 'esbuild';

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

/** By suffix, the modules that a file is for. What several of these need lies in the first one. */
const files = {
  streams: ['streams/tracker.js'],
  judge: ['live-judge.js'],
  ticks: ['ticks.js', 'process/isolates.js', 'profile/reader.js', 'profile/selftest.js', 'sampler.js'],
  asked: ['compare.js', 'doctor.js'],
};
/** A larger file, while it is read, raises glibc's threshold of what it maps in the whole program. */
const mostBytes = 128 * 1024 - 1;

const requires = /\brequire\(["'](\.[^"']*\.js)["']\)/g;
/** An import stands at the start of a line; what is required in a function comes later. */
const imports = /^\S.*\brequire\(["'](\.[^"']*\.js)["']\)/gm;

const textOf = (name) => readFileSync(joinPath('dist', name), 'utf8');
const inDist = (from, path) => joinPath(dirname(from), path);

/** `name` and what it imports, but not what is there already. */
function closure(name, there) {
  if (there.has(name)) return [];
  there.add(name);
  const imported = [...textOf(name).matchAll(imports)].map(([, path]) => inDist(name, path));
  return [...imported.flatMap((other) => closure(other, there)), name];
}

/** The parentheses have V8 compile it at once, since it will run at once, instead of reading it twice. */
function wrapped(name) {
  const { code } = transformSync(textOf(name).replace('"use strict";\n', ''), {
    target: 'node20.9',
    legalComments: 'none',
  });
  const body = code.replaceAll(requires, (_, path) => `part(${JSON.stringify(inDist(name, path))})`);
  return `${JSON.stringify(name)}: (function (exports, part) {\n${body}})`;
}

const there = new Set();
const first = closure('index.js', there);
const parts = Object.entries(files).map(([suffix, roots]) => ({
  file: `index.${suffix}.js`,
  names: roots.flatMap((root) => closure(root, there)),
}));
const fileOf = Object.fromEntries(parts.flatMap(({ file, names }) => names.map((name) => [name, `./${file}`])));

const missing = [...there].flatMap((name) =>
  [...textOf(name).matchAll(requires)].map(([, path]) => inDist(name, path)).filter((other) => !there.has(other)),
);
if (missing.length > 0)
  throw new Error(`Expected a file for ${missing.join(', ')}; add it to the table in this script.`);

const index = `'use strict';
const parts = {
__proto__: null,
${first.map(wrapped).join(',\n')}
};
const fileOf = { __proto__: null, ...${JSON.stringify(fileOf, null, 2)} };
const loaded = { __proto__: null };
function part(name) {
  const known = loaded[name];
  if (known !== undefined) return known;
  if (parts[name] === undefined) Object.assign(parts, require(fileOf[name]));
  const exports = (loaded[name] = {});
  parts[name](exports, part);
  return exports;
}
module.exports = part('index.js');
`;
// The names that can be imported: this is never run, only read.
const names = Object.keys(createRequire(import.meta.url)(resolve('dist/index.js')));
const written = [
  ['index.js', `${index}0 && (module.exports = { ${names.join(', ')} });\n`],
  ...parts.map(({ file, names }) => [
    file,
    `'use strict';\nmodule.exports = {\n${names.map(wrapped).join(',\n')}\n};\n`,
  ]),
];
for (const [file, text] of written) {
  if (Buffer.byteLength(text) > mostBytes)
    throw new Error(`Expected dist/${file} to be below 128 KiB, received ${text.length}; split it.`);
  writeFileSync(join('dist', file), text);
}
