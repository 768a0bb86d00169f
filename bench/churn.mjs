/**
 * A day of code that comes and goes, in half a minute: functions and files that are compiled once, addons that workers
 * load and drop, libraries that are opened and closed, lines that create streams. A tick comes every 50 ms. At the end
 * 50 MB are leaked, and once more after stop() and start(): are they told by their line, what was dropped, and did our own
 * memory grow? The JS heap of such a program grows by itself, so it runs beside one without us.
 *
 *   node bench/churn.mjs [seconds]      30 by default, on each Node that `npm ci --prefix test/nodes` brought
 *
 * Needs the addons of the tests: `npm run build:addon`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { isMainThread, Worker } from 'node:worker_threads';
import { start } from 'extmem';
import { main, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const at = (path) => fileURLToPath(new URL(`../test/${path}`, import.meta.url));
const addon = (name) => createRequire(import.meta.url)(at(`torture-addon/build/Release/${name}.node`));
const nodes = [20, 22, 24, 26].map((major) => at(`nodes/node_modules/node${major}/bin/node`)).filter(existsSync);

/** An addon that is gone when its worker is. */
function useAddonInWorker() {
  return new Promise((resolve) => new Worker(file).on('exit', resolve));
}
if (!isMainThread) {
  const { hold, release } = addon('leak');
  hold(100_000, 20);
  release(1);
}

let made = 0;
function churn(torture) {
  for (let i = 0; i < 40; i++) {
    new Function(`return function made${made++}() { return Buffer.allocUnsafeSlow(20_000) }`)()();
  }
  for (let i = 0; i < 10; i++) {
    const source = '((Stream, Buffer) => { Buffer.allocUnsafeSlow(20_000); return new Stream() })';
    vm.runInThisContext(source, { filename: `/generated/${made++}.js` })(PassThrough, Buffer).destroy();
  }
  torture.reload(1);
}

/** 50 MB, and whether they are the first of all sites. */
async function leak(session) {
  const kept = Array.from({ length: 50 }, function planted() {
    return Buffer.allocUnsafeSlow(1_000_003);
  });
  const [first] = (await session.profile()).top(1);
  return {
    site: first.site,
    share: first.liveBytes / (kept.length * 1_000_003),
    error: first.errorBytes / first.liveBytes,
  };
}

async function child(seconds, mode) {
  const options = { interval: '50ms', destination: 'none', sampleBytes: '16KiB' };
  const torture = addon('torture');
  let session = mode === 'with' ? start(options) : null;
  await sleep(500);
  const looks = [];
  let workers = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    churn(torture);
    if (made % 500 === 0) {
      await useAddonInWorker();
      workers++;
      for (let i = 0; i < 2; i++) global.gc(); // the second takes what waited for finalizers
      looks.push({ own: session?.sample().cost.ownBytes, heap: process.memoryUsage().heapUsed });
    }
    await sleep(5);
  }
  if (session === null) return report({ looks });
  const { native } = session.sample();
  const { overflowed } = session.streams();
  const before = await leak(session);
  await session.stop();
  session = start(options);
  await sleep(500);
  const after = await leak(session);
  const { stacksDropped, missedFrees, samples } = native;
  report({
    version: process.version,
    looks,
    made,
    workers,
    samples,
    stacksDropped,
    missedFrees,
    overflowed,
    before,
    after,
  });
}

/** Of the last third to the first, with twice the standard error: looks differ by what was just swept. */
function ratio(values) {
  const third = Math.floor(values.length / 3);
  const [first, last] = [values.slice(0, third), values.slice(-third)].map((part) => {
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
    const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (part.length - 1);
    return { mean, error: Math.sqrt(variance / part.length) };
  });
  const error = (2 * Math.hypot(first.error, last.error)) / first.mean;
  return `${(last.mean / first.mean).toFixed(3)} ± ${error.toFixed(3)} (${(last.mean / 1e6).toFixed(2)} MB)`;
}

const told = ({ site, share, error }) => `${(share * 100).toFixed(0)} % ± ${(error * 100).toFixed(0)} % at ${site}`;

async function bench() {
  const seconds = process.argv[2] ?? '30';
  const rows = [];
  for (const node of nodes.length > 0 ? nodes : [process.execPath]) {
    const flags = ['--expose-gc', '--no-warnings'];
    const runs = ['with', 'without'].map((mode) => trial(file, [seconds, mode], { flags, node }));
    const [run, without] = await Promise.all(runs);
    const add = (what, value, goal) => rows.push({ what: `${run.version}: ${what}`, value, goal });
    add('places, libraries, workers, samples', `${run.made}, ${run.made / 50}, ${run.workers}, ${run.samples}`);
    add(
      'stacks dropped, frees missed, stream lines dropped',
      `${run.stacksDropped}, ${run.missedFrees}, ${run.overflowed}`,
      '0, 0, 0',
    );
    add('own tables, last third to first', ratio(run.looks.map(({ own }) => own)), '1');
    const heap = ({ looks }) => ratio(looks.map(({ heap }) => heap));
    add('JS heap after gc, last third to first; without us', `${heap(run)}; ${heap(without)}`);
    add('the leak at the end', told(run.before), '100 % at planted');
    add('after stop and start', told(run.after), '100 % at planted');
  }
  return rows;
}

if (isMainThread) await main(import.meta.url, bench, child);
