// How long one allocation takes inside a big script, 50 frames of it deep, with a session of default options and without.
//   node bench/big-source.mjs [MB ...]      each of one and two bytes a character, many lines and one
//
//   Buffer   one of 64 KiB, by the program's own clock: collections of V8 and page faults of the program are in both
//   malloc   one of 32 KiB that the allocator has at hand, by an addon, in CPU time of the thread, so that no other one's
//            turn is part of it: what is more than without a session, is us
//
// Times in microseconds: p50, p99.99, longest; and malloc allocations above 100.
// Each function of the script is new to the session once; a tick each second looks at libraries and tables meanwhile.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { start } from 'extmem';

const [first, shape, mode] = process.argv.slice(2);
const worker = mode !== undefined;
const shapes = ['lines', 'lines-wide', 'one-line', 'one-line-wide'];
const bufferBytes = 65_536;
/** glibc tidies up when more is freed at once. */
const blockBytes = 32_768;
const rounds = 20_000;

if (!worker) {
  const sizes = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['1', '10', '30'];
  console.log(`# ${process.version}, ${rounds} allocations of each kind`);
  console.log('MB shape         session  Buffer p50 / p99.99 / longest    malloc p50 / p99.99 / longest');
  for (const megabytes of sizes) {
    for (const shape of shapes) {
      for (const mode of ['without', 'with']) {
        const args = [fileURLToPath(import.meta.url), megabytes, shape, mode];
        const { stdout } = spawnSync(process.execPath, args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        console.log(`${megabytes.padEnd(3)}${shape.padEnd(14)}${mode.padEnd(8)}${stdout.trim()}`);
      }
    }
  }
} else {
  const { held } = createRequire(import.meta.url)('../test/torture-addon/build/Release/held.node');
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
  const buffers = new Float64Array(rounds);
  const blocks = new Float64Array(rounds);
  let round = 0;
  const make = () => {
    const before = process.hrtime.bigint();
    const block = Buffer.allocUnsafeSlow(bufferBytes);
    buffers[round] = Number(process.hrtime.bigint() - before);
    blocks[round] = held(blockBytes);
    return block.byteLength;
  };
  const run = (rounds) => {
    for (round = 0; round < rounds; round++) functions[(round * 997) % functions.length](50, make);
  };
  run(2000);
  if (mode === 'with') {
    start({ destination: 'none', interval: '1s' });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  for (round = 0; round < rounds; round++) {
    functions[(round * 997) % functions.length](50, make);
    if (round % 100 === 0) await new Promise(setImmediate);
  }
  const shown = (times) => {
    const sorted = times.map((ns) => ns / 1000).sort();
    return [sorted[rounds >> 1], sorted[Math.floor(rounds * 0.9999)], sorted.at(-1)]
      .map((us) => us.toFixed(1).padStart(7))
      .join(' / ');
  };
  console.log(`${shown(buffers)}   ${shown(blocks)}   ${blocks.filter((ns) => ns > 100_000).length}`);
  process.exit(0);
}
