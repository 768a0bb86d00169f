/** The session through the public API, in plain processes. */
import { test } from 'tap';
import type { LineRecord } from '../lib/log/line.js';
import { parseLine, type RecordedLine } from '../lib/log/recording.js';
import { nodes, root, run } from './plain.js';

const system = nodes[0];

/** Runs a program with `extmem` at hand; `lines` are what it wrote to stderr, `stdout` what it printed. */
async function program(source: string, nodePath = system?.path ?? process.execPath, env: Record<string, string> = {}) {
  const prelude = `const extmem = require(${JSON.stringify(root)});`;
  const ended = await run(nodePath, ['--expose-gc', '-e', prelude + source], { env });
  const lines: RecordedLine[] = [];
  for (const text of ended.stderr.split('\n')) {
    const line = parseLine(text);
    if (line !== null) lines.push(line);
  }
  return { ...ended, lines, kinds: lines.map((line) => line.record.kind) };
}

function only<Kind extends LineRecord['kind']>(lines: readonly RecordedLine[], kind: Kind) {
  return lines
    .map((line) => line.record)
    .filter((record): record is Extract<LineRecord, { kind: Kind }> => record.kind === kind);
}

for (const node of nodes) {
  test(`node ${node.major}: start, some samples, stop`, async (t) => {
    const { lines, kinds, stdout } = await program(
      `const session = extmem.start({ interval: 100 });
       let n = 0;
       session.on('sample', (sample) => {
         if (sample.seq !== n++) throw new Error('gap');
         if (n === 5) { session.stop(); session.stop(); console.log('stopped'); }
       });
       setTimeout(() => {}, 60_000).unref(); const hold = setInterval(() => { if (n >= 5) clearInterval(hold); }, 5);`,
      node.path,
    );
    t.equal(stdout, 'stopped\n');
    t.same(kinds, ['start', 'sample', 'sample', 'sample', 'sample', 'sample', 'stop']);
    const [start] = only(lines, 'start');
    t.equal(start?.capabilities.addon, true);
    t.equal(start?.capabilities.ledger, true);
    t.equal(start?.capabilities.v8Mappings, true);
    t.equal(
      start?.versions.node,
      `v${process.versions.node.split('.')[0] === String(node.major) ? process.versions.node : start?.versions.node.slice(1)}`,
    );
    // A line does not wait for a pass that is slower than the interval, so on a busy machine the first may have none.
    const samples = only(lines, 'sample').filter((sample) => sample.ledger !== null);
    t.ok(samples.length >= 1);
    for (const { ledger, v8, rssBytes, process: counts } of samples) {
      const leaves = Object.values(ledger?.leafBytes ?? {});
      t.equal(
        leaves.reduce((total, bytes) => total + bytes, 0),
        ledger?.rssBytes,
        'the ledger adds up',
      );
      t.ok(v8.heapUsedBytes > 1e6 && (rssBytes ?? 0) > 1e7);
      t.ok((counts.threads ?? 0) >= 2 && (counts.fdCount ?? 0) >= 3);
    }
    t.same(
      only(lines, 'stop').map((record) => record.samples),
      [5],
    );
    t.ok(lines.every((line) => line.msg.length > 10 && line.level === 30));
  });
}

test('the session keeps no process alive, and its last line is written at exit', async (t) => {
  const natural = await program('extmem.start()');
  t.equal(natural.code, 0);
  t.same([natural.kinds.at(0), natural.kinds.at(-1)], ['start', 'stop']);
  const forced = await program('extmem.start(); process.exit(7)');
  t.equal(forced.code, 7);
  t.same(forced.kinds, ['start', 'stop']);
});

test('a second start', async (t) => {
  const { stdout } = await program(
    `const session = extmem.start({ destination: 'none' });
     console.log(extmem.start() === session);
     try { extmem.start({}) } catch (error) { console.log(error.name, error.code) }
     session.stop();
     const next = extmem.start({ destination: 'none' });
     console.log(next !== session);
     next.stop();`,
  );
  t.equal(stdout, 'true\nExtmemError ERR_EXTMEM_RUNNING\ntrue\n');
});

test('start and stop 300 times', async (t) => {
  const { stdout, code } = await program(
    `const listeners = process.listenerCount('exit');
     for (let i = 0; i < 300; i++) { const session = extmem.start({ destination: 'none', interval: 10 }); if (i % 3 === 0) session.sample(); session.stop(); }
     console.log(process.listenerCount('exit') - listeners, process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length)`,
  );
  t.equal(code, 0);
  t.equal(stdout, '0 0\n', 'nothing is left behind');
});

test('sample() is fresh, and refuses when there is nothing to sample with', async (t) => {
  const { stdout, kinds } = await program(
    `const session = extmem.start({ interval: '1h' });
     const before = session.sample();
     globalThis.keep = Buffer.alloc(31_000_037, 1);
     const after = session.sample();
     console.log(after.ledger.leafBytes.malloc - before.ledger.leafBytes.malloc > 30_000_000, after.seq - before.seq);
     session.stop();
     try { session.sample() } catch (error) { console.log(error.code) }`,
  );
  t.equal(stdout, 'true 1\nERR_EXTMEM_STOPPED\n');
  t.same(kinds, ['start', 'sample', 'sample', 'stop']);
});

test('snapshot and compare need no session', async (t) => {
  const { stdout, stderr } = await program(
    `const before = extmem.snapshot();
     globalThis.keep = Array.from({ length: 41 }, () => Buffer.alloc(1_000_003, 1));
     const { changes, sentence } = extmem.compare(before, extmem.snapshot());
     console.log(changes[0].leaf, changes[0].changeBytes > 40_000_000, sentence.includes('malloc +'));
     console.log(before.v8.gc)`,
  );
  t.equal(stdout, 'malloc true true\nnull\n');
  t.equal(stderr, '');
});

