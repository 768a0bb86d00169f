'use strict';
/**
 * One careless line each, for the lines that a person reads. Real services are not made of forced collections; here
 * `gc` only saves waiting. Prints the sites.
 */
const fs = require('node:fs');
const http = require('node:http');
const { setTimeout: wait } = require('node:timers/promises');
const { StreamTracker } = require('../../dist/streams.js');

const tracker = new StreamTracker({ intervalMs: 100, window: 120 });
const body = Buffer.alloc(600_000);
const kept = [];

async function cloneHalfRead(url) {
  const response = await fetch(url);
  kept.push(response.clone());
  await response.arrayBuffer();
}

async function cancelBlob() {
  await new Blob([body]).stream().cancel();
}

async function neverReadBody(url) {
  kept.push(await fetch(url));
}

function dropFile() {
  fs.createReadStream(__filename);
}

function tooManyListeners() {
  const stream = fs.createReadStream(__filename);
  kept.push(stream);
  process.removeAllListeners('warning');
  for (let i = 0; i < 12; i++) stream.on('close', () => {});
}

const server = http
  .createServer((_, response) => response.end(body))
  .listen(0, '127.0.0.1', async () => {
    const url = `http://127.0.0.1:${server.address().port}`;
    await cloneHalfRead(url);
    await cancelBlob();
    await neverReadBody(url);
    dropFile();
    tooManyListeners();
    // The descriptor of a dropped file must have been seen before the stream is collected.
    await wait(500);
    for (let turn = 0; turn < 100; turn++) {
      await wait(50);
      globalThis.gc();
      const { lost } = tracker.sample();
      if (turn > 10 && lost > 0) break;
    }
    fs.writeSync(1, `${JSON.stringify(tracker.report())}\n`);
    process.exit(0);
  });
