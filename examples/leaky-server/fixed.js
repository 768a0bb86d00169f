// The healthy twins of leaks.js: the same work, and everything that is taken is bounded or given back.
'use strict';
const { EventEmitter } = require('node:events');
const zlib = require('node:zlib');
const addon = require('../leaky-addon/build/Release/leaky.node');

/** A history with an end. */
const requestHistory = [];
exports.history = (request) => {
  requestHistory.push({ at: new Date(), headers: request.headers, body: request.body });
  if (requestHistory.length > 100) requestHistory.shift();
};

/** Removed with the request that it served. */
const configuration = new EventEmitter();
exports.listeners = (request, response) => {
  const update = () => response.setHeader('x-config', request.body.user);
  configuration.on('change', update);
  response.on('close', () => configuration.off('change', update));
};

/** Cleared with the request that it served. */
exports.timers = (request, response) => {
  const poll = setInterval(() => request.body.user, 60_000);
  response.on('close', () => clearInterval(poll));
};

/** The newest sixteen. */
const uploads = new Map();
let nextUpload = 0;
exports.buffers = () => {
  uploads.set(nextUpload++, Buffer.alloc(1024 * 1024, 'x'));
  uploads.delete(nextUpload - 17);
};

/** Ended when the work is done, so that zlib's state is freed now and not at some later collection. */
exports.zlib = (request) => {
  const deflate = zlib.createDeflate();
  deflate.resume().on('end', () => deflate.close());
  deflate.end(JSON.stringify(request.body));
};

/** The work area is released. */
exports.addon = () => {
  addon.checksum(128 * 1024, true);
};
