// Puts a service under load, route by route, and shows where its memory goes: first the leaking one, then its twin.
// About a minute. The samples stay in leaks.ndjson and fixed.ndjson beside this file; `extmem top -` shows them as they
// are written.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import autocannon from 'autocannon';

const require = createRequire(import.meta.url);
const folder = import.meta.dirname;
const register = require.resolve('extmem/register');
const manifest = require.resolve('extmem/package.json');
const commandLine = join(dirname(manifest), require(manifest).bin.extmem);
const MiB = 1024 * 1024;
const settleMs = 1200;
/** Requests per second: as many as it takes for each leak to show within seconds. Those that make garbage come last. */
const requestsPerSecond = { addon: 150, zlib: 100, buffers: 15, history: 800, listeners: 800, timers: 800 };
const body = JSON.stringify({ user: 'ada', roles: Array.from({ length: 300 }, (_, i) => `role-${i}`) });

/** Where growth can hide. They do not overlap. */
const accounts = {
  'JavaScript heap': (sample) => sample.v8.heapPhysicalBytes,
  'Buffers (malloc)': (sample) => sample.external.arrayBuffersBytes,
  'native, declared to V8 (malloc)': (sample) => sample.external.declaredByAddonsBytes,
  'native, known to nobody (malloc)': (sample) =>
    sample.malloc.inUseBytes - sample.external.arrayBuffersBytes - sample.external.declaredByAddonsBytes,
  'free, but kept by the allocator': (sample) => sample.malloc.retainedBytes,
};

let server = null;

function stopServer() {
  server?.kill('SIGTERM');
}

async function startServer(habits, destination) {
  rmSync(destination, { force: true });
  server = spawn(process.execPath, ['--require', register, join(folder, 'server.js'), `${habits}.js`], {
    env: { ...process.env, EXTMEM_DEST: destination, EXTMEM_INTERVAL: '1s' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  server.on('exit', (code) => {
    if (code !== 0 && code !== null) process.exit(code);
  });
  const [line] = await once(createInterface(server.stdout), 'line');
  return line.match(/http:\S+/)[0];
}

/** Follows the file that the server's sampler writes, and hands each new sample to `extmem top`. */
function follow(file) {
  const top = spawn(process.execPath, [commandLine, 'top', '-'], { stdio: ['pipe', 'inherit', 'inherit'] });
  // It ends when nobody reads what it prints, as with `| head`.
  top.stdin.on('error', () => process.exit(0));
  const shown = once(top, 'exit');
  const samples = [];
  const block = Buffer.alloc(64 * 1024);
  let fd = null;
  let rest = '';
  const timer = setInterval(() => {
    fd ??= openSync(file, 'r');
    for (let bytes = readSync(fd, block); bytes > 0; bytes = readSync(fd, block))
      rest += block.toString('utf8', 0, bytes);
    const lines = rest.split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const { extmem: record } = JSON.parse(line);
      if (record.kind !== 'sample') continue;
      top.stdin.write(`${line}\n`);
      samples.push(record);
    }
  }, 100);
  return {
    samples,
    async stop() {
      clearInterval(timer);
      if (fd !== null) closeSync(fd);
      top.stdin.end();
      await shown;
    },
  };
}

function load(url, habit, seconds) {
  return autocannon({
    url: `${url}/${habit}`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    connections: 4,
    overallRate: requestsPerSecond[habit],
    duration: seconds,
  });
}

function growth(first, last) {
  const rows = Object.entries(accounts).map(([name, read]) => ({ name, bytes: read(last) - read(first) }));
  rows.sort((a, b) => b.bytes - a.bytes);
  return { rssBytes: last.rssBytes - first.rssBytes, largest: rows[0] };
}

async function run(habits, secondsPerRoute) {
  const destination = join(folder, `${habits}.ndjson`);
  const url = await startServer(habits, destination);
  const following = follow(destination);
  const newest = async () => {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    return following.samples.at(-1);
  };
  console.log(`\n${habits}.js`);
  for (const habit of Object.keys(requestsPerSecond)) await load(url, habit, 1); // Compiles and fills pools.
  const results = {};
  let before = await newest();
  for (const habit of Object.keys(requestsPerSecond)) {
    console.log(`POST /${habit}, ${requestsPerSecond[habit]} requests/s for ${secondsPerRoute} s`);
    await load(url, habit, secondsPerRoute);
    const after = await newest();
    results[habit] = growth(before, after);
    before = after;
  }
  await following.stop();
  const exited = once(server, 'exit');
  stopServer();
  await exited;
  return results;
}

const signed = (bytes) => `${bytes < 0 ? '' : '+'}${(bytes / MiB).toFixed(1)}`;

function printSummary(leaks, fixed) {
  console.log('\nWhat grew, in MiB of RSS\n');
  console.log(`${'route'.padEnd(12)}${'leaks'.padStart(8)}${'fixed'.padStart(8)}   most of the leak is`);
  for (const [habit, { rssBytes, largest }] of Object.entries(leaks)) {
    const numbers = signed(rssBytes).padStart(8) + signed(fixed[habit].rssBytes).padStart(8);
    console.log(`${`/${habit}`.padEnd(12)}${numbers}   ${largest.name}: ${signed(largest.bytes)}`);
  }
  console.log('\nLook again: npx extmem top examples/leaky-server/leaks.ndjson');
}

process.once('SIGINT', () => {
  stopServer();
  console.log('\nStopped.');
  process.exit(130);
});
process.stdout.on('error', () => {
  stopServer(); // The reader went away, as with `| head`.
  process.exit(0);
});
process.on('exit', stopServer);

const leaks = await run('leaks', 3);
const fixed = await run('fixed', 2);
printSummary(leaks, fixed);
