import { test } from 'tap';
import { compare } from '../lib/compare.js';
import { sampleWith } from './samples.js';

test('what grew stands first, with its share, and the sentence names it', async (t) => {
  const before = sampleWith({ malloc: 3_000_017, wasm: 0 });
  const after = sampleWith({ malloc: 3_000_017 + 75_000_000, wasm: 25_000_000 });
  const result = compare(before, after);
  t.equal(result.rssChangeBytes, 100_000_000);
  t.same(result.changes[0], { leaf: 'malloc', changeBytes: 75_000_000, share: 0.75 });
  t.same(result.changes[1], { leaf: 'wasm', changeBytes: 25_000_000, share: 0.25 });
  t.match(result.sentence, /^RSS \+95\.4 MiB to .* MiB: malloc \+71\.5 MiB, wasm \+23\.8 MiB\.$/);
});

test('nothing happened', async (t) => {
  const result = compare(sampleWith({}), sampleWith({}));
  t.equal(result.rssChangeBytes, 0);
  t.ok(result.changes.every((change) => change.changeBytes === 0 && change.share === null));
  t.match(result.sentence, /no class changed by 1 MiB\.$/);
});

test('without a ledger, and with unknown counters, there are no guesses', async (t) => {
  const before = { ...sampleWith({}), ledger: null, malloc: null };
  const after = {
    ...sampleWith({ malloc: 9_000_011 }),
    process: { threads: null, workers: null, fdCount: null, fdsAgeMs: null, fds: null, timers: 0, resources: {} },
  };
  const result = compare(before, after);
  t.same(result.changes, []);
  t.equal(result.mallocInUseChangeBytes, null);
  t.equal(result.fdChange, null);
});
