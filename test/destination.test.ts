/** Destinations that fail: nothing reaches the host, and what was lost is counted. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { parseLine } from '../lib/log/recording.js';
import { type Node, nodes, programs, root, run, runForJson } from './plain.js';

const oldest = nodes[0] as Node;
const node = oldest.path;
const prelude = `const extmem = require(${JSON.stringify(root)});`;

function directory(t: { teardown(call: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'extmem-destination-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const kindsIn = (file: string) =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => parseLine(text)?.record.kind);

test('a file is created for its owner only, and appended to', async (t) => {
  const file = join(directory(t), 'out.ndjson');
  const source = `${prelude} extmem.start({ destination: ${JSON.stringify(file)}, interval: '1h' }).stop()`;
  await run(node, ['-e', source]);
  await run(node, ['-e', source]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.same(kindsIn(file), ['start', 'stop', 'start', 'stop']);
});

test('a file that cannot be opened: an error in code, a warning in the preload', async (t) => {
  const file = join(directory(t), 'missing', 'out.ndjson');
  const { stdout } = await run(node, [
    '-e',
    `${prelude} try { extmem.start({ destination: ${JSON.stringify(file)} }) } catch (error) { console.log(error.code, error.message) }
     extmem.start({ destination: 'none' }).stop(); console.log('and again')`,
  ]);
  t.match(stdout, /^ERR_EXTMEM_DESTINATION Expected destination .*missing.* to be writable, received "ENOENT/);
  t.match(stdout, /and again\n$/, 'the failed start left nothing behind');
  const preload = await run(node, ['--require', join(root, 'dist', 'register.js'), '-e', 'console.log("ran")'], {
    env: { EXTMEM_DEST: file },
  });
  t.equal(preload.stdout, 'ran\n');
  t.equal(preload.code, 0);
  t.match(preload.stderr, /\[ERR_EXTMEM_DESTINATION\] ExtmemWarning: extmem did not start as configured/);
});

test('a descriptor that is not open is an error that says so', async (t) => {
  const { stdout } = await run(node, [
    '-e',
    `${prelude} try { extmem.start({ destination: 977 }) } catch (error) { console.log(error.message) }`,
  ]);
  t.match(stdout, /^Expected destination 977 to be writable, received "EBADF/);
});

test('a full disk: the program goes on, and the count of lost lines is there', async (t) => {
  const { stdout, code } = await run(node, [
    '-e',
    `${prelude}
     const session = extmem.start({ destination: '/dev/full', interval: '1h' });
     for (let i = 0; i < 200; i++) session.sample();
     session.stop();
     console.log('alive');`,
  ]);
  t.equal(code, 0);
  t.equal(stdout, 'alive\n');
});

test('a pipe that nobody reads costs lines, not the event loop; the count stands on the next line', async (t) => {
  // 400 lines of 2 KiB against a pipe of 64 KiB and 256 KiB of ours: some must be lost before the reader wakes up.
  const { stdout, code } = await run('/bin/bash', [
    '-c',
    `mkfifo "$1/pipe"; exec 3<>"$1/pipe"; exec "$2" -e '${prelude}
       const session = extmem.start({ destination: 3, interval: "1h" });
       for (let i = 0; i < 400; i++) session.sample();
       console.log("not blocked");
       const reader = require("node:child_process").spawn("cat", { stdio: [3, "pipe", "inherit"] });
       let text = "";
       reader.stdout.on("data", function count(data) {
         text += data;
         const counts = [...text.matchAll(/"lostLines":(\\d+)/g)].map((match) => Number(match[1]));
         if (Math.max(...counts) > 0) { reader.stdout.off("data", count); reader.kill(); clearInterval(writing); console.log("counted"); }
       });
       const writing = setInterval(() => session.sample(), 10);'`,
    'bash',
    directory(t),
    node,
  ]);
  t.equal(code, 0);
  t.equal(stdout, 'not blocked\ncounted\n');
});

test('a reader that goes away (EPIPE) is not noticed by the program', async (t) => {
  const { stdout, stderr } = await run('/bin/bash', [
    '-c',
    `{ "$1" -e '${prelude}
        const session = extmem.start({ destination: "stdout", interval: "1h" });
        setTimeout(() => { for (let i = 0; i < 50; i++) session.sample(); session.stop(); console.error("done"); }, 100);'
      echo "code $?" >&2; } | head -c 1`,
    'bash',
    node,
  ]);
  t.equal(stdout.length, 1);
  t.match(stderr, /done\ncode 0\n/);
});

test('rotation: a SIGHUP that the program handles reopens the file, and one that it does not still ends it', async (t) => {
  const path = directory(t);
  const file = join(path, 'out.ndjson');
  const { stdout } = await run(node, [
    '-e',
    `${prelude}
     const fs = require('node:fs');
     process.on('SIGHUP', () => setImmediate(() => { session.sample(); session.stop(); console.log('handled'); clearInterval(hold); }));
     const session = extmem.start({ destination: ${JSON.stringify(file)}, interval: '1h' });
     session.sample();
     fs.renameSync(${JSON.stringify(file)}, ${JSON.stringify(`${file}.1`)});
     const hold = setInterval(() => {}, 1000);
     process.kill(process.pid, 'SIGHUP');`,
  ]);
  t.equal(stdout, 'handled\n');
  t.same([...new Set(kindsIn(`${file}.1`))], ['start', 'sample']);
  t.same(kindsIn(file).slice(-2), ['sample', 'stop']);
  const ended = await run(node, [
    '-e',
    `${prelude}
     const session = extmem.start({ destination: ${JSON.stringify(file)}, interval: '1h' });
     session.sample();
     setInterval(() => {}, 1000);
     process.kill(process.pid, 'SIGHUP');`,
  ]);
  t.equal(ended.signal, 'SIGHUP');
});

test('callbacks, streams and loggers that throw are counted, not thrown on', async (t) => {
  const { stdout, code } = await run(node, [
    '-e',
    `${prelude}
     const { Writable } = require('node:stream');
     const failing = new Writable({ write(chunk, encoding, done) { done(new Error('full')) } });
     const lines = [];
     let first = true;
     const targets = [() => { throw new Error('no') }, failing, { info() { throw new Error('no') }, warn() {} },
       (line) => { if (first) { first = false; throw new Error('once'); } lines.push(JSON.parse(line)); }];
     for (const destination of targets) {
       const session = extmem.start({ destination, interval: '1h' });
       session.sample(); session.sample(); session.stop();
     }
     setTimeout(() => console.log(lines.map((line) => line.extmem.lostLines).join()), 50);`,
  ]);
  t.equal(code, 0);
  t.equal(stdout, '1,1,1\n');
});

test('a socket that nobody reads, as a Node parent gives its children, does not block', async (t) => {
  const { stdout } = await run(node, [
    '-e',
    `const { spawn } = require('node:child_process');
     const child = spawn(process.execPath, ['-e', ${JSON.stringify(`${prelude} const session = extmem.start({ interval: '1h' }); for (let i = 0; i < 400; i++) session.sample(); console.log('not blocked'); process.exit()`)}], { stdio: ['ignore', 'pipe', 'pipe'] });
     child.stderr.pause();
     child.stdout.on('data', (data) => { process.stdout.write(data); child.kill(); });
     child.on('exit', () => process.exit());`,
  ]);
  t.equal(stdout, 'not blocked\n');
});

const ownPipes = join(programs, 'own-pipes.cjs');

for (const node of nodes) {
  test(`node ${node.major}: a pipe of the process' own is refused, whatever it is called`, async (t) => {
    const path = directory(t);
    const { refused, taken } = await runForJson<{ refused: Record<string, number>; taken: string[] }>(
      node,
      [ownPipes, root, 'spellings', path],
      { cwd: path },
    );
    t.same(taken, []);
    for (const [spelling, count] of Object.entries(refused)) t.ok(count >= 4, `${spelling}: libuv's own, both ends`);
    t.equal(Object.keys(refused).length, 6);
  });

  test(`node ${node.major}: a path that leads to such a pipe by now is not followed`, async (t) => {
    const path = directory(t);
    t.same(await runForJson(node, [ownPipes, root, 'rotated', path]), { lost: 0, signals: 20 });
  });
}

test('the channel to a parent is no destination', async (t) => {
  t.same(await runForJson(oldest, [ownPipes, root, 'channel']), ['ERR_EXTMEM_DESTINATION']);
});

test('a named pipe that somebody else reads, and standard streams by their paths, are destinations', async (t) => {
  const once = `${prelude} extmem.start({ destination: process.argv[1], interval: "1h" }).stop()`;
  const script = `set -e; mkfifo "$2/pipe"; ln -s pipe "$2/link"; cat "$2/pipe" & "$1" -e '${once}' "$2/link"; wait
    for path in /dev/stdout /dev/fd/1 /proc/self/fd/1; do "$1" -e '${once}' $path | cat; done
    for path in /dev/stderr /dev/fd/2; do "$1" -e '${once}' $path 2>&1 >/dev/null | cat; done`;
  const { stdout, code } = await run('/bin/bash', ['-c', script, 'bash', node, directory(t)]);
  t.equal(code, 0);
  t.equal(stdout.split('\n').filter((text) => parseLine(text)?.record.kind === 'start').length, 6);
});

test('a descriptor of the program that it closed and reused is not written to', async (t) => {
  const path = directory(t);
  const { stdout } = await run(node, [
    '-e',
    `${prelude}
     const fs = require('node:fs');
     const log = fs.openSync(${JSON.stringify(join(path, 'out.ndjson'))}, 'w');
     const session = extmem.start({ destination: log, interval: '1h' });
     fs.closeSync(log);
     const reused = fs.openSync(${JSON.stringify(join(path, 'database'))}, 'w');
     session.sample();
     session.stop();
     console.log(reused === log, fs.fstatSync(reused).size);`,
  ]);
  t.equal(stdout, 'true 0\n');
  t.same(kindsIn(join(path, 'out.ndjson')), ['start']);
});

test('descriptors: none is left behind, and one that the program closed and reused is not written to', async (t) => {
  const path = directory(t);
  const { stdout, code } = await run(node, [
    '-e',
    `${prelude}
     const fs = require('node:fs');
     const count = () => fs.readdirSync('/proc/self/fd').length;
     extmem.start().stop();
     const before = count();
     for (let i = 0; i < 20; i++) extmem.start().stop();
     console.log(count() - before);
     const last = fs.openSync('/dev/null');
     fs.closeSync(last);
     const session = extmem.start({ destination: ${JSON.stringify(join(path, 'out.ndjson'))}, interval: '1h' });
     // After the first pass the reader opens nothing any more that could take the number.
     session.once('sample', () => {
       fs.closeSync(last);
       const reused = fs.openSync(${JSON.stringify(join(path, 'database'))}, 'w');
       console.log(reused === last);
       session.stop();
       console.log(fs.readFileSync(${JSON.stringify(join(path, 'database'))}, 'utf8').length);
       clearInterval(hold);
     });
     const hold = setInterval(() => {}, 1000);`,
  ]);
  t.equal(code, 0);
  t.equal(stdout, '0\ntrue\n0\n');
});

test("after stop() the errors of a stream are the program's again", async (t) => {
  const { stdout, stderr } = await run(node, [
    '-e',
    `${prelude}
     const { Writable } = require('node:stream');
     const stream = new Writable({ write(chunk, encoding, done) { done() } });
     const { setImmediate: turn } = require('node:timers/promises');
     const turns = async () => { await turn(); await turn(); };
     (async () => {
       for (let i = 0; i < 15; i++) { extmem.start({ destination: stream, interval: '1h' }).stop(); await turns(); }
       extmem.start({ destination: async () => { throw new Error('rejected') }, interval: '1h' }).stop();
       await turns();
       console.log(stream.listenerCount('error'));
       stream.destroy(new Error('of the program'));
     })();`,
  ]);
  t.equal(stdout, '0\n');
  t.match(stderr, /Error: of the program/);
  t.notMatch(stderr, /MaxListeners|rejected/);
});
