'use strict';
/**
 * One careless line each, for the lines that a person reads. Real services are not made of forced collections; here
 * `gc` only saves waiting. Prints the report.
 */
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const zlib = require('node:zlib');
const { once } = require('node:events');
const { Duplex } = require('node:stream');
const { setTimeout: wait } = require('node:timers/promises');
const { StreamTracker } = require('../../dist/streams/tracker.js');

const tracker = new StreamTracker({ intervalMs: 100, window: 120 });
const body = Buffer.alloc(600_000);
const kept = [];
/** Until its descriptor was seen: before that, a dropped file cannot be told from one that was closed. */
const keptForNow = [];
const bigFile = process.execPath;

async function cloneHalfRead(url) {
  const response = await fetch(url);
  kept.push(response.clone());
  await response.arrayBuffer();
}

async function cancelBlob() {
  await new Blob([body]).stream().cancel();
}

async function neverReadBody(url) {
  kept.push(await fetch(url));
}

function dropFile() {
  keptForNow.push(fs.createReadStream(__filename));
}

function pipeToResponse(response) {
  fs.createReadStream(bigFile).pipe(response);
}

async function abortDownload(url) {
  const request = http.get(`${url}/file`);
  request.on('error', () => {});
  const [message] = await once(request, 'response');
  message.on('error', () => {});
  await once(message, 'data');
  // On a quiet machine the whole file would pass in this time.
  message.pause();
  await wait(300);
  request.destroy();
}

async function ignoreMessage(url) {
  const request = http.get(url);
  kept.push(request);
  await once(request, 'response');
}

async function pauseSocket(port) {
  const socket = net.connect(port);
  kept.push(socket);
  socket.on('data', () => socket.pause());
  await once(socket, 'data');
}

function keepGzip() {
  const gzip = zlib.createGzip();
  kept.push(gzip);
  gzip.write('hello');
}

function dropGzip() {
  zlib.createGzip().write('hello');
}

function neverDestroyed() {
  const duplex = new Duplex({
    autoDestroy: false,
    read() {
      this.push(null);
    },
    write: (_chunk, _encoding, done) => done(),
  });
  kept.push(duplex);
  duplex.resume().end('x');
}

function tooManyListeners() {
  const stream = fs.createReadStream(__filename);
  kept.push(stream);
  process.removeAllListeners('warning');
  for (let i = 0; i < 12; i++) stream.on('close', () => {});
}

const pushing = net.createServer((socket) => socket.on('error', () => {}).write(body));
const server = http.createServer(({ url }, response) => {
  if (url === '/file') pipeToResponse(response);
  else response.end(body);
});

async function main() {
  await Promise.all([once(server.listen(0, '127.0.0.1'), 'listening'), once(pushing.listen(0), 'listening')]);
  const url = `http://127.0.0.1:${server.address().port}`;
  await cloneHalfRead(url);
  await cancelBlob();
  await neverReadBody(url);
  await abortDownload(url);
  await ignoreMessage(url);
  await pauseSocket(pushing.address().port);
  dropFile();
  keepGzip();
  dropGzip();
  neverDestroyed();
  tooManyListeners();
  await wait(300);
  keptForNow.length = 0;
  for (let turn = 0; turn < 100; turn++) {
    await wait(50);
    globalThis.gc();
    const { sites } = tracker.report();
    if (turn > 10 && tracker.sample().lost > 1 && sites.some(({ unclosed }) => unclosed > 0)) break;
  }
  fs.writeSync(1, `${JSON.stringify(tracker.report())}\n`);
  process.exit(0);
}
void main();
