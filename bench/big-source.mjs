// How long one allocation takes inside a big script, 50 frames of it deep, with and without the profiler at its default
// rate. Collections of V8 fall into both columns.
//   node bench/big-source.mjs [MB ...]      each of one and two bytes a character, many lines and one
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const [first, shape, mode] = process.argv.slice(2);
const worker = mode !== undefined;

if (!worker) {
  const sizes = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['1', '10', '30'];
  console.log('MB shape          without p50 / p99.99 / longest us        with p50 / p99.99 / longest us');
  for (const megabytes of sizes) {
    for (const shape of ['lines', 'lines-wide', 'one-line', 'one-line-wide']) {
      const row = ['without', 'with'].map((mode) => {
        const args = [fileURLToPath(import.meta.url), megabytes, shape, mode];
        return spawnSync(process.execPath, args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        }).stdout.trim();
      });
      console.log(`${megabytes.padEnd(3)}${shape.padEnd(15)}${row[0].padStart(30)}${row[1].padStart(34)}`);
    }
  }
} else {
  const end = shape.startsWith('one-line') ? ' ' : '\n';
  const filler = `/*${(shape.endsWith('wide') ? '日' : 'x').repeat(997)}*/${end}`;
  const parts = [`const fs = [];${end}`];
  let size = 0;
  for (let i = 0; size < Number(first) * 2 ** 20; i++) {
    const text = `fs.push(function f${i}(n, make) { return n <= 0 ? make() : fs[(${i} * 7 + n) % fs.length](n - 1, make) });${end}${filler}`;
    parts.push(text);
    size += text.length;
  }
  parts.push('fs');
  const functions = vm.runInThisContext(parts.join(''), { filename: '/bench/big.js' });
  const binding = createRequire(import.meta.url)('../build/Release/extmem.node');
  const times = [];
  const make = () => {
    const before = process.hrtime.bigint();
    const block = Buffer.allocUnsafeSlow(65_536);
    times.push(Number(process.hrtime.bigint() - before) / 1000);
    return block.byteLength;
  };
  const run = (rounds) => {
    times.length = 0;
    for (let i = 0; i < rounds; i++) functions[(i * 997) % functions.length](50, make);
  };
  run(2000);
  if (mode === 'with') {
    binding.profileRegister();
    binding.profileLevel(2);
    binding.profileStart(524_288, 500, 64, 0);
  }
  run(20_000);
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
  console.log(`${at(0.5)} / ${at(0.9999)} / ${times.at(-1).toFixed(1)}`);
  process.exit(0);
}
