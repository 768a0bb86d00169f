/**
 * Services that leak what is counted: streams, descriptors, timers, contexts. Each returns what one request does, at
 * about 100 a second; the names of its functions are what suspects should say.
 */
'use strict';
const childProcess = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const stream = require('node:stream');
const vm = require('node:vm');
const { once } = require('node:events');
const { KiB, MiB, keep, withTraffic, quiet, bodyServer } = require('./service-parts.cjs');

/** A folder that is gone with the process. */
function scratchFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'extmem-services-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function bigFile() {
  const file = path.join(scratchFolder(), 'big.bin');
  fs.writeFileSync(file, Buffer.alloc(MiB, 1));
  return file;
}

const streaming = {
  fetchUnread: () => {
    const url = bodyServer(512 * KiB);
    return async function checkHealth(i) {
      if (i % 20 === 0) keep(await fetch(url()));
    };
  },
  httpUnread: () => {
    const url = bodyServer(512 * KiB);
    return function checkStatus(i) {
      if (i % 20 === 0) quiet(http.get(url(), { agent: false }, (message) => quiet(keep(message))));
    };
  },
  socketsPaused: () => {
    const server = net.createServer((socket) => quiet(socket).write(Buffer.alloc(64 * KiB, 1))).listen(0, '127.0.0.1');
    return function subscribeFeed(i) {
      if (i % 20 === 0) quiet(keep(net.connect(server.address().port, '127.0.0.1'))).pause();
    };
  },
  readStreamKept: () => {
    const file = bigFile();
    return function previewFile(i) {
      if (i % 10 === 0) keep(fs.createReadStream(file)).once('readable', () => {});
    };
  },
  readStreamDropped: () => {
    const file = bigFile();
    return function peekFile(i) {
      if (i % 10 === 0) fs.createReadStream(file).once('readable', () => {});
    };
  },
  writeStreamDropped: () => {
    const folder = scratchFolder();
    return function openAudit(i) {
      if (i % 10 === 0) fs.createWriteStream(path.join(folder, 'audit.log'), { flags: 'a' });
    };
  },
  pipelineThrows: () => {
    const file = bigFile();
    return async function sendFile(i) {
      if (i % 10 !== 0) return;
      const source = fs.createReadStream(file);
      await once(source, 'open');
      const gone = new stream.PassThrough().destroy();
      try {
        stream.pipeline(source, gone, () => {});
      } catch {
        // Some versions throw for a destination that is destroyed already; the source stays open in all of them.
      }
    };
  },
  openFiles: () =>
    function readConfig(i) {
      if (i % 10 === 0) fs.openSync(__filename);
    },
  fileHandles: () =>
    async function openLedger(i) {
      if (i % 10 === 0) keep(await fs.promises.open(__filename));
    },
  childStdio: () => {
    const children = [];
    process.on('exit', () => {
      for (const child of children) child.kill('SIGKILL');
    });
    return function startHelper(i) {
      if (i % 30 === 0) children.push(childProcess.spawn('sleep', ['1000']));
    };
  },

  // Healthy twins.
  fetchRead: () => {
    const url = bodyServer(64 * KiB);
    return async (i) => {
      if (i % 10 === 0) await (await fetch(url())).arrayBuffer();
    };
  },
  httpRead: () => {
    const url = bodyServer(64 * KiB);
    return (i) => {
      if (i % 10 === 0) quiet(http.get(url(), { agent: false }, (message) => message.resume()));
    };
  },
  socketPool: () => {
    const server = net.createServer((socket) => quiet(socket).resume()).listen(0, '127.0.0.1');
    const pool = [];
    return (i) => {
      if (i % 10 === 0 && pool.length < 30) pool.push(quiet(net.connect(server.address().port, '127.0.0.1')));
      pool[i % 30]?.write('ping');
    };
  },
  filesStreamed: () => {
    const file = bigFile();
    return (i) => {
      if (i % 20 === 0) stream.pipeline(fs.createReadStream(file), new stream.Writable({ write: drop }), () => {});
    };
  },
  fileChurn: () => () => fs.closeSync(fs.openSync(__filename)),
  fileHandlesClosed: () => async (i) => {
    if (i % 10 === 0) await (await fs.promises.open(__filename)).close();
  },
  childrenEnd: () => (i) => {
    if (i % 50 === 0)
      childProcess
        .spawn('true')
        .on('error', () => {})
        .stdout.resume();
  },
};

module.exports = {
  timers: () =>
    function remindOften(i) {
      if (i % 5 === 0) setInterval(() => i, 1e8);
    },
  contexts: () =>
    function isolateTemplate(i) {
      if (i % 20 === 0) keep(vm.createContext({ i }));
    },
  timersCleared: () => (i) => {
    const timer = setInterval(() => i, 1e8);
    setTimeout(() => clearInterval(timer), 200 + (i % 50));
  },
  contextsDropped: () => (i) => {
    if (i % 20 === 0) vm.createContext({ i });
  },
};
for (const [name, make] of Object.entries(streaming)) module.exports[name] = () => withTraffic(make());

function drop(_chunk, _encoding, done) {
  done();
}
