/** What the services of services.cjs share: memory that stays reachable, bodies, caches, and a server with large answers. */
'use strict';
const http = require('node:http');
const { Worker } = require('node:worker_threads');

const KiB = 1024;
const MiB = 1024 * KiB;

/** Reachable for ever. */
const kept = [];
const keep = (thing) => {
  kept.push(thing);
  return thing;
};

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

/**
 * A handler that also does what services do all day: it parses a body into a session that lives for a second, and reads
 * a file of 512 KiB. So a major collection comes every second or so: every few samples, as at 10 s a sample. Streams and
 * Blobs need that, because only collections tell the kept ones from those that are garbage.
 */
function withTraffic(handle) {
  const sessions = [];
  return (i) => {
    sessions[i % 100] = parsedBody(i, 16 * KiB);
    Buffer.alloc(512 * KiB, 1);
    return handle(i);
  };
}

const quiet = (emitter) => emitter.on('error', () => {});

/** A server of this process that answers with `bytes`. Returns a function that tells its address. */
function bodyServer(bytes) {
  const body = Buffer.alloc(bytes, 1);
  const server = http.createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
  return () => `http://127.0.0.1:${server.address()?.port}`;
}

module.exports = { KiB, MiB, kept, keep, parsedBody, cache, idleWorker, withTraffic, quiet, bodyServer };
