// Small HTTP services under a steady load of their own, leaky and healthy. Run as:
//   node services.cjs NAME [SAMPLES [RECORDING]]
// Samples every 200 ms, and prints one line of JSON: which verdicts were found on which sample, with their suspects.
//
// The client lives in the same process, so its garbage is part of the noise, as a service's own clients are. Leaks are
// paced by requests: about 100 a second, so that 20 kB a request is 2 MB/s. `kept` is reachable for ever.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const tls = require('node:tls');
const crypto = require('node:crypto');
const vm = require('node:vm');
const { EventEmitter } = require('node:events');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');
const { start } = require('extmem');
const addon = require('../addon/build/Release/test_addon.node');

const KiB = 1024;
const MiB = 1024 * KiB;
const kept = [];
const bus = new EventEmitter().setMaxListeners(0);

/** Objects of about `bytes` in all, as a parsed request would make them. */
function parsedBody(i, bytes) {
  const rows = [];
  for (let row = 0; row < bytes / 100; row++) rows.push({ id: i, row, name: `user ${i}/${row}`, tags: [i, row] });
  return rows;
}

/** A cache that forgets its oldest entry once it holds `capacity`. */
function cache(capacity) {
  const entries = new Map();
  return (key, make) => {
    if (!entries.has(key)) {
      entries.set(key, make());
      if (entries.size > capacity) entries.delete(entries.keys().next().value);
    }
    return entries.get(key);
  };
}

function idleWorker(source = 'setInterval(() => {}, 1000)') {
  return new Worker(source, { eval: true });
}

