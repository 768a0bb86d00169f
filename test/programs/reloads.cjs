// Libraries that come and go, by the public API: node reloads.cjs NAME ADDONS. Prints one JSON value.
'use strict';
const { copyFileSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const root = join(__dirname, '..', '..');
const built = (file) => join(root, 'test', 'torture-addon', 'build', 'Release', file);
/** Above what is sampled in part, also when the rate has fallen. */
const blockBytes = 4_000_003;

const { start } = require(join(root, 'dist', 'index.js'));
const opener = require(built('opener.node'));
const session = isMainThread
  ? start({ destination: 'none', interval: '1h', sampleBytes: '64KiB', streams: false })
  : null;

/** What is held by each function of a library, with the number of stacks that it takes, once for each of `functions`. */
async function heldBy(...functions) {
  const lines = (await session.profile()).toCollapsed().trim().split('\n');
  return functions.map((name) => {
    const ours = lines.filter((line) => line.includes(name));
    const bytes = ours.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    return { stacks: ours.length, blocks: bytes / blockBytes };
  });
}

/** A look at what is loaded, as each tick takes one, for next to nothing: it comes with each addon that is loaded. */
const look = () => process.dlopen({ exports: {} }, built('opener.node'));

function use(path, moves) {
  const base = opener.open(path);
  look();
  opener.hold('reloaded_allocate', blockBytes);
  opener.close(moves);
  return base;
}

/** Nobody looks while it is there. */
function useUnseen(path, name) {
  const base = opener.open(path);
  opener.holdThrough(name, blockBytes);
  opener.close(false);
  return base;
}

const cases = {
  // Far more places than there are slots to remember, of one library.
  async same() {
    const bases = new Set();
    for (let i = 0; i < 5000; i++) bases.add(use(built('reloaded.so'), true));
    const [held] = await heldBy('reloaded_allocate');
    const { native } = session.sample();
    return { places: bases.size, ...held, stacksDropped: native.stacksDropped, missedFrees: native.missedFrees };
  },
  // Each copy has a path of its own.
  async copies() {
    const folder = mkdtempSync(join(tmpdir(), 'extmem-copies-'));
    for (let i = 0; i < 300; i++) {
      const path = join(folder, `copy${i}.so`);
      copyFileSync(built('reloaded.so'), path);
      use(path, i % 2 === 0);
    }
    const [held] = await heldBy('reloaded_allocate');
    rmSync(folder, { recursive: true });
    return held;
  },
  // A worker loads an addon, uses it and ends, which unloads it.
  async workers() {
    for (let i = 0; i < 20; i++) {
      const worker = new Worker(__filename, { workerData: 'inWorker' });
      const next = () => new Promise((resolve) => worker.once('message', resolve));
      await next();
      look();
      worker.postMessage('allocate');
      await next();
      worker.postMessage('end');
      await new Promise((resolve) => worker.once('exit', resolve));
    }
    const [held] = await heldBy('LeakyThumbnail');
    return held;
  },
  // Two libraries take turns at one address, the second unseen: its code was the first one's when somebody looked.
  async others() {
    let shared = 0;
    for (let i = 0; i < 20; i++) {
      const base = opener.open(built('reloaded.so'));
      look();
      opener.holdThrough('reloaded_through', blockBytes);
      opener.close(false);
      if (useUnseen(built('replaced.so'), 'replaced_through') === base) shared++;
      await session.profile();
    }
    const [first, second] = await heldBy('reloaded_through', 'replaced_through');
    return { shared, first: first.blocks, second: second.blocks };
  },
  async inWorker() {
    const leak = require(built('leak.node'));
    parentPort.postMessage('loaded');
    parentPort.on('message', (message) => {
      if (message === 'allocate') leak.allocate(blockBytes);
      else parentPort.close();
      parentPort.postMessage('done');
    });
  },
};

cases[isMainThread ? process.argv[2] : workerData]().then((result) => {
  if (isMainThread) process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
});
