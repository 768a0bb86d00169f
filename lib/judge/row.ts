/**
 * The numbers of a sample that growth is judged on, as one flat row. Reads live samples and lines of old, truncated or
 * foreign recordings alike, so nothing about the shape of its input is taken for granted; `NaN` stands for unknown.
 *
 * Classes of RSS are resident bytes. Counters of V8 and of the allocator are virtual, so they are bounded by what is
 * resident in the leaf that they belong to: 1 GiB of Buffers that nobody touched is no growth of RSS.
 */

/** The columns that divide RSS among owners. `unsplit` is malloc that no counter could divide further. */
export const classes = [
  'js-heap',
  'array-buffers',
  'external',
  'native',
  'retained',
  'wasm',
  'mmap',
  'files',
  'threads',
  'unsplit',
] as const;
export type RssClass = (typeof classes)[number];

/** One column of a window each. */
export const seriesNames = [
  'rss',
  ...classes,
  'reclaimable',
  'usedHeap',
  'oldHeap',
  'buffers',
  'others',
  'unseen',
  'oldHeapAfterGc',
  'buffersAfterGc',
  'othersAfterGc',
  'contextsAfterGc',
  'threadCount',
  'workerCount',
  'fds',
  'timers',
  'contexts',
  'streams',
  'load',
] as const;
export type SeriesName = (typeof seriesNames)[number];

export type Row = Record<SeriesName, number>;

/** What tells one sample's slow sources from the next one's: a ledger pass is older than the line that carries it. */
export interface Sources {
  /** Time of the row before. */
  rowMs: number;
  ledgerMs: number;
  mallocMs: number;
  gcMs: number;
  /** A collection was seen that is too young to tell what it leaves. */
  gcIsYoung: boolean;
}

/** What a collection frees outside the heap goes a little after it: sweeping is concurrent, finalizers come later. */
const settledMs = 100;

/** Bytes above this are a broken counter, not memory. */
const absurd = 2 ** 50;

function own(source: unknown, key: string): unknown {
  if (typeof source !== 'object' || source === null || !Object.hasOwn(source, key)) return undefined;
  return (source as Record<string, unknown>)[key];
}

/**
 * The value at a path of own properties, or `undefined`: a recording's keys are data. Some sixty of these are read on
 * each tick, so a path is no array.
 */
export function valueAt(source: unknown, first: string, second?: string, third?: string): unknown {
  const outer = own(source, first);
  if (second === undefined) return outer;
  return third === undefined ? own(outer, second) : own(own(outer, second), third);
}

/** The number at a path, or `NaN`. */
export function numberAt(source: unknown, first: string, second?: string, third?: string): number {
  const value = valueAt(source, first, second, third);
  return typeof value === 'number' && Math.abs(value) < absurd ? value : Number.NaN;
}

/** A count or a size: a negative one is a counter that wrapped. */
function amountAt(source: unknown, first: string, second?: string, third?: string): number {
  const value = numberAt(source, first, second, third);
  return value >= 0 ? value : Number.NaN;
}

const orElse = (value: number, otherwise: number) => (Number.isNaN(value) ? otherwise : value);
const between = (low: number, value: number, high: number) => Math.max(low, Math.min(value, high));

/**
 * Time of a source on the sample's clock, when it is newer than `lastMs`. An age is taken a little before its line gets
 * its time, on a busy machine by much of an interval; so a source has to be newer by a quarter of one.
 */
function freshMs(timeMs: number, ageMs: number, lastMs: number, rowMs: number): number | null {
  const atMs = timeMs - ageMs;
  const toleranceMs = Math.max(5, orElse((timeMs - rowMs) / 4, 0));
  return ageMs >= 0 && atMs > lastMs + toleranceMs ? atMs : null;
}

/** Buffers and what else V8 knows to live outside its heap, from the counters of the sampling isolate. */
function outsideHeap(sample: unknown): { buffers: number; others: number } {
  const buffers = amountAt(sample, 'external', 'arrayBuffersBytes');
  const external = numberAt(sample, 'external', 'externalBytes');
  const declared = orElse(numberAt(sample, 'external', 'declaredBytes'), external);
  // SharedArrayBuffers and Blob stores are in `buffers` only, so the difference can be negative; it is a floor then.
  return { buffers, others: Math.max(0, declared - orElse(buffers, 0)) };
}