/** Each returns what one request does. The names of functions that hold on to memory are what suspects should say. */
const services = {
  // Leaky: the JS heap.
  jsObjects: () =>
    function rememberRequest(i) {
      kept.push(parsedBody(i, 16 * KiB));
    },
  listeners: () =>
    function subscribeAgain(i) {
      const session = { i, rows: parsedBody(i, 16 * KiB) };
      bus.on('never', () => session);
    },
  contexts: () =>
    function isolateTemplate(i) {
      if (i % 20 === 0) kept.push(vm.createContext({ i }));
    },

  // Leaky: Buffers.
  buffers: () =>
    function storeUpload() {
      kept.push(Buffer.alloc(20 * KiB, 1));
    },
  subarrays: () =>
    function keepHeader() {
      kept.push(Buffer.alloc(20 * KiB, 1).subarray(0, 10));
    },
  poolSlabs: () =>
    function keepToken() {
      for (let n = 0; n < 5; n++) kept.push(Buffer.allocUnsafe(4000).fill(1).subarray(0, 16));
    },
  sharedBuffers: () =>
    function shareState() {
      new Uint8Array(kept[kept.push(new SharedArrayBuffer(20 * KiB)) - 1]).fill(1);
    },
  clonedResponses: () =>
    async function readOriginal(i) {
      if (i % 4 !== 0) return;
      const response = new Response(Buffer.alloc(64 * KiB, 1));
      kept.push(response.clone());
      await response.arrayBuffer();
    },

  // Leaky: declared to V8.
  externalStrings: () =>
    function keepText(i) {
      if (i % 50 === 0) kept.push(Buffer.alloc(MiB, 65).toString('latin1'));
    },
  zlibKept: () =>
    function compressLog(i) {
      if (i % 10 !== 0) return;
      kept.push(zlib.createDeflate().on('data', () => {}));
      kept.at(-1).write(crypto.randomBytes(16 * KiB));
    },
  externalBuffers: () =>
    function mapRecord(i) {
      if (i % 10 === 0) kept.push(addon.externalBuffer(200 * KiB));
    },
  wrapDeclared: () =>
    function openHandle(i) {
      if (i % 10 === 0) kept.push(addon.wrap(200 * KiB, true));
    },

  // Leaky: native.
  secureContexts: () => {
    const ca = tls.rootCertificates.slice(0, 50);
    return function connectTenant(i) {
      if (i % 15 === 0) kept.push(tls.createSecureContext({ ca }));
    };
  },
  ciphers: () =>
    function encryptField() {
      for (let n = 0; n < 12; n++) kept.push(crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12)));
    },
  nativeSmall: () =>
    function resizeImage() {
      addon.leak(20, KiB);
    },
  nativeBig: () =>
    function decodeFrame(i) {
      if (i % 50 === 0) addon.leak(1, MiB);
    },
  wrapUndeclared: () =>
    function openStatement() {
      kept.push(addon.wrap(20 * KiB, false));
    },
  sqliteStatements: () => {
    const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(':memory:');
    database.exec('CREATE TABLE t (a, b, c)');
    return function queryUser() {
      for (let n = 0; n < 8; n++) kept.push(database.prepare('SELECT a, b, c FROM t WHERE a = ? AND b > ? ORDER BY c'));
    };
  },

  // Leaky: the rest.
  // Peaks get higher, and the youngest block of each is kept, so that the allocator cannot give back what lies below.
  retained: () =>
    function renderReport(i) {
      if (i % 20 !== 0) return;
      addon.hoard((i / 20) * 400 * KiB + 8 * MiB, 4000, 4000);
      addon.freeButLast(1);
    },
  wasmMany: () =>
    function instantiatePlugin(i) {
      if (i % 60 === 0) new Uint8Array(kept[kept.push(new WebAssembly.Memory({ initial: 20 })) - 1].buffer).fill(1);
    },
  wasmGrow: () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
    return function growHeap(i) {
      if (i % 6 !== 0) return;
      const pages = memory.grow(2);
      new Uint8Array(memory.buffer, pages * 65536).fill(1);
    };
  },
  mmapAnonymous: () =>
    function mapArena(i) {
      if (i % 50 === 0) addon.mapAnonymous(1, MiB);
    },
  workersAlive: () =>
    function startJob(i) {
      if (i % 120 === 0) kept.push(idleWorker());
    },
  workerBuffers: () =>
    function startCodec(i) {
      if (i % 120 === 0) {
        kept.push(idleWorker('const b = Buffer.alloc(2 ** 21, 1); setInterval(() => b.length, 1000)'));
      }
    },
  openFiles: () =>
    function readConfig(i) {
      if (i % 10 === 0) fs.openSync(__filename);
    },
  // Buffers at 2 MB/s hide a JS heap that grows by .3 MB/s.
  hidden: () =>
    function storeBoth(i) {
      kept.push(Buffer.alloc(20 * KiB, 1));
      if (i % 2 === 0) kept.push(parsedBody(i, 4 * KiB));
    },

  // Healthy.
  jsonApi: () => (i) => JSON.parse(JSON.stringify(parsedBody(i, 16 * KiB))).length,
  bufferChurn: () => () => Buffer.alloc(64 * KiB, 1).length,
  zlibChurn: () => (i) => zlib.deflateSync(Buffer.alloc(16 * KiB, i)).length,
  zlibDropped: () => (i) => {
    if (i % 10 === 0) zlib.createDeflate().write(crypto.randomBytes(16 * KiB));
  },
  cacheAtCapacity: () => {
    const recall = cache(200);
    return (i) => recall(i % 5000, () => parsedBody(i, 16 * KiB));
  },
  cacheFills: () => {
    const recall = cache(450);
    return (i) => recall(i, () => Buffer.alloc(40 * KiB, 1));
  },
  warmUp: () => {
    const recall = cache(10_000);
    return (i) => recall(Math.floor(400 * ((i * 0.618) % 1) ** 2), () => parsedBody(i, 32 * KiB));
  },
  sawtooth: () => {
    let batch = [];
    return (i) => {
      batch.push(parsedBody(i, 16 * KiB));
      if (batch.length >= 1000) batch = [];
    };
  },
  bursts: () => (i) => {
    if (i % 300 === 0) for (let n = 0; n < 20; n++) Buffer.alloc(MiB, 1);
  },
  steps: () => (i) => {
    if (i === 700 || i === 1300) kept.push(Buffer.alloc(20 * MiB, 1));
  },
  workerChurn: () => (i) => {
    if (i % 40 === 0) idleWorker('Buffer.alloc(2 ** 20, 1)');
  },
  nativeChurn: () => () => {
    addon.hoard(40 * KiB, 500, 5000);
    addon.freeEvery(1);
  },
  fileChurn: () => () => fs.closeSync(fs.openSync(__filename)),
  untouched: () => (i) => {
    if (i % 20 === 0) kept.push(Buffer.alloc(10 * MiB));
  },
};

const [name, sampleCount = '110', recording = 'none'] = process.argv.slice(2);
const handle = services[name]();
const session = start({ interval: 200, destination: recording, sampleBytes: process.env.SAMPLE_BYTES ?? 0 });
const found = [];
let samples = 0;
session.on('verdict', ({ id, state, sentence, shares, suspects }) => {
  const sites = suspects.slice(0, 2).map((suspect) => suspect.site);
  found.push({ id, state, at: samples, shares, suspects: sites, sentence });
});
session.on('sample', (sample) => {
  if (++samples < Number(sampleCount)) return;
  const states = Object.fromEntries(session.verdicts().map((verdict) => [verdict.id, verdict.state]));
  process.stdout.write(`${JSON.stringify({ found, states, samples, rssMiB: sample.rssBytes / MiB })}\n`);
  session.stop();
  process.exit();
});

let served = 0;
const server = http.createServer(async (_, response) => {
  await handle(served++);
  response.end('ok');
});
server.listen(0, '127.0.0.1', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const { port } = server.address();
  setInterval(() => {
    for (let n = 0; n < 2; n++) {
      const request = http.get({ port, host: '127.0.0.1', agent }, (response) => response.resume());
      // A keep-alive socket may be closed in the moment it is used again.
      request.on('error', () => {});
    }
  }, 20);
});
