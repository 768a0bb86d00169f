// Six ways in which services lose memory. Each function is called once per request on the route of its name.
'use strict';
const { EventEmitter } = require('node:events');
const zlib = require('node:zlib');
const addon = require('../leaky-addon/build/Release/leaky.node');

/** Kept "for debugging", and never cut. */
const requestHistory = [];
exports.history = (request) => {
  requestHistory.push({ at: new Date(), headers: request.headers, body: request.body });
};

/** One listener per request, none removed. The raised limit silences the warning that would have told. */
const configuration = new EventEmitter().setMaxListeners(0);
exports.listeners = (request, response) => {
  configuration.on('change', () => response.setHeader('x-config', request.body.user));
};

/** A poll that outlives its request, and with it everything that its closure reaches. */
exports.timers = (request) => {
  setInterval(() => request.body.user, 60_000);
};

/** A cache without a bound. To V8 each entry is a few dozen bytes: the MiB behind it is elsewhere. */
const uploads = new Map();
let nextUpload = 0;
exports.buffers = () => {
  uploads.set(nextUpload++, Buffer.alloc(1024 * 1024, 'x'));
};

/** A compressor per client that is flushed, but never closed: its window and tables are malloc's, not V8's. */
const compressors = [];
exports.zlib = (request) => {
  const deflate = zlib.createDeflate();
  deflate.write(JSON.stringify(request.body));
  compressors.push(deflate);
};

/** A native library that keeps its work area. Nothing in JavaScript knows of these bytes. */
exports.addon = () => {
  addon.checksum(128 * 1024, false);
};