/** The classes of a fresh ledger pass. */
function divide(sample: unknown, row: Row, mallocIsFresh: boolean): void {
  const leaves = valueAt(sample, 'ledger', 'leafBytes');
  const leaf = (name: string) => amountAt(leaves, name);
  const some = (name: string) => orElse(leaf(name), 0);
  const { buffers, others } = outsideHeap(sample);
  row['js-heap'] = leaf('v8Heap') + some('v8Code') + some('v8Other');
  row.wasm = leaf('wasm');
  row.mmap = leaf('unattributed') + some('mmap') + some('shared') + some('runtime');
  row.files = leaf('files');
  row.threads = leaf('stacks');
  const malloc = leaf('malloc');
  const inUse = mallocIsFresh ? amountAt(sample, 'malloc', 'inUseBytes') : Number.NaN;
  // More bytes may be in use than are resident, and still some of the resident ones are free.
  const retained = Number.isNaN(inUse) ? 0 : orElse(amountAt(sample, 'malloc', 'retainedBytes'), 0);
  const used = Math.min(orElse(inUse, malloc), malloc - between(0, retained, malloc));
  const ownBuffers = Math.min(buffers, used);
  row['array-buffers'] = ownBuffers + some('resizableBuffers');
  row.external = between(0, others - orElse(row.wasm, 0), used - orElse(ownBuffers, 0));
  const rest = used - orElse(ownBuffers, 0) - orElse(row.external, 0);
  if (Number.isNaN(inUse)) {
    row.unsplit = rest;
  } else {
    row.native = rest;
    row.retained = malloc - used;
    row.unsplit = 0;
    row.reclaimable = amountAt(sample, 'malloc', 'reclaimableBytes');
  }
}

/** Without a ledger, what the cheap counters say. They are virtual, so nothing can be said of the rest. */
function divideWithoutLedger(sample: unknown, row: Row): void {
  const { buffers, others } = outsideHeap(sample);
  row['js-heap'] = amountAt(sample, 'v8', 'heapPhysicalBytes');
  row['array-buffers'] = Math.min(buffers, row.rss);
  row.external = Math.min(others, row.rss);
}

/** Used heap without the young generation, which swings by tens of MiB as V8 resizes it. */
function oldHeap(sample: unknown): number {
  const spaces = valueAt(sample, 'v8', 'spaces');
  const young =
    orElse(amountAt(spaces, 'new_space', 'usedBytes'), 0) +
    orElse(amountAt(spaces, 'new_large_object_space', 'usedBytes'), 0);
  return amountAt(sample, 'v8', 'heapUsedBytes') - young;
}

/** Copied, not built: that costs a tenth. */
const nothingKnown = Object.fromEntries(seriesNames.map((name) => [name, Number.NaN])) as Row;

/** Reads a sample. `sources` remembers which ledger pass and collection were seen, and is updated. */
export function readRow(timeMs: number, sample: unknown, sources: Sources): Row {
  const row = { ...nothingKnown };
  row.rss = amountAt(sample, 'rssBytes');
  const fresh = (ageMs: number, lastMs: number) => freshMs(timeMs, ageMs, lastMs, sources.rowMs);
  const passMs = fresh(numberAt(sample, 'ledger', 'ageMs'), sources.ledgerMs);
  const mallocMs = fresh(orElse(numberAt(sample, 'malloc', 'ageMs'), 0), sources.mallocMs);
  if (passMs !== null) {
    divide(sample, row, mallocMs !== null);
    sources.ledgerMs = passMs;
  } else if (valueAt(sample, 'ledger') === null || valueAt(sample, 'ledger') === undefined) {
    divideWithoutLedger(sample, row);
  }
  if (mallocMs !== null) sources.mallocMs = mallocMs;
  row.usedHeap = amountAt(sample, 'v8', 'heapUsedBytes');
  row.oldHeap = oldHeap(sample);
  const { buffers, others } = outsideHeap(sample);
  row.buffers = buffers;
  row.others = others;
  row.unseen = Math.max(0, buffers - numberAt(sample, 'external', 'externalBytes'));
  const gcAgeMs = numberAt(sample, 'v8', 'afterMajorGc', 'ageMs');
  const gcMs = fresh(gcAgeMs, sources.gcMs);
  sources.rowMs = timeMs;
  if (gcMs !== null && gcAgeMs < settledMs && !sources.gcIsYoung) sources.gcIsYoung = true;
  else if (gcMs !== null) {
    sources.gcIsYoung = false;
    row.oldHeapAfterGc = amountAt(sample, 'v8', 'afterMajorGc', 'heapUsedBytes');
    row.buffersAfterGc = buffers;
    row.othersAfterGc = others;
    row.contextsAfterGc = amountAt(sample, 'v8', 'nativeContexts');
    sources.gcMs = gcMs;
  }
  row.threadCount = amountAt(sample, 'process', 'threads');
  row.workerCount = amountAt(sample, 'process', 'workers');
  row.fds = amountAt(sample, 'process', 'fdCount');
  row.timers = amountAt(sample, 'process', 'timers');
  row.contexts = amountAt(sample, 'v8', 'nativeContexts');
  row.streams = amountAt(sample, 'streams', 'idle');
  row.load = amountAt(sample, 'load', 'requests');
  return row;
}
