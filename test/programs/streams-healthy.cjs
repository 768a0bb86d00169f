'use strict';
/** Streams that live long, or are many, and are all right. Nothing may be said of them. */
const childProcess = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const zlib = require('node:zlib');
const { PassThrough, Writable, pipeline } = require('node:stream');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'extmem-streams-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, 'file.bin');
fs.writeFileSync(file, Buffer.alloc(300_000));

const kept = [];
const quiet = (stream) => stream.on('error', () => {});
const listening = (server) => {
  server.listen(0, '127.0.0.1');
  return server;
};
const portOf = (server) => server.address()?.port;
const discard = () => new Writable({ write: (_chunk, _encoding, done) => done() });

const okServer = listening(http.createServer((_, response) => response.end('ok')));
okServer.keepAliveTimeout = 60_000;
const bodyServer = listening(http.createServer((_, response) => response.end(Buffer.alloc(300_000))));
const eventServer = listening(
  http.createServer((_, response) => {
    response.writeHead(200).write('e');
    const timer = setInterval(() => response.write('data\n'), 300);
    response.on('close', () => clearInterval(timer));
  }),
);
const upgradeServer = listening(http.createServer());
upgradeServer.on('upgrade', (_, socket) => {
  quiet(socket).resume().end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
});
const echoServer = listening(net.createServer((socket) => quiet(socket).on('data', (data) => socket.write(data))));
const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
const busyLog = fs.createWriteStream(path.join(folder, 'busy.log'), { flags: 'a' });
const idleLog = fs.createWriteStream(path.join(folder, 'idle.log'), { flags: 'a' });
idleLog.write('line\n');
const brokers = [];
const pool = [];

function connect(list) {
  const socket = quiet(net.connect(portOf(echoServer)));
  socket.on('data', () => {});
  list.push(socket);
}

module.exports = {
  keepAliveSockets(turn) {
    for (let i = 0; i < 1 + (turn % 4); i++) {
      http.get({ port: portOf(okServer), agent }, (message) => message.resume());
    }
  },
  busyLog: () => busyLog.write('line\n'),
  idleLog: () => idleLog,
  brokerConnections(turn) {
    while (turn > 0 && brokers.length < 12) connect(brokers);
    brokers[0]?.write('ping');
  },
  readStdin(turn) {
    if (turn === 1) process.stdin.on('data', () => {});
  },
  pauseStdin(turn) {
    if (turn === 40) process.stdin.pause();
  },
  shortPipelines() {
    pipeline(fs.createReadStream(file), zlib.createGzip({ level: 1 }), discard(), () => {});
  },
  hashes() {
    crypto.createHash('sha1').update('x').digest('hex');
    const hash = crypto.createHash('sha1');
    hash.end('x');
    hash.read();
  },
  shortRequests() {
    http.get({ port: portOf(okServer), agent: false }, (message) => message.resume());
  },
  serverSentEvents(turn) {
    if (turn > 0 && turn <= 5) {
      quiet(http.get({ port: portOf(eventServer), agent: false }, (message) => message.resume()));
    }
  },
  async readFetchBodies() {
    await (await fetch(`http://127.0.0.1:${portOf(bodyServer)}`)).arrayBuffer();
  },
  async keepSmallFetchBodies() {
    kept.push(await fetch(`http://127.0.0.1:${portOf(okServer)}`));
  },
  shortChildren(turn) {
    if (turn % 10 === 0) childProcess.exec('echo hi', () => {});
  },
  dropPassThrough: () => new PassThrough().write('x'),
  endAndDropGzip(turn) {
    if (turn % 4 !== 3) return;
    zlib.createGzip().resume().end('hello');
  },
  closeGzip(turn) {
    if (turn % 4 !== 0) return;
    const gzip = zlib.createGzip();
    gzip.write('hello');
    gzip.close();
  },
  /** Each makes a stream of its own, which Node closes or leaves without a handle. */
  compressAtOnce(turn) {
    if (turn % 4 !== 1) return;
    zlib.gzipSync('hello');
    zlib.gzip('hello', () => {});
    zlib.gunzip('hello', () => {});
  },
  /** Careless, but it happened once. */
  dropGzipOnce(turn) {
    for (let i = 0; turn === 40 && i < 30; i++) zlib.createGzip().write('hello');
  },
  requestsThatSwitchProtocols(turn) {
    if (turn % 4 !== 2) return;
    const headers = { Connection: 'Upgrade', Upgrade: 'x' };
    quiet(http.get({ port: portOf(upgradeServer), agent: false, headers })).on('upgrade', (_, socket) =>
      socket.destroy(),
    );
  },
  /** Grows by a connection every 300 ms for half of the run, and is full then. */
  slowPool(turn) {
    if (turn > 0 && turn % 3 === 0 && pool.length < 20) connect(pool);
  },
  /** Opened in bursts, in use for two seconds. */
  bursts(turn) {
    if (turn % 30 !== 1) return;
    for (let i = 0; i < 40; i++) {
      const socket = quiet(net.connect(portOf(echoServer))).on('data', () => {});
      setTimeout(() => socket.destroy(), 2000);
    }
  },
};
