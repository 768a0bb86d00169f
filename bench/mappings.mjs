// The two inputs that make looking expensive: very many mappings, and very many free chunks.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { start } from 'extmem';
import { main, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const addon = createRequire(import.meta.url)('../test/addon/build/Release/test_addon.node');
const mappings = 56_000;
const freeChunks = 1_000_000;
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

/**
 * How often the sampler reads an allocator whose lock each read keeps for long. A read later than the first is seen by
 * an age that falls. Gaps in the event loop are not counted: on a busy machine most have other causes.
 */
function childChunks() {
  addon.hoard(2 * freeChunks * 100, 100, 100);
  addon.freeScattered(2);
  const endMs = performance.now() + watchMs;
  let reads = 0;
  let lastAgeMs = Number.POSITIVE_INFINITY;
  setInterval(() => {}, 1e6);
  start({ interval: '1s', destination: 'none' }).on('sample', ({ malloc }) => {
    if (malloc.ageMs !== null && malloc.ageMs < lastAgeMs) reads++;
    lastAgeMs = malloc.ageMs ?? lastAgeMs;
    if (performance.now() >= endMs) report({ reads, stopped: malloc.stopped });
  });
}

function child(which) {
  if (which === 'mappings') childMappings();
  else childChunks();
}

export async function bench() {
  const many = await trial(file, ['mappings']);
  const chunks = await trial(file, ['chunks']);
  return [
    { what: `pass over ${many.mappings} mappings`, value: `${many.passMs.toFixed(0)} ms` },
    { what: '… share of a core', value: `${(many.share * 100).toFixed(2)} %`, goal: '≤ 0.5 %' },
    {
      what: `reads of the allocator in ${watchMs / 1000} s, ${freeChunks} free chunks`,
      value: chunks.reads,
      goal: '1',
    },
    { what: '… because', value: chunks.stopped ?? 'none was slow' },
  ];
}

await main(import.meta.url, bench, child);
