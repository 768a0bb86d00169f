/**
 * Services that leak memory. Each returns what one request does, at about 100 a second, so that 20 kB a request is
 * 2 MiB/s. The names of functions that hold on to memory are what suspects should say.
 */
'use strict';
const crypto = require('node:crypto');
const dns = require('node:dns');
const tls = require('node:tls');
const zlib = require('node:zlib');
const { EventEmitter } = require('node:events');
const addon = require('../addon/build/Release/test_addon.node');
const { KiB, MiB, keep, parsedBody, idleWorker } = require('./service-parts.cjs');

const bus = new EventEmitter().setMaxListeners(0);

module.exports = {
  // The JS heap.
  jsObjects: () =>
    function rememberRequest(i) {
      keep(parsedBody(i, 16 * KiB));
    },
  listeners: () =>
    function subscribeAgain(i) {
      const session = { i, rows: parsedBody(i, 16 * KiB) };
      bus.on('never', () => session);
    },
  unrefTimers: () =>
    function remindLater(i) {
      const order = { i, rows: parsedBody(i, 16 * KiB) };
      setInterval(() => order, 1e8).unref();
    },

  // Buffers.
  buffers: () =>
    function storeUpload() {
      keep(Buffer.alloc(20 * KiB, 1));
    },
  subarrays: () =>
    function keepHeader() {
      keep(Buffer.alloc(20 * KiB, 1).subarray(0, 10));
    },
  poolSlabs: () =>
    function keepToken() {
      for (let n = 0; n < 5; n++) keep(Buffer.allocUnsafe(4000).fill(1).subarray(0, 16));
    },
  sharedBuffers: () =>
    function shareState() {
      new Uint8Array(keep(new SharedArrayBuffer(20 * KiB))).fill(1);
    },
  clonedResponses: () =>
    async function readOriginal(i) {
      if (i % 4 !== 0) return;
      const response = new Response(Buffer.alloc(64 * KiB, 1));
      keep(response.clone());
      await response.arrayBuffer();
    },

  // Declared to V8.
  externalStrings: () =>
    function keepText(i) {
      if (i % 50 === 0) keep(Buffer.alloc(MiB, 65).toString('latin1'));
    },
  zlibKept: () =>
    function compressLog(i) {
      if (i % 10 !== 0) return;
      keep(zlib.createDeflate().on('data', () => {})).write(crypto.randomBytes(16 * KiB));
    },
  externalBuffers: () =>
    function mapRecord(i) {
      if (i % 10 === 0) keep(addon.externalBuffer(200 * KiB));
    },
  wrapDeclared: () =>
    function openHandle(i) {
      if (i % 10 === 0) keep(addon.wrap(200 * KiB, true));
    },

  // Native.
  secureContexts: () => {
    const ca = tls.rootCertificates.slice(0, 50);
    return function connectTenant(i) {
      if (i % 15 === 0) keep(tls.createSecureContext({ ca }));
    };
  },
  ciphers: () =>
    function encryptField() {
      for (let n = 0; n < 12; n++) keep(crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12)));
    },
  keyObjects: () => {
    const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
    return function loadKey() {
      for (let n = 0; n < 6; n++) keep(crypto.createPrivateKey(pem));
    };
  },
  textDecoders: () =>
    function decodeMail() {
      for (let n = 0; n < 40; n++) keep(new TextDecoder('shift_jis'));
    },
  resolvers: () =>
    function lookUpTenant() {
      for (let n = 0; n < 4; n++) keep(new dns.promises.Resolver());
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
      keep(addon.wrap(20 * KiB, false));
    },
  sqliteStatements: () => {
    const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(':memory:');
    database.exec('CREATE TABLE t (a, b, c)');
    return function queryUser() {
      for (let n = 0; n < 8; n++) keep(database.prepare('SELECT a, b, c FROM t WHERE a = ? AND b > ? ORDER BY c'));
    };
  },

  // The rest.
  // Peaks get higher, and the youngest block of each is kept, so that the allocator cannot give back what lies below.
  retained: () =>
    function renderReport(i) {
      if (i % 20 !== 0) return;
      addon.hoard((i / 20) * 400 * KiB + 8 * MiB, 4000, 4000);
      addon.freeButLast(1);
    },
  wasmMany: () =>
    function instantiatePlugin(i) {
      if (i % 60 === 0) new Uint8Array(keep(new WebAssembly.Memory({ initial: 20 })).buffer).fill(1);
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
      if (i % 120 === 0) keep(idleWorker());
    },
  workerBuffers: () =>
    function startCodec(i) {
      if (i % 120 === 0) keep(idleWorker('const b = Buffer.alloc(2 ** 21, 1); setInterval(() => b.length, 1000)'));
    },
  threadsAlive: () =>
    function openDevice(i) {
      if (i % 60 === 0) addon.parkThreads(1);
    },
  // Buffers at 2 MiB/s hide a JS heap that grows by .3 MiB/s.
  hidden: () => {
    function rememberOrder(i) {
      keep(parsedBody(i, 4 * KiB));
    }
    return function storeUpload(i) {
      keep(Buffer.alloc(20 * KiB, 1));
      if (i % 2 === 0) rememberOrder(i);
    };
  },
};
