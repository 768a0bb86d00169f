// The two inputs that make looking expensive: very many mappings, and very many free chunks.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { start } from 'extmem';
import { main, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const addon = createRequire(import.meta.url)('../test/addon/build/Release/test_addon.node');
const mappings = 56_000;
const freeChunks = 1_000_000;
const freezeMs = 20;
const watchMs = 30_000;

/** From one pass over the mappings to the next but one: what the reader thread used of a core meanwhile. */
function childMappings() {
  addon.splitMappings(mappings);
  let passes = 0;
  let lastAgeMs = Number.POSITIVE_INFINITY;
  let cpuUs = 0;
  let fromMs = 0;
  setInterval(() => {}, 1e6);
  start({ interval: '1s', destination: 'none' }).on('sample', ({ ledger, cost }) => {
    cpuUs += cost.offThreadUs;
    const isNew = ledger.ageMs < lastAgeMs;
    lastAgeMs = ledger.ageMs;
    if (!isNew) return;
    passes++;
    if (passes === 1) {
      fromMs = performance.now();
      cpuUs = 0;
    } else if (passes === 3) {
      const elapsedMs = performance.now() - fromMs;
      report({ share: cpuUs / 1000 / elapsedMs, passMs: cost.ledgerUs / 1000, mappings: ledger.mappings });
    }
  });
}

/** A loop that takes the arena's lock at each turn, and notes when it was kept waiting. */
function childChunks(mode) {
  addon.hoard(2 * freeChunks * 48, 48, 48);
  addon.freeEvery(2);
  let stopped = null;
  const freezes = [];
  const run = () => {
    if (mode === 'on') {
      start({ interval: '1s', destination: 'none' }).on('sample', (sample) => {
        stopped = sample.malloc.stopped;
      });
    }
    const endMs = performance.now() + watchMs;
    let lastMs = performance.now();
    const turn = () => {
      Buffer.allocUnsafeSlow(2048); // Above what a thread's cache holds, so the lock is taken.
      const nowMs = performance.now();
      if (nowMs - lastMs > freezeMs) freezes.push(nowMs - lastMs);
      lastMs = nowMs;
      if (nowMs < endMs) setImmediate(turn);
      else report({ freezes, stopped });
    };
    turn();
  };
  setTimeout(run, 500);
}

function child(which, mode) {
  if (which === 'mappings') childMappings();
  else childChunks(mode);
}

const listed = ({ freezes }) =>
  `${freezes.length}${freezes.length > 0 ? ` (${freezes.map((ms) => `${ms.toFixed(0)} ms`).join(', ')})` : ''}`;

export async function bench() {
  const many = await trial(file, ['mappings']);
  const off = await trial(file, ['chunks', 'off']);
  const on = await trial(file, ['chunks', 'on']);
  return [
    { what: `pass over ${many.mappings} mappings`, value: `${many.passMs.toFixed(0)} ms` },
    { what: '… share of a core', value: `${(many.share * 100).toFixed(2)} %`, goal: '≤ 0.5 %' },
    {
      what: `freezes > ${freezeMs} ms in ${watchMs / 1000} s, ${freeChunks} free chunks, sampler off`,
      value: listed(off),
    },
    { what: '… sampler on', value: listed(on), goal: 'at most one more' },
    { what: '… reads of the allocator stopped', value: on.stopped === null ? 'no' : 'yes, said in malloc.stopped' },
  ];
}

await main(import.meta.url, bench, child);
