// The torture set (test/programs/torture.cjs) at length on every Node, one after the other:
//   node scripts/torture.mjs [long]       more than a million samples each, every allocation sampled
//   node scripts/torture.mjs asan         with an addon under ASan and UBSan, in a Node that preloads their runtimes
//   node scripts/torture.mjs valgrind     in memcheck, some rounds only: everything is some fifty times slower
// Needs `npm run build`, `npm run build:addon` and `npm run build:nodes`; g++ for asan, valgrind for valgrind.
// ThreadSanitizer wants to be linked into the executable, which Node is not: it runs the same hooks in hooks_test.cc.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from './node-headers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = 'test/programs/torture.cjs';

function run(command, args, env = {}) {
  const clean = { PATH: process.env.PATH, HOME: process.env.HOME, ...env };
  return spawnSync(command, args, { cwd: root, encoding: 'utf8', env: clean, maxBuffer: 1 << 26 });
}

function sanitizedAddon() {
  const folder = join(root, 'build-native', 'asan');
  mkdirSync(folder, { recursive: true });
  const output = join(folder, 'extmem.node');
  const sources = readdirSync(join(root, 'native'), { recursive: true })
    .filter((name) => name.endsWith('.cc'))
    .map((name) => join('native', name));
  const flags = '-std=c++17 -g -O1 -fPIC -fno-omit-frame-pointer -fno-exceptions -fno-rtti -shared -Inative'.split(' ');
  for (const headers of [nodeHeaders(), 'node_modules/node-addon-api']) flags.push('-isystem', headers);
  flags.push('-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-Wl,-z,now,-z,nodelete');
  // With these g++ takes no function's address for a constant, as node-addon-api does.
  flags.push('-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute');
  const built = run('g++', [...flags, ...sources, '-o', output]);
  if (built.status !== 0) throw new Error(`Expected the addon to compile, received:\n${built.stderr}`);
  return output;
}

const runtime = (name) => run('g++', [`-print-file-name=${name}`]).stdout.trim();

const modes = {
  long: (node) => run(node, [program, '300']),
  asan: (node) =>
    run(node, [program, '30', 'noThrow'], {
      EXTMEM_PREBUILD: join(root, 'build-native', 'asan', 'extmem.node'),
      LD_PRELOAD: `${runtime('libasan.so')}:${runtime('libubsan.so')}`,
      // V8 ends without freeing; what cannot be allocated is null, as without a sanitizer.
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    }),
  // V8's own code moves and is not instrumented for uninitialised values: addresses and blocks are what is checked.
  valgrind: (node) => {
    const flags = ['-q', '--error-exitcode=99', '--smc-check=all-non-file', '--undef-value-errors=no'];
    // The hooks take libstdc++'s operators for malloc and free, which memcheck tells apart.
    flags.push('--show-mismatched-frees=no', `--suppressions=${join(root, 'test', 'native', 'valgrind.supp')}`);
    return run('valgrind', [...flags, node, program, '2', 'noThrow']);
  },
};

const mode = process.argv[2] ?? 'long';
if (!(mode in modes)) throw new Error(`Expected one of ${Object.keys(modes).join(', ')}, received ${mode}`);
if (mode === 'asan') sanitizedAddon();
for (const major of [20, 22, 24, 26]) {
  const before = performance.now();
  const ended = modes[mode](join(root, 'test', 'nodes', 'node_modules', `node${major}`, 'bin', 'node'));
  const seconds = Math.round((performance.now() - before) / 1000);
  const line = /\{"node":.*\}$/m.exec(ended.stdout)?.[0];
  const ok = ended.status === 0 && line !== undefined;
  if (!ok) process.exitCode = 1;
  const { node, samples, overwritten, refused } = JSON.parse(line ?? '{}');
  const how = ended.signal ?? ended.status;
  console.log(
    `${ok ? 'ok' : 'not ok'} ${mode} on ${node ?? major}: ended with ${how} after ${seconds} s, ` +
      `${samples} samples, ${overwritten} frees missed, ${refused} refused`,
  );
  if (!ok) console.log(ended.stderr.slice(-4000));
}
