// Runs the test suites of stream-heavy packages with and without extmem preloaded: the results have to be the same.
// Needs the registry, so it is no part of `npm test`.
//
//   node scripts/compat.mjs [checkout of nodejs/readable-stream, installed]
//
// The tarballs of these packages carry their tests. That of readable-stream does not, hence the checkout.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(import.meta.url), '..', '..');
const preload = ['--require', join(root, 'dist', 'register.js')];

/** Package, what its tests need besides its own dependencies, its test files, and a large file that they read. */
const packages = [
  ['bl@4.1.0', ['tape@4'], ['test/test.js']],
  ['split2@4.2.0', ['tape@5', 'callback-stream@1', 'binary-split@1'], ['test.js']],
  ['pump@3.0.4', [], ['test-node.js']],
  ['duplexify@4.1.3', ['tape@4', 'concat-stream@1', 'through2@2'], ['test.js']],
  ['from2@2.3.0', ['tape@4'], ['test.js']],
  ['flush-write-stream@2.0.0', ['tape@4'], ['test.js']],
  ['cloneable-readable@2.1.0', ['tape@5', 'flush-write-stream@2', 'from2@2'], ['test.js'], 'big'],
  ['pumpify@2.0.1', ['tape@4', 'through2@3'], ['test.js']],
  ['peek-stream@1.1.3', ['tape@4', 'concat-stream@1'], ['test.js']],
  ['busboy@1.6.0', [], ['test/test.js']],
];

const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|NODE_V8_COVERAGE|TAP|npm_)/.test(name)),
);
// readable-stream checks that its tests leave no globals behind, but does not know those that came with Node 25.
if ('sessionStorage' in globalThis) env.NODE_TEST_KNOWN_GLOBALS = '0';

/** What a test run comes to: how it ended, and its lines without what differs from run to run. */
function outcome(directory, file, flags) {
  const ended = spawnSync(process.execPath, [...flags, file], {
    cwd: directory,
    env: { ...env, EXTMEM_DEST: 'none', EXTMEM_INTERVAL: '100ms' },
    encoding: 'utf8',
    timeout: 120_000,
  });
  const lines = ended.stdout.split('\n');
  const count = (pattern) => lines.filter((line) => pattern.test(line)).length;
  const error = /^\w*Error\b.*$/m.exec(ended.stderr)?.[0];
  const counts = `exit ${ended.status ?? ended.signal}, ${count(/^\s*ok /)} ok, ${count(/^\s*not ok /)} not ok`;
  return error === undefined ? counts : `${counts}, ${error}`;
}

let differing = 0;
function compareFiles(name, directory, files) {
  const same = new Map();
  for (const file of files) {
    const without = outcome(directory, file, []);
    const tracked = outcome(directory, file, preload);
    if (without === tracked) same.set(without, [...(same.get(without) ?? []), file]);
    else {
      differing++;
      console.log(`${name} ${file}: without ${without}; with ${tracked}`);
    }
  }
  for (const [result, which] of same) {
    const failing = result.startsWith('exit 0') ? '' : ` (${which.join(', ')})`;
    console.log(`${name}: ${which.length} file(s), the same with and without: ${result}${failing}`);
  }
  // Some suites have tests that this version of Node fails. One without any that passes lacks something here.
  if (differing === 0 && ![...same.keys()].some((result) => /^exit 0|[1-9]\d* ok,/.test(result))) {
    throw new Error(`Expected some test of ${name} to pass without extmem, received none.`);
  }
}

const workspace = mkdtempSync(join(tmpdir(), 'extmem-compat-'));
const npm = (directory, ...args) => execFileSync('npm', args, { cwd: directory, env, encoding: 'utf8', stdio: 'pipe' });
for (const [name, needs, files, large] of packages) {
  const directory = join(workspace, name);
  mkdirSync(directory);
  const tarball = npm(workspace, 'pack', name, '--silent').trim().split('\n').at(-1);
  execFileSync('tar', ['xzf', join(workspace, tarball), '-C', directory, '--strip-components=1']);
  // Linters and such of the package would be installed too.
  npm(directory, 'pkg', 'delete', 'devDependencies', 'scripts');
  npm(directory, 'install', '--ignore-scripts', '--no-save', '--no-audit', '--no-fund', ...needs);
  if (large !== undefined) writeFileSync(join(directory, large), Buffer.alloc(10 << 20, 'a'));
  compareFiles(name, directory, files);
}
const checkout = process.argv[2];
if (checkout === undefined) console.log('readable-stream: not run, no checkout was given');
else {
  const folder = join(checkout, 'test', 'parallel');
  const files = readdirSync(folder).filter((file) => file.endsWith('.js'));
  compareFiles(
    'readable-stream',
    checkout,
    files.map((file) => join('test', 'parallel', file)),
  );
}
rmSync(workspace, { recursive: true });
console.log(differing === 0 ? 'nothing differs' : `${differing} file(s) differ`);
process.exitCode = differing === 0 ? 0 : 1;
