/** The command line, as a user meets it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { parseLine } from '../lib/log/recording.js';
import { nodes, root, run } from './plain.js';
import { sampleWith } from './samples.js';

const node = nodes[0]?.path ?? process.execPath;
const cli = (args: readonly string[], options = {}) =>
  run(node, [join(root, 'dist', 'cli', 'main.js'), ...args], options);

function directory(t: { teardown(call: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'extmem-cli-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';

test('help, version, and wrong use', async (t) => {
  const help = await cli(['--help']);
  t.equal(help.code, 0);
  for (const command of ['run', 'top', 'doctor']) {
    t.match(help.stdout, `extmem ${command}`);
    const own = await cli([command, '--help']);
    t.equal(own.code, 0);
    t.match(own.stdout, new RegExp(`^Usage: extmem ${command}`));
  }
  t.match(lastLine(help.stdout), /^Next: /);
  t.equal(
    (await cli(['--version'])).stdout,
    `${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`,
  );
  t.equal((await cli([])).code, 2, 'no command');
  const misspelt = await cli(['docter']);
  t.equal(misspelt.code, 2);
  t.match(misspelt.stderr, /received "docter"; did you mean "doctor"\? \[ERR_EXTMEM_USAGE\]\n$/);
});

test('doctor: a table for people, an object for programs', async (t) => {
  const text = await cli(['doctor']);
  t.equal(text.code, 0);
  t.match(text.stdout, /allocator\s+glibc/);
  t.match(text.stdout, /✓ ledger/);
  t.match(lastLine(text.stdout), /^Next: /);
  t.notOk(text.stdout.includes('\u001b'), 'no color into a pipe');
  const json = await cli(['doctor', '--json'], { env: { LD_PRELOAD: '/nowhere/libjemalloc.so.2' } });
  const diagnosis = JSON.parse(json.stdout);
  t.equal(diagnosis.capabilities.addon, true);
  t.match(
    diagnosis.advice.find((advice: { topic: string }) => advice.topic === 'allocator').sentence,
    /asks for jemalloc, but/,
  );
  t.equal((await cli(['doctor', '--jason'])).code, 2);
});

test('run: exit code, arguments and signals of the program pass through', async (t) => {
  const path = directory(t);
  const program = join(path, 'program.cjs');
  const file = join(path, 'out.ndjson');
  writeFileSync(program, 'console.log(process.argv.slice(2).join(), process.env.EXTMEM_ATTENDED); process.exit(7);');
  const ended = await cli(['run', '--interval', '50ms', `--destination=${file}`, program, '--own', 'x']);
  t.equal(ended.code, 7);
  t.equal(ended.stdout, '--own,x 1\n', 'and that somebody attends is told');
  t.equal(lastLine(ended.stderr), `extmem: next: extmem top ${file}`);
  const start = parseLine(readFileSync(file, 'utf8').split('\n')[0] ?? '');
  t.match(start?.record, { kind: 'start', options: { intervalMs: 50 } });

  writeFileSync(program, "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);");
  t.equal((await cli(['run', '--destination', 'none', program])).signal, 'SIGTERM', 'a death by signal');

  writeFileSync(
    program,
    "process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000); console.log('up');",
  );
  const stopped = await cli(['run', '--destination', 'none', program], {
    onOutput: (child: { kill(signal: string): void }) => child.kill('SIGTERM'),
  });
  t.equal(stopped.code, 3, 'a signal reaches the program');
});

test('run: wrong use stops before anything runs', async (t) => {
  const unknown = await cli(['run', '--intervall', '1s', '/nonexistent.js']);
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /did you mean --interval\?/);
  const malformed = await cli(['run', '--interval', 'soon', '/nonexistent.js']);
  t.equal(malformed.code, 2);
  t.match(malformed.stderr, /Expected --interval to be a duration .*received "soon"/);
  t.match((await cli(['run'])).stderr, /Expected a program to run, received nothing/);
  t.match((await cli(['run', '--interval'])).stderr, /Expected a value after --interval/);
});

function recorded(pid: number, seq: number, malloc: number): string {
  const extmem = { v: 1, kind: 'sample', ...sampleWith({ malloc }), seq, lostLines: 0 };
  return JSON.stringify({
    level: 30,
    time: 1_700_000_000_000 + seq * 1000,
    pid,
    hostname: 'h',
    name: 'extmem',
    extmem,
    msg: '',
  });
}

test('top: a row per sample, processes apart, damage counted, and what grew at the end', async (t) => {
  const file = join(directory(t), 'out.ndjson');
  const lines = [
    'listening on 3000',
    recorded(11, 0, 3_000_017),
    recorded(12, 0, 5_000_011),
    recorded(11, 1, 53_000_021),
    recorded(12, 1, 5_000_011),
    recorded(11, 2, 103_000_019).slice(0, 300),
  ];
  writeFileSync(file, lines.join('\n'));
  const { stdout, code } = await cli(['top', file]);
  t.equal(code, 0);
  t.match(stdout, /pid 11: RSS \+47\.7 MiB to .*: malloc \+47\.7 MiB\./);
  t.match(stdout, /pid 12: RSS \+0 B to .* no class changed by 1 MiB\./);
  t.match(stdout, /^2 lines were not of extmem, or cut off\.$/m);
  t.match(lastLine(stdout), /^Next: /);
  t.notOk(stdout.includes('\u001b'));
});

test('top: bad input', async (t) => {
  const path = directory(t);
  const empty = join(path, 'empty.ndjson');
  writeFileSync(empty, 'not ours\n');
  const none = await cli(['top', empty]);
  t.equal(none.code, 2);
  t.match(
    none.stderr,
    /Expected sample lines of extmem in .*, received 1 other lines \(1 lines were not of extmem, or cut off\); record with/,
  );
  t.match((await cli(['top', join(path, 'missing')])).stderr, /Expected a readable recording, received "ENOENT/);
  t.match((await cli(['top', path])).stderr, /Expected a readable recording, received "EISDIR/);
  t.equal((await cli(['top'])).code, 2);
  const piped = await cli(['top', '-'], { input: `${recorded(11, 0, 3_000_017)}\n` });
  t.match(piped.stdout, /pid 11: RSS/);
});

test('a line without an end is skipped, not held', async (t) => {
  const path = join(directory(t), 'long.ndjson');
  writeFileSync(path, `${'x'.repeat(40_000_003)}\n${recorded(11, 0, 3_000_017)}\n${'y'.repeat(20_000_003)}`);
  for (const command of ['top', 'check']) {
    const { stdout, stderr } = await cli([command, path]);
    t.equal(stderr, '');
    t.match(stdout, /pid 11/);
    t.match(stdout, /\n2 lines were not of extmem, or cut off\.\n/);
  }
});

test('top: a closed pipe is no error', async (t) => {
  const file = join(directory(t), 'out.ndjson');
  writeFileSync(file, Array.from({ length: 5000 }, (_, seq) => recorded(11, seq, 3_000_017)).join('\n'));
  const { stdout, stderr } = await run('/bin/bash', [
    '-o',
    'pipefail',
    '-c',
    '"$0" "$1" top "$2" | head -1; echo "code $?"',
    node,
    join(root, 'dist', 'cli', 'main.js'),
    file,
  ]);
  t.match(stdout, /^MiB .*\ncode 0\n$/);
  t.equal(stderr, '');
});
