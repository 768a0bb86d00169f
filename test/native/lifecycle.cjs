// Ways to load, use and leave the addon that must not crash, hang or change how a program ends.
// node lifecycle.cjs NAME ADDON [COUNT]: prints "done" and ends by itself, unless the case says otherwise.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { copyFileSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const everything = 15;

function numbersOf(binding) {
  const into = new Float64Array(binding.passFields.length);
  binding.read(into);
  return Object.fromEntries(binding.passFields.map((name, i) => [name, into[i]]));
}

function assertSums(binding) {
  const numbers = numbersOf(binding);
  const leaves = binding.passFields.filter((name) => name.startsWith('leaf'));
  const sum = leaves.reduce((total, name) => total + numbers[name], 0);
  if (!(sum > 0) || sum !== numbers.ledgerRssBytes) throw new Error(`leaves ${sum}, RSS ${numbers.ledgerRssBytes}`);
}

const ended = (worker) => new Promise((resolve) => worker.once('exit', resolve));
const message = (worker) => new Promise((resolve) => worker.once('message', resolve));
const startWorker = (name, addon) => new Worker(__filename, { workerData: { name, addon } });

/** Every export, with arguments that let it do its work. The slow ones are apart: they make few calls of Node-API. */
function everyCall(binding) {
  // Enough for each of them.
  const numbers = new Float64Array(100);
  const frames = Float64Array.from({ length: 8 }, (_, i) => i);
  const bytes = Buffer.from('x');
  let frame = 1;
  const quick = {
    allocator: () => binding.allocator(),
    collectionCounters: () => binding.collectionCounters(numbers),
    findHeapCounters: () => binding.findHeapCounters(process.memoryUsage().arrayBuffers),
    heapCounters: () => binding.heapCounters(numbers),
    declaredBytes: () => binding.declaredBytes(),
    hasThread: () => binding.hasThread(),
    isolates: () => binding.isolates(),
    plan: () => binding.plan(1),
    profileCapture: () => binding.profileStack(binding.profileCapture()),
    profileCounters: () => binding.profileCounters(numbers),
    profileForeign: () => binding.profileForeign(),
    profileFrame: () => binding.profileFrame(frame++ % 50),
    profileLevel: () => binding.profileLevel(2),
    profileRate: () => binding.profileRate(4096),
    profileStack: () => binding.profileStack(1),
    profileTest: () => binding.profileTest(),
    profileTotals: () => binding.profileTotals(),
    publishIsolate: () => binding.publishIsolate(numbers),
    read: () => binding.read(numbers),
    request: () => binding.request(1),
    sendNow: () => binding.sendNow(-1, bytes),
    startHeapSampling: () => binding.startHeapSampling(65_536, 64),
    stopHeapSampling: () => binding.stopHeapSampling(),
    texts: () => binding.texts(),
    unwatchCollections: () => binding.unwatchCollections(),
    watch: () => binding.watch(['/proc/self/comm', '/proc/self/statm', '/no/such/file']),
    watchCollections: () => binding.watchCollections(),
    weakAdd: () => binding.weakRemove(binding.weakAdd({})),
    weakGet: () => binding.weakGet(binding.weakAdd(binding)),
    weakRemove: () => binding.weakRemove(0),
  };
  const slow = {
    close: () => binding.close(),
    open: () => binding.open(() => Object.values(quick).map((call) => call()), 1),
    probe: () => binding.probe(),
    profileRegister: () => binding.profileRegister(),
    profileRescan: () => binding.profileRescan(),
    profileStart: () => binding.profileStart(4096, 0, 64, 1),
    profileStop: () => binding.profileStop(),
    profileSymbols: () => binding.profileSymbols(frames),
    profileTotalsLater: () => binding.profileTotalsLater(),
    profileUnregister: () => binding.profileUnregister(),
    run: () => binding.run(everything),
  };
  for (const [name, value] of Object.entries(binding)) {
    if (typeof value === 'function' && !(name in quick) && !(name in slow)) throw new Error(`${name} is not called`);
  }
  return { quick: Object.values(quick), slow: Object.values(slow) };
}

