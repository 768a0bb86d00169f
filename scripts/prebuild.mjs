// Builds the binary that is shipped in the tarball, prebuilds/<platform>-<arch>/: npm run build:prebuilds
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command, ...args) {
  const ended = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (ended.status !== 0) process.exit(ended.status ?? 1);
}

const prebuildify = join(root, 'node_modules', '.bin', 'prebuildify');
run(prebuildify, '--napi', '--strip', '--tag-libc', '--target', process.versions.node);
run(process.execPath, join(root, 'scripts', 'glibc-ceiling.mjs'));

// prebuildify moves the binary away; tests and the checkout's own loader expect it where node-gyp puts it.
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const binary = readdirSync(folder).find((name) => name.endsWith('.node'));
copyFileSync(join(folder, binary), join(root, 'build', 'Release', 'extmem.node'));
