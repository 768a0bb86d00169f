import fc from 'fast-check';
import { test } from 'tap';
import { formatHeader, formatRow } from '../lib/cli/table.js';
import { compare } from '../lib/compare.js';
import { parseLine } from '../lib/log/recording.js';
import type { Sample } from '../lib/sample.js';
import { sampleWith } from './samples.js';

function line(extmem: object): string {
  return JSON.stringify({
    level: 30,
    time: 1_700_000_000_000,
    pid: 4242,
    hostname: 'h',
    name: 'extmem',
    extmem,
    msg: 'm',
  });
}

const sampleLine = line({ v: 1, kind: 'sample', ...sampleWith({}), lostLines: 0 });

test('a line of ours is read, with keys that this version does not know', async (t) => {
  t.match(parseLine(sampleLine), {
    timeMs: 1_700_000_000_000,
    pid: 4242,
    msg: 'm',
    record: { kind: 'sample', seq: 0 },
  });
  t.match(parseLine(line({ v: 1, kind: 'gossip', extra: 1 })), { record: { kind: 'gossip' } });
});

test('what is not a whole line of ours is null', async (t) => {
  t.equal(parseLine(''), null);
  t.equal(parseLine('{"level":30,"msg":"extmem is mentioned"}'), null);
  t.equal(parseLine(sampleLine.slice(0, -20)), null, 'cut off');
  t.equal(parseLine(line({ v: 2, kind: 'sample' })), null, 'a later format');
  t.equal(parseLine(line({ v: 1, kind: 'sample', rssBytes: 'many' })), null, 'a sample that is none');
  t.equal(parseLine('{"extmem":null}'), null);
});

test('any text, and any damage to a line, is read or refused, and what is read can be shown', async (t) => {
  const before = sampleWith({});
  const text = fc.oneof(
    fc.string(),
    fc.json().map((json) => `{"extmem":${json}}`),
    fc
      .record({ at: fc.nat(sampleLine.length), put: fc.string({ maxLength: 8 }) })
      .map(({ at, put }) => sampleLine.slice(0, at) + put + sampleLine.slice(at + put.length)),
    fc
      .json()
      .map((json) =>
        line({ v: 1, kind: 'sample', ...sampleWith({}), ledger: JSON.parse(json), malloc: JSON.parse(json) }),
      ),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const parsed = parseLine(candidate);
      if (parsed?.record.kind === 'sample') {
        formatRow(parsed.record, before, parsed.timeMs);
        compare(before, parsed.record as Sample);
      }
    }),
    { seed: 20261122, numRuns: 2000 },
  );
  t.pass('2000 texts');
});

test('rows line up with their header and mark growth only when asked for color', async (t) => {
  const before = sampleWith({ malloc: 10_000_019 });
  const after = sampleWith({ malloc: 30_000_001 });
  const header = formatHeader();
  t.equal(formatRow(after, before, 0).length, header.length);
  t.notOk(formatRow(after, before, 0).includes('\u001b'));
  t.ok(formatRow(after, before, 0, true).includes('\u001b[31m'), 'growth is red');
  t.ok(formatRow(before, after, 0, true).includes('\u001b[32m'), 'a fall is green');
  t.equal(formatRow(after, after, 0, true), formatRow(after, null, 0, false), 'no change, no color');
});
