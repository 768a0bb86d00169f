/** How a line of code is written, whoever names it. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'tap';
import { frameAt, frameText, originOf, packageOf } from '../lib/site.js';

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
