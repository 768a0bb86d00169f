/** How a line of code is written, whoever names it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { test } from 'tap';
import ts from 'typescript';
import { frameAt, frameText, originOf, packageOf } from '../lib/site.js';
import { nodes, programs, root, runForJson } from './plain.js';

const here = process.cwd();

test('paths are shown from the working directory when they lie below it', async (t) => {
  const text = (file: string) => frameText(frameAt('f', originOf({ file, line: 3, column: 7 })));
  t.equal(text(join(here, 'src', 'a.js')), 'f (src/a.js:3:7)');
  t.equal(text(pathToFileURL(join(here, 'a b.mjs')).href), 'f (a b.mjs:3:7)', 'ES modules are named by URL');
  t.equal(text(`${here}-other/a.js`), `f (${here}-other/a.js:3:7)`, 'a neighbour is not below');
  t.equal(text('node:internal/fs'), 'f (node:internal/fs:3:7)');
  t.equal(text('file://host/a.js'), 'f (file://host/a.js:3:7)', 'no path of this machine');
  t.equal(text('evalmachine.<anonymous>'), 'f (evalmachine.<anonymous>:3:7)');
});

test('what is unknown is left out, and no name is said to be none', async (t) => {
  const position = { file: join(here, 'a.js'), line: 3, column: 7 };
  t.equal(frameText(frameAt('', position)), '(anonymous) (a.js:3:7)');
  t.equal(frameText(frameAt('f', { ...position, line: 0 })), 'f [a.js]');
  t.strictSame(frameAt('f', { ...position, file: '' }), { function: 'f', file: null, line: null, column: null });
});

test('the package of a file', async (t) => {
  t.equal(packageOf('/app/node_modules/a/node_modules/b/c.js'), 'b');
  t.equal(packageOf('node_modules/@scope/parser/index.js'), '@scope/parser');
  t.equal(packageOf('C:\\app\\node_modules\\@scope\\parser\\index.js'), '@scope/parser');
  t.equal(packageOf('/app/src/c.js'), null);
  t.equal(packageOf('/app/my_node_modules/c.js'), null);
});

t.jobs = 2;

/**
 * Compiles the program into a directory of its own; its source map goes into the file, behind so many bytes of nothing.
 * Tells the line of `hold` in what was written, and in what was compiled.
 */
function compiled(directory: string, padding: number): { file: string; line: number; compiledLine: number } {
  const source = readFileSync(join(programs, 'one-line.ts'), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, inlineSourceMap: true };
  const { outputText } = ts.transpileModule(source, { compilerOptions, fileName: 'one-line.ts' });
  const file = join(directory, 'one-line.js');
  writeFileSync(file, outputText.replace(/(?=\/\/# sourceMappingURL=)/, `/*${'x'.repeat(padding)}*/\n`));
  const lineOf = (text: string) => text.split('\n').findIndex((line) => line.includes('function hold')) + 1;
  if (lineOf(source) === lineOf(outputText)) throw new Error('Expected the compiler to move the line');
  return { file, line: lineOf(source), compiledLine: lineOf(outputText) };
}

for (const node of nodes) {
  test(`Node ${node.major}: a native, a heap and a stream suspect call one line of TypeScript the same`, async (t) => {
    const directory = t.testdir();
    const { file, line } = compiled(directory, 0);
    const named = await runForJson<object>(node, ['--enable-source-maps', file, root], { cwd: directory });
    // The column is that of the call; V8's heap profiler knows only where a function begins.
    const site = new RegExp(String.raw`^hold \(one-line\.ts:${line}:\d+\)$`);
    t.match(named, { native: site, heap: site, stream: site, sourceMaps: null });
  });

  test(`Node ${node.major}: the map of a large script is left alone, which is said`, async (t) => {
    const directory = t.testdir();
    const { file, compiledLine } = compiled(directory, 300_000);
    const named = await runForJson<object>(node, ['--enable-source-maps', file, root], { cwd: directory });
    const site = new RegExp(String.raw`^hold \(one-line\.js:${compiledLine}:\d+\)$`);
    t.match(named, { native: site, heap: site, stream: site, sourceMaps: /256 KiB.+one-line\.js/ });
  });
}

/** A globally installed program: its own lines lie in a package. */
const installed = {
  node_modules: {
    app: {
      'main.cjs': `
        const { start } = require(process.argv[2]);
        const session = start({ destination: 'none' });
        const stream = require('./lib/make.cjs').make();
        const created = session.streams().sites.find(({ className }) => className === 'PassThrough');
        console.log(JSON.stringify({ site: created.site, module: created.module, open: !stream.closed }));
        session.stop();`,
      lib: { 'make.cjs': "exports.make = function make() { return new (require('node:stream').PassThrough)(); };" },
    },
  },
};

test('a program that runs inside its own package is told apart from its own frames', async (t) => {
  const directory = t.testdir(installed);
  const cwd = join(directory, 'node_modules', 'app');
  const created = await runForJson<object>(nodes[0] as (typeof nodes)[number], ['main.cjs', root], { cwd });
  t.match(created, { site: /^make \(lib\/make\.cjs:1:\d+\)$/, module: 'app', open: true });
});
