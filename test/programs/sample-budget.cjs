// A program that sleeps most of the time, and allocates ROUNDS times in between: node sample-budget.cjs ROUNDS
'use strict';
const { join } = require('node:path');
const { start } = require(join(__dirname, '..', '..', 'dist', 'index.js'));

const blockBytes = 768 * 1024;
const session = start({ sampleBytes: blockBytes / 6, interval: '24h', streams: false, destination: 'none' });
const held = [];
for (let round = 0; round < Number(process.argv[2]); round++) {
  for (let i = 0; i < 60; i++) held.push(Buffer.allocUnsafeSlow(blockBytes));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}
const { sampleBytes, liveBytes, liveBytesError } = session.sample().native;
console.log(
  JSON.stringify({
    times: (6 * sampleBytes) / blockBytes,
    liveBytes,
    liveBytesError,
    trueBytes: held.length * blockBytes,
  }),
);
