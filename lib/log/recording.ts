/**
 * Reads recorded lines back. A recording may be rotated, cut off in its last line, interleaved from several processes
 * or mixed with the program's own output: what is not a line of ours is counted, not fatal.
 */
import { formatVersion, type LineRecord } from './line.js';

export interface RecordedLine {
  readonly timeMs: number;
  readonly pid: number;
  readonly level: number;
  readonly msg: string;
  readonly record: LineRecord;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Without control characters: a recording may come from anywhere, and a terminal obeys what it is shown. */
function printable(text: string): string {
  return [...text].filter((char) => char >= ' ' && !(char >= '\u007f' && char <= '\u009f')).join('');
}

const numberOrNull = (value: unknown) => value === null || value === undefined || Number.isFinite(value);

/** A sample as far as readers rely on it; keys that older or newer versions lack or add do not matter. */
function isSample(record: Record<string, unknown>): boolean {
  const { ledger, malloc, v8, external, process: counts } = record;
  if (
    (typeof record.rssBytes !== 'number' && record.rssBytes !== null) ||
    !isObject(v8) ||
    !isObject(external) ||
    !isObject(counts)
  )
    return false;
  if (
    typeof v8.heapUsedBytes !== 'number' ||
    (typeof external.arrayBuffersBytes !== 'number' && external.arrayBuffersBytes !== null)
  )
    return false;
  if (typeof external.externalBytes !== 'number') return false;
  if (!numberOrNull(counts.fdCount)) return false;
  if (malloc !== null) {
    if (!isObject(malloc) || !numberOrNull(malloc.retainedBytes) || !numberOrNull(malloc.inUseBytes)) return false;
    const range = malloc.nativeBytes;
    if (
      range !== null &&
      range !== undefined &&
      !(Array.isArray(range) && range.length === 2 && range.every(Number.isFinite))
    )
      return false;
  }
  if (ledger === null) return true;
  if (!isObject(ledger) || typeof ledger.rssBytes !== 'number' || !isObject(ledger.leafBytes)) return false;
  return Object.entries(ledger.leafBytes).every(([leaf, bytes]) => /^\w+$/.test(leaf) && Number.isFinite(bytes));
}

/** @returns `null` for anything that is not a line of extmem of a known version. */
export function parseLine(line: string): RecordedLine | null {
  // Cheap test first: a log shared with a service is mostly lines of others.
  if (!line.includes('"extmem"')) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isObject(parsed) || !isObject(parsed.extmem)) return null;
  const { time, pid, level, msg, extmem } = parsed;
  if (typeof time !== 'number' || typeof pid !== 'number' || !isObject(extmem)) return null;
  if (extmem.v !== formatVersion || typeof extmem.kind !== 'string') return null;
  if (extmem.kind === 'sample' && !isSample(extmem)) return null;
  return {
    timeMs: time,
    pid,
    level: typeof level === 'number' ? level : 30,
    msg: typeof msg === 'string' ? printable(msg) : '',
    record: extmem as unknown as LineRecord,
  };
}
