/** What is missing is said, and everything else works: no addon, no /proc, no permission. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import type { Sample } from '../lib/sample.js';
import { nodes, root, run } from './plain.js';

const program = `
  const extmem = require(${JSON.stringify(root)});
  const session = extmem.start({ interval: '1h', destination: (line) => { const { extmem } = JSON.parse(line); if (extmem.kind === 'start') console.log(JSON.stringify(extmem.capabilities)); } });
  console.log(JSON.stringify(session.sample()));
  session.stop();`;

interface Said {
  readonly capabilities: Record<string, true | string>;
  readonly sample: Sample;
}

function said(stdout: string): Said {
  const [capabilities, sample] = stdout.trimEnd().split('\n');
  return { capabilities: JSON.parse(capabilities ?? ''), sample: JSON.parse(sample ?? '') };
}

for (const node of nodes) {
  test(`node ${node.major}: without a working addon, V8, collections, fds and the limit are still there`, async (t) => {
    const path = mkdtempSync(join(tmpdir(), 'extmem-degraded-'));
    t.teardown(() => rmSync(path, { recursive: true, force: true }));
    const broken = join(path, 'broken.node');
    writeFileSync(broken, 'this is no shared object');
    const ended = await run(node.path, ['-e', program], { env: { EXTMEM_PREBUILD: broken } });
    t.equal(ended.code, 0);
    const { capabilities, sample } = said(ended.stdout);
    t.match(capabilities.addon, /^the addon does not load: .*broken\.node: .*; rebuild it/);
    t.equal(sample.ledger, null);
    t.equal(sample.malloc, null);
    t.equal(sample.external.declaredBytes, null);
    t.equal(sample.process.threads, null);
    t.ok((sample.process.fdCount ?? 0) >= 3);
    t.ok((sample.rssBytes ?? 0) > 1e7);
    t.ok(sample.v8.heapUsedBytes > 1e6);
    t.ok((sample.limit.bytes ?? 0) > 0);
  });
}

test('the permission model: without --allow-addons the reason names the flag', async (t) => {
  const [, , node24] = nodes;
  const ended = await run(node24?.path ?? '', ['--permission', '--allow-fs-read=*', '-e', program]);
  t.equal(ended.code, 0);
  const { capabilities, sample } = said(ended.stdout);
  t.match(capabilities.addon, /--allow-addons/);
  t.equal(sample.ledger, null);
  t.ok(sample.v8.heapUsedBytes > 1e6);
});

test('the permission model without any reading: still no exception', async (t) => {
  const [, , node24] = nodes;
  const ended = await run(node24?.path ?? '', ['--permission', `--allow-fs-read=${root}/*`, '-e', program]);
  t.equal(ended.code, 0);
  const { sample } = said(ended.stdout);
  t.equal(sample.limit.bytes, null, 'unknown is null');
  t.equal(sample.process.fdCount, null);
});

test('a number is not ownership: the program closes our reserve, and its number is a file of the program', async (t) => {
  const program = `
    const { closeSync, fstatSync, openSync, readdirSync, writeSync } = require('node:fs');
    const numbers = () => readdirSync('/proc/self/fd').map(Number);
    const open = () => numbers().filter((fd) => { try { fstatSync(fd); return true } catch { return false } });
    const extmem = require(${JSON.stringify(root)});
    // What opens once for the process is open from here on.
    extmem.start({ interval: '1h', destination: 'none' }).stop();
    const before = open();
    const session = extmem.start({ interval: '1h', destination: 'none' });
    // After its first pass the reader has no file open.
    session.once('sample', () => {
      clearInterval(hold);
      const ours = open().filter((fd) => !before.includes(fd));
      const mine = [];
      for (const fd of process.env.CLOSE ? ours : []) {
        closeSync(fd);
        mine.push(openSync('/dev/null', 'w'));
      }
      const all = open().length;
      const counted = session.sample().process.fdCount;
      session.stop();
      console.log(JSON.stringify({ ours: ours.length, mine: mine.length, counted, all, after: open().length - before.length }));
      for (const fd of mine) writeSync(fd, 'x');
    });
    const hold = setInterval(() => {}, 1000);`;
  for (const node of nodes) {
    const left = await run(node.path, ['-e', program]);
    t.match(JSON.parse(left.stdout), { ours: 1, mine: 0, after: 0 }, left.stderr);
    const taken = await run(node.path, ['-e', program], { env: { CLOSE: '1' } });
    t.equal(taken.code, 0, taken.stderr);
    const { ours, mine, counted, all, after } = JSON.parse(taken.stdout);
    t.same([ours, mine, after], [1, 1, 1]);
    t.equal(counted, all, 'the file of the program is counted');
  }
});

const threaded = `
  const session = require(${JSON.stringify(root)}).start({ interval: 20, destination: (line) => console.log(line) });
  process.on('warning', ({ message }) => console.log(JSON.stringify({ warning: message })));
  let samples = 0;
  session.on('sample', () => {
    if (++samples === 3) {
      session.stop();
      clearInterval(hold);
    }
  });
  const hold = setInterval(() => {}, 1000);`;

test('no thread can be started: a warning and a capability say so, and the lines go on', async (t) => {
  const torture = join(root, 'test', 'torture-addon', 'build', 'Release', 'torture.node');
  for (const node of nodes) {
    const ended = await run(node.path, ['-e', `require(${JSON.stringify(torture)}).denyThreads(1);${threaded}`]);
    t.equal(ended.code, 0, ended.stderr);
    const lines = ended.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [start, ...rest] = lines.flatMap((line) => line.extmem ?? []);
    t.match(start.capabilities.readerThread, /^the system refuses a thread/);
    const samples = rest.filter(({ kind }) => kind === 'sample');
    t.ok(samples.length >= 3);
    t.ok(samples.every(({ rssBytes }) => rssBytes > 1e7));
    t.match(lines.find(({ warning }) => warning)?.warning, /^extmem: the system refuses a thread/);
  }
});

test('libraries take much of each stack for their thread-local variables: the reader has its own', async (t) => {
  const preload = join(root, 'test', 'torture-addon', 'build', 'Release', 'thread_local.so');
  for (const node of nodes) {
    const ended = await run(node.path, ['-e', threaded], { env: { LD_PRELOAD: preload } });
    t.equal(ended.code, 0, ended.stderr);
    const kept = ended.stdout
      .trim()
      .split('\n')
      .flatMap((line) => JSON.parse(line).extmem ?? []);
    t.equal(kept[0].capabilities.readerThread, true);
    t.ok(kept.some((line) => line.ledger?.rssBytes > 1e7));
  }
});

const canUnshare = spawnSync('unshare', ['--mount', 'true']).status === 0;

test('no /proc: numbers of the kernel are unknown, not zero', {
  skip: canUnshare ? false : 'no mount namespace can be made here',
}, async (t) => {
  const node = nodes[0]?.path ?? '';
  const hidden = await run('unshare', [
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    'mount -t tmpfs none /proc && exec "$0" -e "$1"',
    node,
    program,
  ]);
  t.equal(hidden.code, 0, hidden.stderr);
  const { capabilities, sample } = said(hidden.stdout);
  t.match(capabilities.ledger, /^\/proc\/self\/smaps cannot be read/);
  t.equal(sample.ledger, null);
  t.equal(sample.process.threads, null);
  t.equal(sample.process.fdCount, null);
  t.same([sample.limit.bytes, sample.limit.usedBytes], [null, null]);
  t.equal(sample.malloc?.retainedBytes, null);
  t.ok((sample.malloc?.inUseBytes ?? 0) > 1e6, 'the allocator needs no /proc');
  t.ok(sample.v8.heapUsedBytes > 1e6);
  t.match(capabilities.heapCounters, /cannot be read/, 'and Node tells what it can of the heap');
});

test('no descriptor left: the kernel still tells, by the one that was held in reserve', async (t) => {
  const exhausted = `
    const { openSync } = require('node:fs');
    const session = require(${JSON.stringify(root)}).start({ interval: 20, destination: 'none' });
    const opened = [];
    try { for (;;) opened.push(openSync('/dev/null')) } catch (error) { if (error.code !== 'EMFILE') throw error }
    const asked = session.sample();
    session.once('sample', (sample) => {
      session.stop();
      const still = (() => { try { openSync('/dev/null'); return true } catch { return false } })();
      console.log(JSON.stringify({ opened: opened.length, asked, sample, still }));
      clearInterval(hold);
    });
    const hold = setInterval(() => {}, 1000);`;
  for (const node of nodes) {
    const ended = await run('sh', ['-c', 'ulimit -n 97 && exec "$0" -e "$1"', node.path, exhausted]);
    t.equal(ended.code, 0, ended.stderr);
    const { opened, asked, sample, still } = JSON.parse(ended.stdout) as Record<'asked' | 'sample', Sample> & {
      opened: number;
      still: boolean;
    };
    for (const each of [asked, sample]) {
      t.ok((each.process.fdCount ?? 0) > opened, `Node ${node.major}: ${each.process.fdCount} of ${opened} opened`);
      t.ok((each.rssBytes ?? 0) > 1e7);
      t.ok((each.ledger?.rssBytes ?? 0) > 1e7);
    }
    t.ok(still, 'after stop() the reserve is the program’s');
  }
});
