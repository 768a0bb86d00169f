// Whether v8::Isolate::GetStackSample would show more than the walk over frame pointers that every sample does anyway:
//   node bench/stack-sample.mjs [ROUNDS]
// Frames from all compilers: functions begin cold and get hot. Why it is not used stands in docs/how-it-works.md.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { sample } = require('../test/torture-addon/build/Release/stack_sample.node');
const rounds = Number(process.argv[2] ?? 2000);

let frames = 0;
let missing = 0;
let empty = 0;
const written = new Set();
const ns = [];

function look() {
  const [count, notWalked, bytes, took] = sample();
  frames += count;
  missing += notWalked;
  if (count === 0) empty++;
  written.add(bytes);
  ns.push(took);
}
const inner = (item) => (item === 2 ? look() : 0);
const through = [
  () => [1, 2].map(inner),
  () => new (class extends Array {})(1).concat([2]).forEach(inner),
  () => JSON.parse('[2]', (_key, value) => (value === 2 ? inner(value) : value)),
  () => 'x'.replace(/x/, () => inner(2) ?? ''),
  () => Reflect.apply(inner, null, [2]),
  () => [2, 1].sort((a, b) => (inner(Math.max(a, b)) ?? 0) + a - b),
];
function descend(depth, run) {
  return depth === 0 ? run() : descend(depth - 1, run);
}
for (let i = 0; i < rounds; i++) descend(i % 12, through[i % through.length]);
ns.sort((a, b) => a - b);
console.log(
  `${process.version}: ${ns.length} samples, ${frames} frames, ${missing} of them unknown to the walk, ${empty} empty samples, ` +
    `${[...written].join('/')} bytes of result, median ${(ns[ns.length >> 1] / 1000).toFixed(2)} us`,
);
