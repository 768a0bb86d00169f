// How often the truth lies within the printed 95 % interval, over seeded trials: node estimates.cjs TRIALS [MIX]
// Prints { mix: { inside, bias } } : the share of intervals that hold the truth, and mean estimate / truth.
'use strict';
const { join } = require('node:path');
const root = join(__dirname, '..', '..');
const binding = require(process.env.EXTMEM_PREBUILD ?? join(root, 'build', 'Release', 'extmem.node'));
const { interval95, readTotals } = require(join(root, 'dist', 'profile', 'sites.js'));
const { finish } = require(join(root, 'dist', 'work.js'));
const leak = require('../torture-addon/build/Release/leak.node');

const trials = Number(process.argv[2]);
const mean = 64 * 1024;
const rate = (bytes) => binding.profileRate(bytes);

/** Each returns the bytes that it leaves alive. */
const mixes = {
  small: () => hold(64, 50_000),
  medium: () => hold(16_384, 400),
  large: () => hold(100_000, 100),
  few: () => hold(64, 8_000),
  mixed: () => hold(40, 20_000) + hold(1000, 1000) + hold(9000, 100) + hold(70_000, 20) + hold(200_000, 5),
  halfFreed() {
    const bytes = hold(500, 8000);
    leak.release(2);
    return bytes / 2;
  },
  rateRaised() {
    const before = hold(200, 8000);
    rate(4 * mean);
    return before + hold(200, 40_000);
  },
  rateLowered() {
    const before = hold(200, 20_000);
    rate(mean / 4);
    return before + hold(200, 8000);
  },
};

function hold(bytes, count) {
  leak.hold(bytes, count);
  return bytes * count;
}

function liveOf(name) {
  let bytes = 0;
  let variance = 0;
  for (const row of finish(readTotals(binding, binding.profileTotals()))) {
    const frames = [...binding.profileStack(row.stack)].map((id) => binding.profileFrame(id));
    if (!frames.some((frame) => frame?.name === name)) continue;
    bytes += row.allocatedBytes - row.freedBytes;
    variance += row.variance;
  }
  return { bytes, variance };
}

binding.profileRegister();
binding.profileLevel(1);
const wanted = process.argv[3];
const results = {};
for (const [name, mix] of Object.entries(mixes)) {
  if (wanted !== undefined && wanted !== name) continue;
  let inside = 0;
  let ratio = 0;
  for (let trial = 0; trial < trials; trial++) {
    if (binding.profileStart(mean, 0, 64, 20_260_000 + trial) !== 'installed') throw new Error('profileStart');
    const before = liveOf('hold');
    const bytes = mix();
    const after = liveOf('hold');
    const [low, high] = interval95(after.bytes - before.bytes, after.variance - before.variance);
    inside += low <= bytes && bytes <= high;
    ratio += (after.bytes - before.bytes) / bytes;
    binding.profileStop();
    leak.release(1);
  }
  results[name] = { inside: inside / trials, bias: ratio / trials };
}
console.log(JSON.stringify(results));
