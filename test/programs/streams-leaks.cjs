'use strict';
/** Seventeen ways to forget a stream. Each function is named after what it does, so that the site names it. */
const childProcess = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const zlib = require('node:zlib');
const { Duplex, PassThrough, Readable } = require('node:stream');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'extmem-streams-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const bigFile = path.join(folder, 'big.bin');
fs.writeFileSync(bigFile, Buffer.alloc(4 << 20));

const kept = [];
const keep = (thing) => {
  kept.push(thing);
  return thing;
};
const quiet = (stream) => stream.on('error', () => {});
const listening = (server) => {
  server.listen(0, '127.0.0.1');
  return server;
};
const portOf = (server) => server.address()?.port;

const fileServer = listening(http.createServer((_, response) => pipeToAbortedResponse(response)));
const bigServer = listening(http.createServer((_, response) => response.end(Buffer.alloc(200_000))));
const hugeServer = listening(http.createServer((_, response) => response.end(Buffer.alloc(3_000_000))));
const neverEnding = listening(http.createServer((_, response) => response.write('partial')));
const pushing = listening(net.createServer((socket) => quiet(socket).write(Buffer.alloc(100_000))));
const h2Server = http2.createServer();
h2Server.on('stream', (stream) => {
  quiet(stream).respond();
  stream.end(Buffer.alloc(200_000));
});
listening(h2Server);
const keepAlive = new http.Agent({ keepAlive: true });
let session;

function pipeToAbortedResponse(response) {
  fs.createReadStream(bigFile).pipe(response);
}

module.exports = {
  abortDownload() {
    const request = http.get({ port: portOf(fileServer), agent: false }, (message) => {
      quiet(message).once('data', () => request.destroy());
    });
    quiet(request);
  },
  ignoreResponse() {
    quiet(http.get({ port: portOf(bigServer), agent: keepAlive }, (message) => message.statusCode));
  },
  keepGzip: () => keep(zlib.createGzip()).write('hello'),
  dropGzip: () => zlib.createGzip().write('hello'),
  neverAutoDestroyed() {
    const duplex = new Duplex({
      autoDestroy: false,
      read() {
        this.push(null);
      },
      write: (_chunk, _encoding, done) => done(),
    });
    keep(duplex).resume().end('x');
  },
  pauseSocket: () =>
    keep(quiet(net.connect(portOf(pushing))))
      .on('data', () => {})
      .pause(),
  queueInMap: () => keep(new PassThrough()).write('queued'),
  keepUnreadFile: () => keep(fs.createReadStream(bigFile)),
  dropUnreadFile: () => fs.createReadStream(bigFile),
  ignoreChildOutput(turn) {
    if (turn % 5 === 0) keep(childProcess.spawn('sh', ['-c', 'yes | head -c 300000']));
  },
  async ignoreFetchBody() {
    keep(await fetch(`http://127.0.0.1:${portOf(hugeServer)}`));
  },
  ignoreHttp2Stream(turn) {
    // A session allows 100 open streams.
    if (turn % 50 === 0) session = keep(quiet(http2.connect(`http://127.0.0.1:${portOf(h2Server)}`)));
    keep(quiet(session.request({ ':path': '/' }))).on('response', () => {});
  },
  neverEndResponse() {
    quiet(http.get({ port: portOf(neverEnding), agent: false }, (message) => message.resume()));
  },
  neverEndFile: (turn) => keep(fs.createWriteStream(path.join(folder, `${turn}`))).write('x'),
  async keepFileHandle() {
    keep(await fs.promises.open(__filename));
  },
  failWithoutDestroy() {
    const stream = quiet(new Readable({ autoDestroy: false, read() {} }));
    stream.emit('error', new Error('x'));
    keep(stream).push('data');
  },
  failInFrontOfPipe() {
    const source = quiet(new Readable({ read() {} }));
    keep(source.pipe(zlib.createGzip()).pipe(new PassThrough()));
    source.push('x');
    setTimeout(() => source.destroy(new Error('boom')), 10);
  },
};
