/** When the number of forgotten streams counts as rising. Samples stand for intervals of ten seconds. */
import t from 'tap';
import { History } from '../lib/streams/history.js';

const window = 120;

/** The sample at which growth is first said, or `null`. */
function firstSaid(count: number, value: (sample: number) => number, harmless = false, weight = 1): number | null {
  const history = new History(window);
  for (let sample = 0; sample < count; sample++) {
    history.push(value(sample));
    if (history.grows(harmless, weight)) return sample;
  }
  return null;
}

t.test('leaks', (t) => {
  t.equal(
    firstSaid(240, (i) => i),
    29,
    'one each sample: said with the first 30 samples',
  );
  t.ok((firstSaid(240, (i) => Math.floor(i / 10)) ?? 999) <= 100, 'one in ten samples');
  t.ok((firstSaid(240, (i) => 3 + Math.max(0, i - 120)) ?? 999) <= 180, 'begins after an hour of a steady pool');
  t.ok((firstSaid(240, (i) => i + (i % 30 < 5 ? 40 : 0)) ?? 999) <= 40, 'under bursts');
  t.ok((firstSaid(240, (i) => 8 * Math.floor(i / 8)) ?? 999) <= 40, 'in steps, as proofs by garbage collection come');
  t.equal(
    firstSaid(240, (i) => i, true),
    119,
    'sockets that wait: only with the whole window',
  );
  t.ok((firstSaid(240, (i) => 40 * Math.floor(i / 10), false, 40) ?? 999) <= 60, 'sampled: one counted in ten samples');
  t.end();
});

t.test('healthy', (t) => {
  t.equal(
    firstSaid(400, () => 50),
    null,
    'a pool of constant size',
  );
  t.equal(
    firstSaid(400, (i) => 40 * (1 - Math.exp(-i / 10))),
    null,
    'a pool that fills up within minutes',
  );
  t.equal(
    firstSaid(400, (i) => Math.min(20, i / 3), true),
    null,
    'a pool that grows evenly for half of the window',
  );
  t.equal(
    firstSaid(400, (i) => (i % 15) * 2),
    null,
    'given back again and again',
  );
  t.equal(
    firstSaid(400, (i) => (i < 50 ? 0 : 30)),
    null,
    'one step',
  );
  t.equal(
    firstSaid(400, (i) => 2 + (i % 3)),
    null,
    'a few, in turns',
  );
  t.equal(
    firstSaid(400, (i) => (i > 100 ? 80 : i > 50 ? 40 : 0), false, 40),
    null,
    'sampled: two counted ones may be chance',
  );
  t.end();
});

t.test('a counter', (t) => {
  const lastSaid = (count: number, value: (sample: number) => number) => {
    const history = new History(window);
    const said: boolean[] = [];
    for (let sample = 0; sample < count; sample++) {
      history.push(value(sample));
      said.push(history.keepsCounting());
    }
    return said.lastIndexOf(true);
  };
  t.equal(
    lastSaid(240, (i) => 1_000_000 + Math.floor(i / 8)),
    239,
    'keeps counting, however much it counted before',
  );
  t.equal(
    lastSaid(240, (i) => (i < 40 ? 0 : i < 46 ? 2 : 3)),
    -1,
    'a few, found at several times',
  );
  t.ok(lastSaid(400, (i) => Math.min(i, 100)) < 240, 'cleared when it stops');
  t.end();
});

t.test('too little is known', (t) => {
  t.equal(
    firstSaid(29, (i) => i * 10),
    null,
    'fewer than 30 samples',
  );
  t.end();
});