/** Requests the next pass from each callback until `count` of them ran. */
function passes(binding, count, parts = everything) {
  return new Promise((resolve) => {
    let left = count;
    const opened = binding.open(() => {
      if (--left > 0) return binding.request(parts);
      binding.close();
      resolve();
    });
    if (!opened) throw new Error('open() returned false');
    binding.request(parts);
    // The reader keeps no process alive; this test must stay until its passes came.
    const alive = setInterval(() => left <= 0 && clearInterval(alive), 1);
  });
}

const inWorker = {
  /** Uses everything, then ends by itself. */
  use(binding) {
    binding.publishIsolate(new Float64Array(binding.isolateFields.length).fill(1));
    binding.run(everything);
    assertSums(binding);
    binding.isolates();
    binding.probe();
  },
  /** Calls every export as fast as it can until it is terminated. */
  call(binding) {
    const { quick, slow } = everyCall(binding);
    parentPort.postMessage('calls');
    (function round() {
      slow[Math.floor(Math.random() * slow.length)]();
      for (let i = 0; i < 30; i++) for (const call of quick) call();
      setImmediate(round); // symbols are read on other threads, and their promises are settled in between
    })();
  },
  /** Owns the reader and keeps it busy until it is terminated. */
  own(binding) {
    const opened = binding.open(() => binding.request(everything), 0);
    binding.request(everything);
    parentPort.postMessage(opened);
    setInterval(() => {}, 1e6);
  },
  /** Is refused the reader, and asks for passes all the same. */
  share(binding) {
    const opened = binding.open(() => {}, 0);
    binding.request(everything);
    binding.publishIsolate(new Float64Array(binding.isolateFields.length).fill(7));
    parentPort.postMessage(opened);
    setInterval(() => binding.request(everything), 1);
  },
};

