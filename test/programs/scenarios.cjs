// One way of holding memory per function. Run as: node --expose-gc scenarios.cjs NAME [--trim]
// Scenarios of which the native profiler is to know run in a session; the others have none.
// Prints {before, after} as samples, and with --trim also {trimmed}: the sample after malloc_trim(0).
//
// What is held is reachable from `kept`: a constant that no closure captures may be collected at any time.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');
const { snapshot, start } = require('extmem');
const addon = require('../addon/build/Release/test_addon.node');

const MiB = 1024 * 1024;
const pageBytes = 4096;
const kept = [];

function keepBuffers(totalBytes, make) {
  for (let held = 0; held < totalBytes; ) {
    const buffer = make();
    held += buffer.length;
    kept.push(buffer);
  }
}

function touch(bytes) {
  for (let offset = 0; offset < bytes.length; offset += pageBytes) bytes[offset] = 1;
}

async function startWorkers(count) {
  const source = `const held = [];
    for (let i = 0; i < 1000; i++) held.push({ i });
    require('node:worker_threads').parentPort.postMessage('ready');
    setInterval(() => held.length, 1e6);`;
  const workers = [];
  for (let i = 0; i < count; i++) {
    const worker = new Worker(source, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    workers.push(worker);
  }
  return workers;
}

const scenarios = {
  idle() {},

  jsHeap() {
    for (let held = 0; held < 200 * MiB; held += 8016) kept.push(new Array(1000).fill(held));
  },
  compiledFunctions() {
    for (let i = 0; i < 3000; i++) {
      const compiled = new Function(
        'a',
        'b',
        `let s = 0; for (let i = 0; i < a; i++) { s += i * b + ${i}; s ^= ${i} + i; } return s`,
      );
      compiled(20000, 2);
      kept.push(compiled);
    }
  },
  externalStrings() {
    for (let i = 0; i < 70; i++) kept.push(Buffer.alloc(3 * MiB, 65).toString('latin1'));
  },

  buffers: () => keepBuffers(200 * MiB, () => Buffer.alloc(MiB, 1)),
  buffers64K: () => keepBuffers(200 * MiB, () => Buffer.alloc(64 * 1024, 1)),
  smallTypedArrays: () => keepBuffers(150 * MiB, () => new Uint8Array(1024).fill(1)),
  untouchedUnsafe: () => keepBuffers(200 * MiB, () => Buffer.allocUnsafe(MiB)),
  untouchedZeroed: () => keepBuffers(200 * MiB, () => Buffer.alloc(MiB)),
  sharedArrayBuffer() {
    const shared = new SharedArrayBuffer(200 * MiB);
    touch(new Uint8Array(shared));
    kept.push(shared);
  },
  resizableArrayBuffer() {
    const resizable = new ArrayBuffer(10 * MiB, { maxByteLength: 300 * MiB });
    resizable.resize(200 * MiB);
    touch(new Uint8Array(resizable));
    kept.push(resizable);
  },
  growableSharedArrayBuffer() {
    const growable = new SharedArrayBuffer(10 * MiB, { maxByteLength: 300 * MiB });
    growable.grow(200 * MiB);
    touch(new Uint8Array(growable));
    kept.push(growable);
  },
  externalBuffers() {
    for (let i = 0; i < 100; i++) kept.push(addon.externalBuffer(MiB));
  },
  wrappedDeclared() {
    for (let i = 0; i < 100; i++) kept.push(addon.wrap(MiB, true));
  },

  wasmOne() {
    const memory = new WebAssembly.Memory({ initial: 8192, maximum: 16384 });
    touch(new Uint8Array(memory.buffer, 0, 200 * MiB));
    kept.push(memory);
  },
  wasmMany() {
    for (let i = 0; i < 20; i++) {
      const memory = new WebAssembly.Memory({ initial: 160, maximum: 16384 });
      touch(new Uint8Array(memory.buffer));
      kept.push(memory);
    }
  },

  nativeSmall: () => addon.hoard(200 * MiB, 16, 4096),
  nativeBig: () => addon.hoard(200 * MiB, 100_000, 900_000),
  /** Half the size of its neighbours: each of its tens of thousands of holes is walked with the arena's lock held. */
  everySecondFreed() {
    addon.hoard(100 * MiB, 16, 4096);
    addon.freeEvery(2);
  },
  allButTopFreed() {
    addon.hoard(200 * MiB, 16, 4096);
    addon.freeButLast(5);
  },
  mixedThirdFreed() {
    addon.hoard(200 * MiB, 100, 60_000);
    addon.freeEvery(3);
  },
  mixedHalfFreed() {
    addon.hoard(200 * MiB, 4000, 120_000);
    addon.freeEvery(2);
  },
  threadsKeepSome: () => addon.churnThreads(16, 12 * MiB, 2000, 50),
  threadsKeepBig: () => addon.churnThreads(16, 12 * MiB, 16_000, 64),
  threadsKeepNone: () => addon.churnThreads(16, 12 * MiB, 2000, 0),
  addonMaps: () => addon.mapAnonymous(100, MiB),
  addonMapsWhileSeen: () => addon.mapAnonymous(100, MiB),

  mappedFile() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'extmem-'));
    const file = path.join(directory, 'mapped.bin');
    const block = Buffer.alloc(MiB, 7); // In pieces: one big Buffer would be part of the growth.
    for (let i = 0; i < 150; i++) fs.appendFileSync(file, block);
    addon.mapFile(file);
    fs.rmSync(directory, { recursive: true }); // The mapping outlives the name.
  },

  /** A flood of small calls, all of them over and collected: what is left is the allocator's. */
  async zlibFlood() {
    const deflate = promisify(zlib.deflate);
    const input = Buffer.from('some data '.repeat(100));
    await Promise.all(Array.from({ length: 6000 }, () => deflate(input)));
    // Buffers are freed by a background thread, which the next collection waits for.
    for (let round = 0; round < 3; round++) {
      globalThis.gc();
      await new Promise(setImmediate);
    }
  },
  async zlibOpenStreams() {
    for (let i = 0; i < 500; i++) {
      const stream = zlib.createDeflate();
      await new Promise((resolve) => stream.write('x'.repeat(1000), resolve));
      kept.push(stream);
    }
  },

  async workers() {
    kept.push(...(await startWorkers(60)));
  },
  async workersGone() {
    for (const worker of await startWorkers(40)) await worker.terminate();
  },
};

async function main() {
  const [name, ...flags] = process.argv.slice(2);
  if (name.endsWith('WhileSeen')) start({ destination: 'none', interval: '1h' });
  // The first passes and collections bring in pages of their own; three rounds, then nothing more comes.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    snapshot();
  }
  const result = { before: snapshot() };
  await scenarios[name]();
  result.after = snapshot();
  if (flags.includes('--trim')) {
    addon.trim();
    result.trimmed = snapshot();
  }
  // Workers and streams are still open on purpose: leave without waiting for them, but not before the line is out.
  // Not by process.exit: on Node 24 it can wait for ever for a compiler thread which waits for a collection of the main
  // thread (WorkerThreadsTaskRunner::Shutdown against CollectionBarrier::AwaitCollectionBackground).
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.kill(process.pid, 'SIGKILL'));
}

main();
