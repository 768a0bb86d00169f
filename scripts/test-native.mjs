// Builds the C++ unit tests with g++ (or $CXX) and runs them under ASan and UBSan, and those with threads under TSan too:
// npm run test:native. Needs nothing but the compiler; objects are kept in build-native/ and rebuilt when older.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from './node-headers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Paths below a folder, by ending. */
const below = (folder, ending) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));

// native/binding alone speaks Node-API, so it stays out of programs without Node; but its table has threads to be tested.
const isolateTable = 'native/binding/isolate_table.cc';
const core = [...below('native', '.cc').filter((path) => !path.startsWith('native/binding/')), isolateTable];
const headers = [...below('native', '.h'), ...below('test/native', '.h')];
const fixtures = readdirSync(join(root, 'test/fixtures/smaps')).map((name) => join('test/fixtures/smaps', name));

const tests = readdirSync(join(root, 'test/native')).flatMap((name) => name.match(/^(.*)_test\.cc$/)?.[1] ?? []);
const variants = [
  { name: 'asan', sanitize: 'address,undefined', tests },
  { name: 'tsan', sanitize: 'thread', tests: ['lock', 'process_files', 'reader', 'tables', 'hooks'] },
];

const compiler = process.env.CXX ?? 'g++';
const modified = (path) => statSync(join(root, path)).mtimeMs;
const newestHeader = Math.max(...headers.map(modified));

// What cannot be allocated is null, as without a sanitizer.
const env = {
  ...process.env,
  ASAN_OPTIONS: 'allocator_may_return_null=1',
  // The loader's own locks are none that TSan sees: what it allocates under them is left out.
  TSAN_OPTIONS: `allocator_may_return_null=1 suppressions=${join(root, 'test', 'native', 'tsan.supp')}`,
};

function run(command, args) {
  const ended = spawnSync(command, args, { cwd: root, encoding: 'utf8', env });
  if (ended.error !== undefined) throw ended.error;
  return ended;
}

function compile(source, folder, flags) {
  const object = join(folder, `${source.replaceAll('/', '-')}.o`);
  const fresh = existsSync(join(root, object)) && modified(object) > Math.max(modified(source), newestHeader);
  if (!fresh) {
    const ended = run(compiler, [...flags, '-Inative', '-isystem', nodeHeaders(), '-c', source, '-o', object]);
    if (ended.status !== 0) throw new Error(`Expected ${source} to compile, received:\n${ended.stderr}`);
  }
  return object;
}

function link(output, args) {
  const linked = run(compiler, [...args, '-o', output, '-lpthread', '-ldl']);
  if (linked.status !== 0) throw new Error(`Expected ${output} to link, received:\n${linked.stderr}`);
}

// The hooks watch the objects around their own, so for them the core is a shared library, as it is in Node.
function linkHooks(program, folder, flags, main, objects) {
  const torture = compile('test/native/torture.cc', folder, flags);
  const reloaded = compile('test/torture-addon/reloaded.cc', folder, flags);
  const library = join(folder, 'libextmem_hooks.so');
  link(library, [...flags, '-shared', '-Wl,-z,now,-z,nodelete', ...objects]);
  link(join(folder, 'reloaded.so'), [...flags, '-shared', '-Wl,-z,relro,-z,now', reloaded]);
  link(program, [...flags, main, torture, library, '-Wl,-rpath,$ORIGIN']);
}

// TSan needs its shadow at fixed addresses; with much address randomisation it may not get it.
const withoutRandomAddresses = run('setarch', ['-R', 'true']).status === 0 ? ['setarch', '-R'] : [];

let failures = 0;
for (const { name, sanitize, tests } of variants) {
  const folder = join('build-native', name);
  mkdirSync(join(root, folder), { recursive: true });
  const flags = ['-std=c++17', '-g', '-O1', '-fPIC', '-fno-omit-frame-pointer', '-Wall', '-Wextra'];
  flags.push(`-fsanitize=${sanitize}`, '-fno-sanitize-recover=all');
  const objects = [...core, 'test/native/uv_by_pthread.cc'].map((source) => compile(source, folder, flags));
  for (const test of tests) {
    const main = compile(`test/native/${test}_test.cc`, folder, flags);
    const program = join(folder, test);
    if (test === 'hooks') linkHooks(program, folder, flags, main, objects);
    else link(program, [...flags, main, ...objects]);
    const prefix = name === 'tsan' ? withoutRandomAddresses : [];
    const [command, ...args] = [...prefix, join(root, program), ...fixtures];
    const ended = run(command, args);
    const ok = ended.status === 0;
    if (!ok) failures++;
    console.log(`${ok ? 'ok' : 'not ok'} ${test} (${name}): ${ended.stdout.trim()}`);
    if (!ok) console.log(ended.stderr.trim());
  }
}
process.exitCode = failures === 0 ? 0 : 1;
