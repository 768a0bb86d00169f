// Situations of the profiler that need a process of their own: node hook-cases.cjs NAME. Prints one JSON value.
'use strict';
const { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { setTimeout: sleep } = require('node:timers/promises');
const { join } = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const root = join(__dirname, '..', '..');
const addonPath = process.env.EXTMEM_PREBUILD ?? join(root, 'build', 'Release', 'extmem.node');
const binding = require(addonPath);
const torture = require(join(root, 'test', 'torture-addon', 'build', 'Release', 'torture.node'));
const { FieldReader } = require(join(root, 'dist', 'binding', 'fields.js'));
const { NativeProfiler } = require(join(root, 'dist', 'profile', 'profiler.js'));
const { readTotals } = require(join(root, 'dist', 'profile', 'sites.js'));
const { finish } = require(join(root, 'dist', 'work.js'));
const reader = new FieldReader(binding.profileFields, (into) => binding.profileCounters(into));
function counters() {
  const { samples, tracked, refused, overwritten } = reader.read();
  return { samples, tracked, refused, overwritten };
}

function worker(name, data = {}) {
  return new Worker(__filename, { argv: [name], workerData: { name, ...data } });
}
const exited = (thread) => new Promise((resolve) => thread.on('exit', resolve));

/** Live blocks whose innermost frame is the torture's. Threads leave others of the loader and of libc behind. */
async function heldByTorture() {
  const held = { bytes: 0, blocks: 0 };
  for (const { stack, liveSamples, allocatedBytes, freedBytes } of finish(
    readTotals(binding, binding.profileTotals()),
  )) {
    if (liveSamples === 0) continue;
    const names = await binding.profileSymbols(binding.profileStack(stack));
    if (!names.split('\0', 1)[0].endsWith('torture.node')) continue;
    held.bytes += allocatedBytes - freedBytes;
    held.blocks += liveSamples;
  }
  return held;
}

/** What the executable's slots hold, as text: they lie in its last read-only mapping. */
function slotsOfExecutable() {
  const line = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .findLast((text) => text.includes(' r--p ') && text.endsWith(process.execPath));
  const [start, end] = line
    .split(' ')[0]
    .split('-')
    .map((text) => Number.parseInt(text, 16));
  const memory = openSync('/proc/self/mem', 'r');
  const bytes = Buffer.alloc(end - start);
  readSync(memory, bytes, 0, bytes.length, start);
  closeSync(memory);
  return bytes.toString('base64');
}

const cases = {
  // The first test of all: nothing happens, nothing is recorded.
  async off() {
    const profiler = new NativeProfiler(binding, { sampleBytes: 0, stackDepth: 64 });
    torture.everyForm(2);
    return {
      ...counters(),
      slots: reader.read().slots,
      capabilities: profiler.tellCapabilities(),
      numbers: profiler.numbers(),
    };
  },
  // The torture knows exactly which of its blocks are alive: the profiler has to say the same, to the byte.
  async exact() {
    binding.profileStart(1, 0, 64, 1);
    for (let i = 0; i < 80; i++) torture.raceRealloc(5000);
    torture.everyForm(50);
    torture.throws(50);
    torture.throwsThroughNew(50);
    torture.threadStorm(10);
    torture.smallStack(5);
    const [bytes, blocks] = torture.racedBlocks();
    const held = await heldByTorture();
    torture.freeRaced(1);
    return { ...counters(), truth: { bytes, blocks }, held, left: await heldByTorture() };
  },
  // Another profiler wraps us and stays: we stop, it calls us for ever, and nothing happens.
  async wrappedAfterUs() {
    const wrapper = require(join(root, 'test', 'torture-addon', 'build', 'Release', 'wrapper.node'));
    const before = slotsOfExecutable();
    const options = { sampleBytes: 1, stackDepth: 64 };
    const first = new NativeProfiler(binding, options);
    first.testStacks();
    const patched = slotsOfExecutable() !== before;
    wrapper.wrap();
    binding.profileRescan();
    const { samples } = counters();
    torture.everyForm(2);
    Buffer.allocUnsafeSlow(100_003);
    const whileWrapped = counters().samples > samples;
    first.stop();
    const stopped = counters();
    const calls = wrapper.calls();
    for (let i = 0; i < 1000; i++) Buffer.allocUnsafeSlow(10_007);
    torture.raceRealloc(2000);
    const inert = counters().samples - stopped.samples < 10; // what other threads were just recording
    const stillCalled = wrapper.calls() > calls + 1000;
    const second = new NativeProfiler(binding, options).unavailable;
    wrapper.unwrap(); // puts our hook back, which nobody else knows of
    const third = new NativeProfiler(binding, options);
    third.testStacks();
    third.stop();
    const restored = slotsOfExecutable() === before;
    return {
      started: first.unavailable,
      patched,
      whileWrapped,
      inert,
      stillCalled,
      second,
      third: third.unavailable,
      restored,
    };
  },
  // More places than the tables hold: what is live stays exact, and stands under no name.
  async fullTables() {
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64, maxSamplesPerCpuSecond: 0 });
    profiler.testStacks();
    for (let i = 0; i < 9000; i++) new Function(`return function place${i}() { Buffer.allocUnsafeSlow(100) }`)()();
    // The counters alone: a look at the libraries would make room.
    const read = () => {
      const { stacks, stacksRefused, allocatedBytes, freedBytes, overwritten } = reader.read();
      return { stacks, stacksRefused, liveBytes: allocatedBytes - freedBytes, overwritten };
    };
    const before = read();
    const notKept = async () => (await profiler.profile()).top(1e6).find(({ site }) => site === '(stack not kept)');
    const heldBefore = (await notKept()).liveBytes;
    const kept = Array.from({ length: 200 }, function unknownPlace() {
      return Buffer.allocUnsafeSlow(100_003);
    });
    const after = read();
    return {
      stacks: before.stacks,
      stacksDropped: before.stacksRefused,
      grown: (after.liveBytes - before.liveBytes) / (kept.length * 100_003),
      notKept: ((await notKept()).liveBytes - heldBefore) / (kept.length * 100_003),
      missedFrees: after.overwritten,
    };
  },
  // Three times more places than the tables hold, each freed again; then one that is kept.
  async placesThatGo() {
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64, maxSamplesPerCpuSecond: 0 });
    profiler.testStacks();
    const ownBytes = [];
    for (let i = 0; i < 24_000; i++) {
      new Function(`return function place${i}() { Buffer.allocUnsafeSlow(100) }`)()();
      if (i % 500 !== 0) continue;
      global.gc();
      profiler.numbers();
      ownBytes.push(profiler.ownBytes);
    }
    const kept = Array.from({ length: 200 }, function lastPlace() {
      return Buffer.allocUnsafeSlow(100_003);
    });
    const { stacksDropped } = profiler.numbers();
    const site = (await profiler.profile()).top(1);
    const half = ownBytes.length / 2;
    return {
      stacksDropped,
      grown: Math.max(...ownBytes.slice(half)) / Math.max(...ownBytes.slice(0, half)),
      share: site[0].liveBytes / (kept.length * 100_003),
      site: site[0].site,
    };
  },
  // What the profiler itself keeps resident while 2 GiB are live. Blocks of 64 KiB, of which nothing is touched.
  async ownMemory() {
    const leak = require(join(root, 'test', 'torture-addon', 'build', 'Release', 'leak.node'));
    const { snapshot } = require(join(root, 'dist', 'index.js'));
    snapshot();
    const before = snapshot().ledger.leafBytes.runtime;
    const options = { sampleBytes: 512 * 1024, stackDepth: 64, maxSamplesPerCpuSecond: 0 };
    const profiler = new NativeProfiler(binding, options);
    profiler.testStacks();
    leak.hold(65_536, 32_768);
    const { liveBytes, tracked } = profiler.numbers();
    return { liveBytes, tracked, ownBytes: snapshot().ledger.leafBytes.runtime - before };
  },
  async startStop() {
    const noise = worker('noise');
    await new Promise((resolve) => noise.once('message', resolve));
    const statuses = new Set();
    for (let i = 0; i < 1000; i++) {
      statuses.add(binding.profileStart(i % 2 === 0 ? 1 : 4096, 0, 64, i));
      Buffer.allocUnsafeSlow(5000);
      binding.profileStop();
    }
    await noise.terminate();
    binding.profileStart(1, 0, 64, 1);
    const { tracked } = counters();
    Buffer.allocUnsafeSlow(100_003);
    return { statuses: [...statuses], works: counters().tracked > tracked };
  },
  async noise() {
    parentPort.postMessage('runs');
    for (;;) torture.raceRealloc(1000);
  },
  async twoCopies() {
    const folder = mkdtempSync(join(tmpdir(), 'extmem-copy-'));
    try {
      const path = join(folder, 'second.node');
      copyFileSync(addonPath, path);
      const second = require(path);
      const started = new NativeProfiler(binding, { sampleBytes: 65_536, stackDepth: 64 });
      started.testStacks();
      const refused = new NativeProfiler(second, { sampleBytes: 65_536, stackDepth: 64 });
      started.stop();
      const later = new NativeProfiler(second, { sampleBytes: 65_536, stackDepth: 64 });
      const after = later.unavailable;
      later.stop();
      return { first: started.unavailable, second: refused.unavailable, after };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  async denied() {
    torture.denyWrites(2);
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64 });
    profiler.testStacks();
    torture.everyForm(5);
    return { ...counters(), unavailable: profiler.unavailable, numbers: profiler.numbers() };
  },
  // Native frames go on, and why the others are missing is said.
  async deniedReads() {
    torture.denyReads(1);
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64 });
    profiler.testStacks();
    torture.everyForm(5);
    profiler.stop();
    return { ...profiler.tellCapabilities(), sampled: counters().samples > 100 };
  },
  async capabilities() {
    const profiler = new NativeProfiler(binding, { sampleBytes: 4096, stackDepth: 64 });
    profiler.testStacks();
    profiler.hurryTest();
    const pending = () => /until the self-test/.test(profiler.tellCapabilities().javascriptStacks);
    while (pending()) await sleep(10); // V8 compiles on threads that a busy machine holds up
    profiler.stop();
    return profiler.tellCapabilities();
  },
  // Slots are written, and restored, through pages that are opened for the time.
  async deniedFile() {
    const before = slotsOfExecutable();
    torture.denyWrites(1);
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64 });
    profiler.testStacks();
    torture.everyForm(5);
    const during = slotsOfExecutable();
    profiler.stop();
    return {
      samples: counters().samples,
      unavailable: profiler.unavailable,
      changed: during !== before,
      restored: slotsOfExecutable() === before,
    };
  },
  // How far an allocation reaches down the stack of a thread of the program: without us, not sampled, sampled.
  async stackBytes() {
    const measure = (sampleBytes) => {
      if (sampleBytes > 0) binding.profileStart(sampleBytes, 0, 64, 1);
      torture.stackOfMalloc(); // binds what is bound late
      const bytes = torture.stackOfMalloc();
      binding.profileStop();
      return bytes;
    };
    return { plain: measure(0), unsampled: measure(2 ** 40), sampled: measure(1) };
  },
  // A worker owns the profiler and is killed: another thread may then start it.
  async ownerKilled() {
    const owner = worker('own');
    await new Promise((resolve) => owner.once('message', resolve));
    const during = binding.profileStart(4096, 0, 64, 1);
    owner.terminate();
    await exited(owner);
    return { during, after: binding.profileStart(4096, 0, 64, 1) };
  },
  async own() {
    binding.profileStart(4096, 0, 64, 1);
    parentPort.postMessage('runs');
    setInterval(() => Buffer.allocUnsafeSlow(10_000), 1);
  },
  // Out of memory: the process ends as it would have.
  async outOfMemory() {
    binding.profileRegister();
    binding.profileLevel(2);
    binding.profileStart(1, 0, 64, 1);
    const kept = [];
    for (;;) kept.push({ text: `item ${kept.length}`, more: [kept.length], buffer: Buffer.alloc(100) });
  },
};

cases[isMainThread ? process.argv[2] : workerData.name]().then((result) => {
  if (isMainThread) process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
});
