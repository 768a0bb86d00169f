/** A sample as one row of a table on a terminal. Pure: samples in, text out. */

import type { Sample } from '../sample.js';
import { MiB } from '../text.js';
import { paint } from './color.js';

/** Growth of a cell since the previous row that is worth a color. */
const notableBytes = MiB;

interface Column {
  readonly title: string;
  readonly width: number;
  /** Bytes to show, or `null` for a dash. */
  readonly bytes: (sample: Sample) => number | null;
}

const leaf = (name: 'v8Heap' | 'malloc' | 'wasm' | 'mmap' | 'files' | 'unattributed') => (sample: Sample) =>
  sample.ledger?.leafBytes[name] ?? null;

/** The leaves without a column of their own, so that a row still adds up to RSS. */
function otherBytes(sample: Sample): number | null {
  if (sample.ledger === null) return null;
  const { v8Code, v8Other, resizableBuffers, stacks, shared, runtime } = sample.ledger.leafBytes;
  return v8Code + v8Other + resizableBuffers + stacks + shared + runtime;
}

/** `rss` = the columns to the double bar. Those after it are of-which figures and counters, and overlap. */
const columns: readonly (Column | '‖')[] = [
  { title: 'rss', width: 8, bytes: (sample) => sample.ledger?.rssBytes ?? sample.rssBytes },
  { title: 'v8Heap', width: 8, bytes: leaf('v8Heap') },
  { title: 'malloc', width: 8, bytes: leaf('malloc') },
  { title: 'wasm', width: 7, bytes: leaf('wasm') },
  { title: 'mmap', width: 7, bytes: leaf('mmap') },
  { title: 'files', width: 7, bytes: leaf('files') },
  { title: 'other', width: 7, bytes: otherBytes },
  { title: 'unattr.', width: 8, bytes: leaf('unattributed') },
  '‖',
  { title: 'heapUsed', width: 9, bytes: (sample) => sample.v8.heapUsedBytes },
  { title: 'buffers', width: 8, bytes: (sample) => sample.external.arrayBuffersBytes },
  { title: 'native', width: 8, bytes: (sample) => sample.malloc?.nativeBytes?.[1] ?? null },
  { title: 'retained', width: 9, bytes: (sample) => sample.malloc?.retainedBytes ?? null },
];

function cell(column: Column, sample: Sample, previous: Sample | null, color: boolean): string {
  const bytes = column.bytes(sample);
  const text = (bytes === null ? '-' : (bytes / MiB).toFixed(1)).padStart(column.width);
  const before = previous === null ? null : column.bytes(previous);
  if (bytes === null || before === null || Math.abs(bytes - before) < notableBytes) return text;
  return paint(bytes > before ? 'red' : 'green', text, color);
}

const timeWidth = 8;

/** The titles, with the unit. */
export function formatHeader(color = false): string {
  const titles = columns.map((column) => (column === '‖' ? ' ‖' : column.title.padStart(column.width))).join('');
  return paint('bold', `${'MiB'.padEnd(timeWidth)}${titles}${'fds'.padStart(6)}`, color);
}

/**
 * One row. Cells that changed by more than 1 MiB since `previous` are red (grown) or green (shrunk).
 * @param timeMs epoch milliseconds of the line.
 */
export function formatRow(sample: Sample, previous: Sample | null, timeMs: number, color = false): string {
  const time = new Date(timeMs).toTimeString().slice(0, timeWidth).padEnd(timeWidth);
  const cells = columns.map((column) => (column === '‖' ? ' ‖' : cell(column, sample, previous, color))).join('');
  return `${time}${cells}${String(sample.process.fdCount ?? '-').padStart(6)}`;
}
