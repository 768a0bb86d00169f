// Runs everything that is nasty to a hook for some rounds, while every allocation is sampled, and prints the counters.
//   node torture.cjs ROUNDS [MODE...]
//   debugged   an inspector is attached, and there are breakpoints that never stop
//   noThrow    leaves out requests that operator new has to refuse, at which some allocators abort
'use strict';
const inspector = require('node:inspector');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { execFileSync } = require('node:child_process');
const crypto = require('node:crypto');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const zlib = require('node:zlib');
const binding = require(process.env.EXTMEM_PREBUILD ?? '../../build/Release/extmem.node');
const torture = require('../torture-addon/build/Release/torture.node');
const frameless = require('../torture-addon/build/Release/frameless.node');

const rounds = Number(isMainThread ? process.argv[2] : workerData.rounds);
const modes = process.argv.slice(3);
v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');
const wasmBytes = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 2, 96, 0, 0, 96, 0, 1, 127, 2, 7, 1, 1, 109, 1, 102, 0, 0, 3, 2, 1, 1, 7, 5, 1, 1,
  103, 0, 1, 10, 8, 1, 6, 0, 16, 0, 65, 7, 11,
]);
// --jitless has no WebAssembly.
const wasm =
  typeof WebAssembly === 'undefined'
    ? null
    : new WebAssembly.Instance(new WebAssembly.Module(wasmBytes), { m: { f: () => void Buffer.alloc(7000) } });

function recurse(depth) {
  try {
    Buffer.allocUnsafeSlow(20000);
    return recurse(depth + 1);
  } catch {
    return depth;
  }
}
const polymorphic = (object) => object.a + (object.b | 0);
class Private {
  #held = 1;
  get held() {
    return Buffer.alloc(5000).length + this.#held;
  }
  static {
    Private.made = Buffer.alloc(100);
  }
}
function* generate() {
  yield Buffer.alloc(3000);
}
async function later() {
  await null;
  Buffer.alloc(9000);
  await new Promise((resolve) => setImmediate(resolve));
}

let garbage = [];
async function round(i) {
  for (let k = 0; k < 300; k++) garbage.push({ a: k, b: { c: [k, String(k)] } });
  if (garbage.length > 20000) garbage = [];
  new Function('a', 'b', `/*${i}*/ return function f${i}(){ return [a,b].map((x)=>Buffer.alloc(4096+x)) }`)(1, 2)();
  vm.runInNewContext('(function g(){ return new Uint8Array(10000).map((x) => x + 1) })()');
  JSON.parse(JSON.stringify(garbage.slice(0, 200)));
  /(a+)+b/.test('aaaaaaaaaaaaaaaa');
  'x'.repeat(1000).replace(/x/g, () => 'yy');
  zlib.deflateSync(Buffer.alloc(1000));
  crypto.createHash('sha256').update('x').digest();
  structuredClone({ a: new Uint8Array(1000) });
  for (let k = 0; k < 2000; k++) polymorphic(k & 1 ? { a: 1 } : { a: 1.5, b: 2 });
  if (i % 7 === 0) polymorphic({ a: 's', b: 1, c: 2 });
  wasm?.exports.g();
  [3, 1, 2].sort((a, b) => Buffer.alloc(1000) && a - b);
  Array.from({ length: 5 }, (_, k) => Buffer.alloc(6000 + k));
  new Private().held;
  for (const chunk of generate()) chunk[0] = 1;
  Reflect.construct(Private, []);
  new Proxy({}, { get: () => Buffer.alloc(2000) }).any;
  [1].forEach(
    (() => {
      Buffer.alloc(3000);
    }).bind(null),
  );
  await later();
  if (i % 10 === 0) recurse(0);
  if (i % 10 === 0) gc();
  if (i % 31 === 0) gc({ type: 'minor' });
  torture.everyForm(1);
  torture.throws(5);
  torture.raceRealloc(200);
  if (isMainThread) {
    frameless.hold(5003, 20);
    frameless.release(1);
    if (!modes.includes('noThrow')) torture.throwsThroughNew(2);
    if (i % 5 === 0) torture.threadStorm(2);
    if (i % 9 === 0) torture.forkStorm(1);
    if (i % 9 === 1) torture.rawForkStorm(2);
    if (i % 5 === 0) torture.reload(5);
    if (i % 5 === 0) binding.profileRescan();
    if (i % 5 === 0) torture.smallStack(2);
    if (i % 40 === 0) execFileSync(process.execPath, ['-e', '1']);
    if (i % 20 === 0) await work(false);
    if (i % 20 === 10) await work(true);
    if (i % 60 === 0) await new Promise((resolve) => zlib.gzip(Buffer.alloc(100000), resolve));
  }
}

// Another thread's loader makes pages read-only, and unmaps them, while their slots are looked at and written. Each
// rescan makes all native frames new, so this comes last.
function rescanDuringLoads(times) {
  torture.beginLoads(1);
  for (let k = 0; k < times; k++) binding.profileRescan();
  torture.endLoads(1);
}

// A worker that runs to its end, or is killed in the middle of it.
function work(killed) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { rounds: killed ? 1e9 : 3 } });
    worker.on('exit', resolve);
    worker.on('error', reject);
    if (killed) worker.once('message', () => worker.terminate());
  });
}

// Breakpoints make V8 run instrumented copies of functions. Each worker has an inspector of its own.
function debug() {
  const session = new inspector.Session();
  session.connect();
  session.post('Debugger.enable');
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const lines = readFileSync(__filename, 'utf8').split('\n');
  for (const text of ['Buffer.allocUnsafeSlow(20000)', 'Buffer.alloc(6000 + k)', 'polymorphic(k & 1']) {
    const lineNumber = lines.findIndex((line) => line.includes(text));
    session.post('Debugger.setBreakpointByUrl', { url: `file://${__filename}`, lineNumber, condition: 'false' });
  }
}

async function main() {
  if (modes.includes('debugged')) debug();
  const missing = binding.profileRegister();
  if (isMainThread) {
    binding.profileLevel(2);
    const status = binding.profileStart(1, 0, 64, 1);
    if (status !== 'installed') throw new Error(`profileStart: ${status}`);
  } else require('node:worker_threads').parentPort.postMessage('runs');
  for (let i = 0; i < rounds; i++) await round(i);
  if (!isMainThread) return;
  rescanDuringLoads(300);
  const numbers = new Float64Array(binding.profileFields.length);
  binding.profileCounters(numbers);
  binding.profileStop();
  const counters = Object.fromEntries(binding.profileFields.map((name, i) => [name, numbers[i]]));
  console.log(JSON.stringify({ node: process.version, missing, ...counters, program: path.basename(__filename) }));
}
main();