const cases = {
  async passes(binding) {
    await passes(binding, 20);
    assertSums(binding);
  },

  async openCloseThousandTimes(binding) {
    for (let i = 0; i < 1000; i++) {
      if (!binding.open(() => {}, 0)) throw new Error(`open() returned false in round ${i}`);
      if (binding.open(() => {}, 0)) throw new Error('a second open() returned true');
      binding.request(i % 2 === 0 ? everything : 1);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      binding.close();
      binding.close();
    }
    await passes(binding, 1);
  },

  async workersLoadAndUnload(_, addon) {
    for (let round = 0; round < 8; round++) {
      const workers = Array.from({ length: 6 }, () => startWorker('use', addon));
      for (const worker of workers.slice(0, 3)) worker.once('online', () => worker.terminate());
      await Promise.all(workers.map(ended));
    }
  },

  async ownerIsTerminatedDuringAPass(binding, addon) {
    for (let round = 0; round < 10; round++) {
      const worker = startWorker('own', addon);
      if (!(await message(worker))) throw new Error(`the worker of round ${round} was refused the reader`);
      if (binding.open(() => {}, 0)) throw new Error('the main thread got a reader that a worker owns');
      await worker.terminate();
    }
    await passes(binding, 3);
  },

  /** Most are terminated in the middle of a call; every third one already while it loads the addon. */
  async terminatedInsideCalls(binding, addon, count = 60) {
    let started = 0;
    const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
    async function oneAfterTheOther() {
      while (started < count) {
        const worker = startWorker('call', addon);
        const failed = new Promise((_, reject) => worker.once('error', reject));
        const begun = started++ % 3 === 0 ? once(worker, 'online') : message(worker);
        await Promise.race([begun, failed]);
        await Promise.race([pause(), failed]);
        await Promise.race([worker.terminate(), failed]);
      }
    }
    await Promise.all(Array.from({ length: 6 }, oneAfterTheOther));
    for (const call of Object.values(everyCall(binding)).flat()) call();
    binding.close();
    binding.profileStop();
    await passes(binding, 3);
    assertSums(binding);
  },

  async othersComeAndGoWhileMainOwns(binding, addon) {
    let count = 0;
    binding.open(() => {
      count++;
      binding.request(everything);
    });
    binding.request(everything);
    for (let round = 0; round < 10; round++) {
      const worker = startWorker('share', addon);
      if (await message(worker)) throw new Error('a second environment got the reader');
      const rows = binding.isolates();
      if (rows.length !== binding.isolateFields.length || rows[0] !== 7) throw new Error(`isolates() returned ${rows}`);
      await worker.terminate();
      if (binding.isolates() !== undefined) throw new Error('a row outlived its isolate');
    }
    while (count < 10) await new Promise((resolve) => setImmediate(resolve));
    binding.close();
  },

  async childrenAreForkedDuringPasses(binding) {
    binding.open(() => binding.request(everything), 0);
    binding.request(everything);
    for (let i = 0; i < 40; i++) {
      const child = spawn('true', { stdio: 'ignore' });
      const code = await new Promise((resolve) => child.once('close', resolve));
      if (code !== 0) throw new Error(`child ended with ${code}`);
    }
    binding.close();
  },

  async twoCopies(binding, addon) {
    const directory = mkdtempSync(join(tmpdir(), 'extmem-'));
    copyFileSync(addon, join(directory, 'copy.node'));
    const copy = require(join(directory, 'copy.node'));
    await Promise.all([passes(binding, 5), passes(copy, 5)]);
    assertSums(binding);
    assertSums(copy);
    rmSync(directory, { recursive: true });
  },

  /** Ends by itself although the reader is open. */
  keepsNothingAlive(binding) {
    binding.open(() => {}, 0);
    binding.request(everything);
  },

  /** Ends with code 7 in the middle of passes. */
  exitDuringAPass(binding) {
    binding.open(() => binding.request(everything), 0);
    binding.request(everything);
    setTimeout(() => {
      console.log('done');
      process.exit(7);
    }, 20);
    return new Promise(() => {});
  },

  /** An exception in the callback is an uncaught exception like any other. */
  callbackThrows(binding) {
    const alive = setInterval(() => {}, 1e6);
    process.once('uncaughtException', (error) => {
      clearInterval(alive);
      binding.close();
      console.log(error.message);
    });
    binding.open(() => {
      throw new Error('done');
    });
    binding.request(1);
  },

  /** Arguments that TypeScript would not let through are ignored, not followed. */
  wrongArguments(binding) {
    const { open, ...others } = binding;
    const calls = Object.values(others).filter((value) => typeof value === 'function');
    const numbers = [1, -1, 0.5, NaN, Infinity, 1e300, 2n ** 70n];
    const objects = [
      {},
      [],
      new Proxy([], {}),
      new Uint8Array(4),
      new Float64Array(1),
      new DataView(new ArrayBuffer(8)),
    ];
    for (const wrong of [undefined, null, 'x', Symbol('x'), ...numbers, ...objects, () => {}]) {
      for (const call of calls) call(wrong, wrong, wrong, wrong);
      if (typeof wrong !== 'function' && open(wrong) !== false) throw new Error(`opened by ${String(wrong)}`);
    }
    for (const call of calls) call();
    binding.profileStop();
    binding.request(NaN);
    binding.run(-1);
    binding.run(1e10);
    binding.watch([1, {}, '\0', 'relative', '/dev/null']);
    binding.run(1);
    if (binding.texts().length !== 5) throw new Error('texts() lost an entry');
    binding.read();
    binding.close();
  },
};

async function main() {
  const [, , name, addon, count] = process.argv;
  await cases[name](require(addon), addon, count);
  if (name !== 'callbackThrows') console.log('done');
}

if (isMainThread) main();
else inWorker[workerData.name](require(workerData.addon));
