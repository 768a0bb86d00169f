/** Services that use memory, much of it in ways that look like a leak for a while, and do not leak. */
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const zlib = require('node:zlib');
const addon = require('../addon/build/Release/test_addon.node');
const { KiB, MiB, keep, parsedBody, cache, idleWorker, withTraffic } = require('./service-parts.cjs');

module.exports = {
  jsonApi: () => (i) => JSON.parse(JSON.stringify(parsedBody(i, 16 * KiB))).length,
  bufferChurn: () => () => Buffer.alloc(64 * KiB, 1).length,
  zlibChurn: () => (i) => zlib.deflateSync(Buffer.alloc(16 * KiB, i)).length,
  zlibDropped: () => (i) => {
    if (i % 10 === 0) zlib.createDeflate().write(crypto.randomBytes(16 * KiB));
  },
  // What hundreds of concurrent contexts leave behind in the allocator levels off.
  zlibFlood: () => (i) => {
    if (i % 300 !== 0) return;
    for (let n = 0; n < 300; n++) zlib.deflate(Buffer.alloc(KiB, n), () => {});
  },
  blobStreams: () =>
    withTraffic(async (i) => {
      if (i % 4 === 0) await new Blob([Buffer.alloc(64 * KiB, 1)]).stream().cancel();
    }),
  blobsDrained: () =>
    withTraffic(async (i) => {
      if (i % 4 === 0) await new Response(new Blob([Buffer.alloc(64 * KiB, 1)]).stream()).arrayBuffer();
    }),
  responsesRead: () =>
    withTraffic(async (i) => {
      if (i % 4 !== 0) return;
      const response = new Response(Buffer.alloc(64 * KiB, 1));
      await Promise.all([response.clone().arrayBuffer(), response.arrayBuffer()]);
    }),
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
    if (i === 700 || i === 1300) keep(Buffer.alloc(20 * MiB, 1));
  },
  workerChurn: () => (i) => {
    if (i % 40 === 0) idleWorker('Buffer.alloc(2 ** 20, 1)');
  },
  nativeChurn: () => () => {
    addon.hoard(40 * KiB, 500, 5000);
    addon.freeButLast(0);
  },
  wrapDropped: () => (i) => {
    if (i % 10 === 0) addon.wrap(200 * KiB, true);
  },
  stringsDropped: () => (i) => {
    if (i % 50 === 0) Buffer.alloc(MiB, 65).toString('latin1');
  },
  wasmDropped: () => (i) => {
    if (i % 60 === 0) new Uint8Array(new WebAssembly.Memory({ initial: 20 }).buffer).fill(1);
  },
  untouched: () => (i) => {
    if (i % 20 === 0) keep(Buffer.alloc(10 * MiB));
  },
  // Grows, but by page cache, which is no leak.
  mappedFiles: () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'extmem-services-'));
    process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
    return (i) => {
      if (i % 50 !== 0) return;
      const file = path.join(folder, `${i}`);
      fs.writeFileSync(file, Buffer.alloc(MiB, 1));
      addon.mapFile(file);
    };
  },
};
