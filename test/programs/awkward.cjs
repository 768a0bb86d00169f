// Processes that are slow to look at. Run as: node awkward.cjs NAME. Prints what a session said, sample by sample.
'use strict';
const { start } = require('extmem');
const addon = require('../addon/build/Release/test_addon.node');

/** Samples after the first look: enough for a second one to show. */
const samplesWanted = 40;

const processes = {
  manyMappings: () => addon.splitMappings(30_000),
  /** One call into the allocator takes tens of milliseconds here, with its lock held. */
  manyFreeChunks() {
    addon.hoard(3_000_000 * 100, 100, 100);
    addon.freeScattered(2);
  },
};

processes[process.argv[2]]();
const said = [];
const keepAlive = setInterval(() => {}, 1e6);
const session = start({ interval: '20ms', destination: 'none' });
session.on('sample', ({ ledger, malloc, cost }) => {
  if (ledger === null || malloc?.ageMs == null) return;
  const { ageMs: mallocAgeMs, stopped } = malloc;
  said.push({ ledgerAgeMs: ledger.ageMs, skipped: cost.ledgerSkipped, mallocAgeMs, stopped });
  if (said.length < samplesWanted) return;
  session.stop();
  clearInterval(keepAlive);
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
