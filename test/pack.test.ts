/** What is published works where nothing is compiled: the packed tarball, installed without scripts. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Ended, nodes, root, run } from './plain.js';

/** What official Node 20 to 26 themselves need; a binary that needs more does not load on older systems. */
const newestGlibc = [2, 28] as const;

let directory = '';
let tarball = '';

t.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'extmem-'));
  const packed = await succeed('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], root);
  tarball = join(directory, packed.stdout.trim().split('\n').at(-1) ?? '');
  await succeed('npm', ['init', '--yes'], directory);
  await succeed('npm', ['install', '--ignore-scripts', '--prefer-offline', tarball], directory);
});
t.after(() => rmSync(directory, { recursive: true }));

async function succeed(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const ended = await run(command, args, { cwd });
  if (ended.code !== 0) throw new Error(`Expected ${command} ${args.join(' ')} to succeed, received: ${ended.stderr}`);
  return ended;
}

interface Line {
  readonly extmem: { readonly kind: string; readonly capabilities: Readonly<Record<string, true | string>> };
}

for (const node of nodes) {
  t.test(`installed on Node ${node.major}`, async (t) => {
    const print = 'console.log(typeof start, snapshot().ledger.rssBytes > 0)';
    const required = await run(node.path, ['-e', `const { start, snapshot } = require('extmem'); ${print}`], {
      cwd: directory,
    });
    t.equal(required.stdout, 'function true\n', `require: ${required.stderr}`);
    const imported = await run(
      node.path,
      ['--input-type=module', '-e', `import { start, snapshot } from 'extmem'; ${print}`],
      { cwd: directory },
    );
    t.equal(imported.stdout, 'function true\n', `import: ${imported.stderr}`);

    const started = await run(node.path, ['-e', "require('extmem').start()"], { cwd: directory });
    t.equal(started.code, 0);
    const lines = started.stderr.trimEnd().split('\n');
    const first = (JSON.parse(lines[0] ?? 'null') as Line).extmem;
    t.equal(first.kind, 'start');
    t.equal(first.capabilities.addon, true);

    const preloaded = await run(node.path, ['--require', 'extmem/register', '-e', '0'], { cwd: directory });
    t.match(preloaded.stderr, /"kind":"start"/);

    const doctor = await run(node.path, ['node_modules/.bin/extmem', 'doctor'], { cwd: directory });
    t.equal(doctor.code, 0, doctor.stderr);
    t.match(doctor.stdout, /ledger/);
  });
}

t.test('the tarball holds what was built from what is here, and what it can be built from', async (t) => {
  const listed = await succeed('tar', ['-tzf', tarball], directory);
  const files = listed.stdout
    .trimEnd()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''));
  const rooms = ['binding.gyp', 'dist', 'docs', 'native', 'prebuilds'];
  const pages = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'package.json'];
  t.same([...new Set(files.map((path) => path.split('/')[0]))].sort(), [...pages, ...rooms].sort());
  t.match(
    files.filter((path) => path.startsWith('prebuilds/')),
    [/^prebuilds\/linux-x64\/[\w.]+\.node$/],
  );
  const stale = files.filter((path) => {
    const source = path
      .replace(/^dist/, 'lib')
      .replace(/(\.d)?\.(m?)[jt]s$/, '')
      // What index.js loads later lies in files of its own.
      .replace(/^(lib\/index)\.\w+$/, '$1');
    return path.startsWith('dist/') && !['.ts', '.mts', '.d.ts'].some((end) => existsSync(join(root, source + end)));
  });
  t.same(stale, [], 'nothing is left over from a source that is gone');
});

t.test('npx extmem doctor', async (t) => {
  const doctor = await run('npx', ['extmem', 'doctor'], { cwd: directory });
  t.equal(doctor.code, 0, doctor.stderr);
  t.match(doctor.stdout, /ledger/);
});

t.test('types and entry points resolve for CommonJS, ESM and bundlers', async (t) => {
  const types = await run(join(root, 'node_modules', '.bin', 'attw'), [
    tarball,
    '--profile',
    'node16',
    '--format',
    'ascii',
  ]);
  t.equal(types.code, 0, types.stdout);
  const manifest = await run(join(root, 'node_modules', '.bin', 'publint'), ['--strict', tarball]);
  t.equal(manifest.code, 0, manifest.stdout);
});

t.test('the binary needs no newer glibc than Node itself', (t) => {
  const folder = join(directory, 'node_modules', 'extmem', 'prebuilds', 'linux-x64');
  const binaries = readdirSync(folder).filter((name) => name.endsWith('.node'));
  t.ok(binaries.length > 0);
  for (const name of binaries) {
    const needed = readFileSync(join(folder, name), 'latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g);
    for (const [version, major, minor] of needed) {
      const fits = Number(major) === newestGlibc[0] && Number(minor) <= newestGlibc[1];
      t.ok(fits, `${name} needs ${version}`);
    }
  }
  t.end();
});

t.test('the sources build, with the headers that the remedy names', { timeout: 300_000 }, async (t) => {
  const installed = join(directory, 'node_modules');
  symlinkSync(join(root, 'node_modules', 'node-addon-api'), join(installed, 'node-addon-api'));
  const headers = (await succeed(process.execPath, [join(root, 'scripts', 'node-headers.mjs')], root)).stdout.trim();
  const built = await run(
    join(root, 'node_modules', '.bin', 'node-gyp'),
    ['rebuild', `--nodedir=${join(headers, '..', '..')}`],
    { cwd: join(installed, 'extmem'), slowestMs: 290_000 },
  );
  t.equal(built.code, 0, built.stderr);
  const loaded = await run(process.execPath, ['-p', "require('extmem').doctor().addon"], { cwd: directory });
  t.match(loaded.stdout, /build\/Release\/extmem\.node$/m, loaded.stderr);
});