test('collections are counted between lines, and the heap after a major one is kept', async (t) => {
  const { lines } = await program(
    `const session = extmem.start({ interval: '1h' });
     session.sample(); gc(); gc();
     setImmediate(() => setImmediate(() => { session.sample(); session.sample(); session.stop(); }));`,
  );
  const samples = only(lines, 'sample');
  const counted = samples.map((sample) => sample.v8.gc?.majorCount ?? 0);
  t.ok(counted.reduce((total, count) => total + count, 0) >= 2);
  t.equal(counted.at(-1), 0, 'counted once');
  t.ok((samples.at(-1)?.v8.afterMajorGc?.heapUsedBytes ?? 0) > 1e6);
});

test('a worker joins: its heap stands on the lines of the process, and leaves with it', async (t) => {
  const { lines, stdout, code } = await program(
    `const { Worker } = require('node:worker_threads');
     const session = extmem.start({ interval: '1h' });
     const worker = new Worker(\`
       const extmem = require(${JSON.stringify(root)});
       globalThis.keep = Buffer.alloc(23_000_009, 1);
       const session = extmem.start({ interval: 20 });
       try { session.sample() } catch (error) { require('node:worker_threads').parentPort.postMessage(error.code) }
       setInterval(() => {}, 1000);
     \`, { eval: true });
     worker.once('message', async (code) => {
       console.log(code);
       session.sample();
       await worker.terminate();
       session.sample();
       session.stop();
     });`,
  );
  t.equal(code, 0);
  t.equal(stdout, 'ERR_EXTMEM_STOPPED\n', 'it writes no lines of its own');
  t.same(lines.filter((line) => line.record.kind === 'start').length, 1);
  // The first line of all is the session's own.
  const [before, after] = only(lines, 'sample').slice(-2);
  t.equal(before?.isolates.length, 1);
  t.ok((before?.isolates[0]?.arrayBuffersBytes ?? 0) >= 23_000_009);
  t.ok((before?.isolates[0]?.heapUsedBytes ?? 0) > 1e6);
  t.same(after?.isolates, []);
});

test('an isolate that joined takes the place of the owner that ends', async (t) => {
  const { lines, stdout, code } = await program(
    `const { Worker } = require('node:worker_threads');
     const owner = new Worker(\`
       const extmem = require(${JSON.stringify(root)});
       extmem.start({ interval: 20 }).once('sample', () => require('node:worker_threads').parentPort.postMessage(1));
       setInterval(() => {}, 1000);
     \`, { eval: true });
     owner.once('message', async () => {
       const session = extmem.start({ interval: 20 });
       let joined = false;
       try { session.sample() } catch { joined = true }
       await owner.terminate();
       session.once('sample', (sample) => {
         console.log(joined, sample.ledger.rssBytes > 0, typeof sample.native?.liveBytes);
         session.stop();
       });
       setTimeout(() => {}, 1e6).unref();
       const hold = setInterval(() => session.listenerCount('sample') === 0 && clearInterval(hold), 5);
     });`,
  );
  t.equal(code, 0);
  t.match(stdout, /^true true /, 'it had joined, and writes complete lines now');
  t.equal(lines.filter((line) => line.record.kind === 'start').length, 2, 'each owner says how it is configured');
  t.equal(lines.at(-1)?.record.kind, 'stop');
});

test('ESM and CommonJS share the session', async (t) => {
  const { stdout } = await program(
    `const session = extmem.start({ destination: 'none' });
     import(${JSON.stringify(`${root}/dist/index.mjs`)}).then((esm) => { console.log(esm.start() === session, Object.keys(esm).sort().join()); session.stop(); });`,
  );
  t.equal(stdout, 'true ExtmemError,compare,doctor,snapshot,start\n');
});

test('switched off, it does nothing and says nothing', async (t) => {
  const { stdout, stderr } = await program(
    `const session = extmem.start(); console.log(process.getActiveResourcesInfo().length); session.stop()`,
    undefined,
    { EXTMEM_ENABLED: '0' },
  );
  t.equal(stderr, '');
  t.match(stdout, /^\d+\n$/);
});

test('diagnostics channel and destinations in code', async (t) => {
  const { stdout } = await program(
    `const seen = [];
     require('node:diagnostics_channel').subscribe('extmem:sample', (sample) => seen.push(sample.seq));
     let session = extmem.start({ interval: '1h', destination: (line) => console.log(JSON.parse(line).extmem.kind) });
     session.sample(); session.stop();
     const logger = { info: ({ extmem }, msg) => console.log('info', extmem.kind, typeof msg), warn() {} };
     session = extmem.start({ interval: '1h', destination: logger });
     session.stop();
     console.log(seen.length);`,
  );
  t.equal(stdout, 'start\nsample\nstop\ninfo start string\ninfo stop string\n1\n');
});

test('a malformed variable warns and the default holds; a malformed argument throws', async (t) => {
  const { stdout, stderr } = await program(
    `const session = extmem.start({ destination: 'none' }); session.stop();
     try { extmem.start({ interval: 'soon' }) } catch (error) { console.log(error.code) }`,
    undefined,
    { EXTMEM_INTERVAL: 'whenever' },
  );
  t.match(stderr, /\[ERR_EXTMEM_OPTION_INVALID\] ExtmemWarning: Expected EXTMEM_INTERVAL to be a duration/);
  t.equal(stdout, 'ERR_EXTMEM_OPTION_INVALID\n');
});
