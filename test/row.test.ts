/** From a sample to the classes that growth is judged on. */
import { test } from 'tap';
import { numberAt, type Row, readRow, type Sources } from '../lib/judge/row.js';
import { sampleWith } from './samples.js';

const MiB = 2 ** 20;
const unseen = (): Sources => ({
  rowMs: Number.NaN,
  ledgerMs: -1 / 0,
  mallocMs: -1 / 0,
  gcMs: -1 / 0,
  gcIsYoung: false,
});

interface Counters {
  readonly malloc: number;
  readonly inUse: number | null;
  readonly arrayBuffers?: number;
  readonly declared?: number;
  readonly wasm?: number;
  readonly retained?: number;
}

/** MiB in, MiB out. */
function divide({ malloc, inUse, arrayBuffers = 0, declared = 0, wasm = 0, retained = 0 }: Counters): Row {
  const sample = sampleWith({ malloc: malloc * MiB, wasm: wasm * MiB });
  const external = { externalBytes: 0, arrayBuffersBytes: arrayBuffers * MiB, declaredBytes: declared * MiB };
  const inUseBytes = inUse === null ? null : inUse * MiB;
  const counted = { ...sample.malloc, inUseBytes, retainedBytes: retained * MiB };
  const row = readRow(1000, { ...sample, external, malloc: counted }, unseen());
  return Object.fromEntries(Object.entries(row).map(([name, bytes]) => [name, bytes / MiB])) as Row;
}

test('malloc is divided among Buffers, external, native and retained', async (t) => {
  const row = divide({ malloc: 100, inUse: 80, arrayBuffers: 30, declared: 50 });
  t.match(row, { 'array-buffers': 30, external: 20, native: 30, retained: 20, unsplit: 0 });
});

test('Buffers that nobody touched hold no memory', async (t) => {
  const row = divide({ malloc: 10, inUse: 1010, arrayBuffers: 1000, declared: 1000 });
  t.match(row, { 'array-buffers': 10, external: 0, native: 0, retained: 0 });
});

test('… nor what the allocator keeps beside them', async (t) => {
  const row = divide({ malloc: 10, inUse: 1010, arrayBuffers: 1000, declared: 1000, retained: 7 });
  t.match(row, { 'array-buffers': 3, external: 0, native: 0, retained: 7 });
});

test('SharedArrayBuffers are not declared: they make nothing else negative', async (t) => {
  t.match(divide({ malloc: 100, inUse: 100, arrayBuffers: 90 }), { 'array-buffers': 90, external: 0, native: 10 });
});

test('WebAssembly is declared, but no malloc', async (t) => {
  const row = divide({ malloc: 10, inUse: 10, declared: 100, wasm: 100 });
  t.match(row, { wasm: 100, external: 0, native: 10 });
});

test('without counters of the allocator malloc stays in one piece', async (t) => {
  const row = divide({ malloc: 100, inUse: null, arrayBuffers: 30, declared: 30 });
  t.match(row, { 'array-buffers': 30, unsplit: 70 });
  t.ok(Number.isNaN(row.native) && Number.isNaN(row.retained));
});

test('a pass that was seen before tells nothing new', async (t) => {
  const sources = unseen();
  const sample = sampleWith({});
  const aged = (ageMs: number) => ({ ...sample, ledger: { ...sample.ledger, ageMs } });
  t.notOk(Number.isNaN(readRow(10_000, aged(1), sources).files));
  t.ok(Number.isNaN(readRow(10_200, aged(203), sources).files), 'the same pass, two rounded ms off');
  t.notOk(Number.isNaN(readRow(10_400, aged(5), sources).files));
});

test('a collection is one point, however often it is told of', async (t) => {
  const sources = unseen();
  const sample = sampleWith({});
  const collected = (ageMs: number) => ({ ...sample, v8: { ...sample.v8, afterMajorGc: { heapUsedBytes: 7, ageMs } } });
  t.equal(readRow(10_000, collected(100), sources).oldHeapAfterGc, 7);
  t.ok(Number.isNaN(readRow(10_200, collected(300), sources).oldHeapAfterGc));
  t.ok(
    Number.isNaN(readRow(10_400, collected(50), sources).oldHeapAfterGc),
    'too young: what it freed may not be gone',
  );
  t.equal(readRow(10_600, collected(250), sources).oldHeapAfterGc, 7);
  t.ok(Number.isNaN(readRow(10_800, collected(410), sources).oldHeapAfterGc), 'the same, 40 ms late on a busy machine');
  t.ok(Number.isNaN(readRow(11_000, collected(20), sources).oldHeapAfterGc));
  t.equal(readRow(11_200, collected(30), sources).oldHeapAfterGc, 7, 'collections that never rest count all the same');
});

test('unknown, wrapped and absurd values are unknown', async (t) => {
  for (const value of [null, undefined, 'x', Number.NaN, 1 / 0, 2 ** 60, {}]) {
    t.ok(Number.isNaN(numberAt({ a: value }, 'a')), String(value));
  }
  t.ok(Number.isNaN(readRow(0, { rssBytes: -1 }, unseen()).rss), 'a size below 0 wrapped');
  t.ok(Number.isNaN(numberAt({}, 'constructor', 'length')), 'own properties only');
});
