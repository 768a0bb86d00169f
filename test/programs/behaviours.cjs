// What programs do that an observer must not change. Run as: node behaviours.cjs NAME
'use strict';
const childProcess = require('node:child_process');
const { Worker } = require('node:worker_threads');

/** Not `exit`: that is where the last line is written. */
const observedEvents = [
  ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'beforeExit', 'warning', 'message', 'newListener'],
  ...['uncaughtException', 'uncaughtExceptionMonitor', 'unhandledRejection', 'rejectionHandled', 'disconnect'],
];

/** Ready to be killed; the test sends the signal when it has read the line. */
function waitForSignal() {
  setInterval(() => {}, 1e6);
  console.log('ready');
}

function grow() {
  const held = [];
  for (let i = 0; i < 100; i++) held.push(Buffer.alloc(64 * 1024, 1));
  return held.length;
}

const behaviours = {
  prints() {
    console.log('out', grow());
    console.error('err');
  },
  exits: () => process.exit(7),
  setsExitCode() {
    process.exitCode = 5;
    setTimeout(() => console.log('still running'), 100);
  },
  exitsInsideTimer: () => setTimeout(() => process.exit(9), 100),
  throws() {
    throw new Error('uncaught on purpose');
  },
  throwsLater: () =>
    setTimeout(() => {
      throw new TypeError('uncaught on purpose, later');
    }, 100),
  rejects() {
    Promise.reject(new Error('unhandled on purpose'));
  },
  warns: () => process.emitWarning('a warning of the program'),
  aborts: () => process.kill(process.pid, 'SIGKILL'),
  overflowsStack() {
    (function recurse() {
      return 1 + recurse();
    })();
  },

  waitsForSignal: waitForSignal,
  handlesSignals() {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
      process.on(signal, () => {
        console.log('got', signal);
        process.exit(3);
      });
    }
    waitForSignal();
  },
  countsListeners() {
    console.log(observedEvents.map((event) => `${event} ${process.listenerCount(event)}`).join('\n'));
  },
  listsResources() {
    console.log('at start', process.getActiveResourcesInfo());
    process.on('beforeExit', () => console.log('at the end', process.getActiveResourcesInfo()));
    setTimeout(() => {}, 100);
  },
  listsGlobals() {
    console.log(Object.getOwnPropertyNames(globalThis).join());
    console.log(Object.keys(process.env).filter((name) => !name.startsWith('EXTMEM_') && name !== 'NODE_OPTIONS'));
  },
  readsStdin: () => process.stdin.pipe(process.stdout),

  spawns() {
    const child = childProcess.spawn(process.execPath, [__filename, 'prints'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.pipe(process.stdout);
    child.on('exit', (code, signal) => console.log('child', code, signal));
  },
  forks() {
    const child = childProcess.fork(__filename, ['answers']);
    child.on('message', (message) => {
      console.log('child says', message);
      child.disconnect();
    });
    child.on('exit', (code, signal) => console.log('child', code, signal));
  },
  answers: () => process.send('hello'),
  execs() {
    childProcess.exec(`"${process.execPath}" "${__filename}" exits`, (error, stdout, stderr) => {
      console.log(error.code, stdout, stderr);
    });
  },
  spawnsSync() {
    const ended = childProcess.spawnSync(process.execPath, [__filename, 'throws']);
    console.log(ended.status, ended.signal);
  },
  async runsWorkers() {
    const source = `const { parentPort } = require('node:worker_threads');
      parentPort.postMessage([require.main === module, Buffer.alloc(1e6, 1).length]);`;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(source, { eval: true });
      worker.on('message', (message) => console.log('worker says', message));
      await new Promise((resolve) => worker.on('exit', (code) => resolve(console.log('worker ended', code))));
    }
  },
  workerThrows() {
    const worker = new Worker('setTimeout(() => { throw new Error("in a worker"); }, 50)', { eval: true });
    worker.on('error', (error) => console.log('worker failed:', error.message));
  },
  workerIsTerminated() {
    const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
    worker.on('online', async () => console.log('terminated', await worker.terminate()));
  },
};

behaviours[process.argv[2]]();
