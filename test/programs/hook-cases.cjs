// Situations of the profiler that need a process of their own: node hook-cases.cjs NAME. Prints one JSON value.
'use strict';
const { copyFileSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const root = join(__dirname, '..', '..');
const addonPath = process.env.EXTMEM_PREBUILD ?? join(root, 'build', 'Release', 'extmem.node');
const binding = require(addonPath);
const torture = require(join(root, 'test', 'torture-addon', 'build', 'Release', 'torture.node'));
const { NativeProfiler } = require(join(root, 'dist', 'profile.js'));
const { readTotals } = require(join(root, 'dist', 'sites.js'));
const counters = () => new NativeProfilerCounters(binding.profileCounters());
class NativeProfilerCounters {
  constructor([, , samples, tracked, refused, overwritten]) {
    Object.assign(this, { samples, tracked, refused, overwritten });
  }
}

function worker(name, data = {}) {
  return new Worker(__filename, { argv: [name], workerData: { name, ...data } });
}
const exited = (thread) => new Promise((resolve) => thread.on('exit', resolve));

const cases = {
  // The first test of all: nothing happens, nothing is recorded.
  async off() {
    const profiler = new NativeProfiler(binding, { sampleBytes: 0, stackDepth: 64 });
    torture.everyForm(2);
    return {
      ...counters(),
      slots: profiler.counters().slots,
      capabilities: profiler.capabilities,
      numbers: profiler.numbers(),
    };
  },
  // Every block of the threads was freed by somebody: none may be left, and no free may have been missed.
  async exact() {
    binding.profileStart(1, 0, 64, 1);
    for (let i = 0; i < 20; i++) torture.raceRealloc(5000);
    torture.everyForm(50);
    torture.throws(50);
    torture.threadStorm(10);
    torture.smallStack(5);
    const left = [];
    for (const { stack, liveSamples } of readTotals(binding.profileTotals())) {
      if (liveSamples === 0) continue;
      const frames = [...binding.profileStack(stack)].map((id) => binding.profileFrame(id));
      const names = await binding.profileSymbols(
        Float64Array.from(frames.flatMap(({ pc, generation }) => [pc, generation])),
      );
      // Threads leave blocks of the loader and of libc behind; what was allocated by the torture itself is what counts.
      const first = names[0] ?? [];
      if (first[0]?.endsWith('torture.node')) left.push({ liveSamples, names: names.slice(0, 3).map((row) => row[1]) });
    }
    return { ...counters(), left };
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
    torture.denyProtection(1);
    const profiler = new NativeProfiler(binding, { sampleBytes: 1, stackDepth: 64 });
    torture.everyForm(5);
    return { ...counters(), unavailable: profiler.unavailable, numbers: profiler.numbers() };
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
