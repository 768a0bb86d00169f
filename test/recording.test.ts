import fc from 'fast-check';
import { test } from 'tap';
import { formatHeader, formatRow } from '../lib/cli/table.js';
import { compare } from '../lib/compare.js';
import { parseLine } from '../lib/log/recording.js';
import type { Sample } from '../lib/sample.js';
import { printable } from '../lib/text.js';
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

test('text is shown and not obeyed: controls, separators, directions, halves of a pair', async (t) => {
  const obeyed =
    '\u0000\u0007\n\u001b\u007f\u0085\u009b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\udfff\ud800';
  const shown = printable(obeyed);
  t.match(shown, /^(\\u[0-9a-f]{4})+$/);
  t.equal(JSON.parse(`"${shown}"`), obeyed, 'as JSON writes it');
  const plain = 'über/日本語/😀 (app.js:1:2) עברית \\ "quoted"';
  t.equal(printable(plain), plain);
  t.equal(printable(shown), shown);
  const hostile = line({ v: 1, kind: 'verdict', id: 'native', suspects: [{ site: `a${obeyed}b` }] });
  t.match(parseLine(hostile), { record: { suspects: [{ site: `a${shown}b` }] } }, 'in every field of a line');
  const seen: string[] = [];
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const safe = printable(text);
      seen.push(safe);
      return !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(safe);
    }),
    { seed: 20261125, numRuns: 2000 },
  );
  t.equal(seen.length, 2000);
});

test('numbers that cannot be are refused, by name', async (t) => {
  const whole = JSON.parse(sampleLine);
  const reasonOf = (change: object, sample: object = {}) => {
    let why = 'read';
    parseLine(
      JSON.stringify({ ...whole, ...change, extmem: { ...whole.extmem, ...sample } }).replaceAll('"huge"', '1e999'),
      (reason) => {
        why = reason;
      },
    );
    return why;
  };
  t.equal(reasonOf({}), 'read');
  for (const time of [1e300, 'huge', -1, 0, Date.now() + 7 * 24 * 3_600_000]) t.equal(reasonOf({ time }), 'time');
  for (const pid of [-1, 1.5, 2 ** 40, 'huge']) t.equal(reasonOf({ pid }), 'pid');
  for (const seq of [-1, 0.5, 1e300, null]) t.equal(reasonOf({}, { seq }), 'shape');
  t.equal(reasonOf({}, { rssBytes: 'huge' }), 'shape');
  t.equal(reasonOf({}, { v: 2 }), 'version');
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  let why = 'read';
  parseLine(sampleLine.replace('"extmem":{', `"extmem":{"deep":${deep},`), (reason) => {
    why = reason;
  });
  t.equal(why, 'shape', 'no stack is deep enough for any nesting');
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
