/**
 * Reads recorded lines back. A recording may be rotated, cut off in its last line, interleaved from several processes
 * or mixed with the program's own output: what is not a line of ours is counted, not fatal.
 */
import { hourMs, printable } from '../text.js';
import { formatVersion, type LineRecord } from './line.js';

export interface RecordedLine {
  readonly timeMs: number;
  readonly pid: number;
  readonly level: number;
  readonly msg: string;
  readonly record: LineRecord;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const numberOrNull = (value: unknown) => value === null || value === undefined || Number.isFinite(value);

/** A sample as far as readers rely on it; keys that older or newer versions lack or add do not matter. */
function isSample(record: Record<string, unknown>): boolean {
  if (!Number.isSafeInteger(record.seq) || (record.seq as number) < 0) return false;
  const { ledger, malloc, v8, external, process: counts } = record;
  if (!numberOrNull(record.rssBytes) || !isObject(v8) || !isObject(external) || !isObject(counts)) return false;
  if (!Number.isFinite(v8.heapUsedBytes) || !numberOrNull(external.arrayBuffersBytes)) return false;
  if (!Number.isFinite(external.externalBytes)) return false;
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
  if (!isObject(ledger) || !Number.isFinite(ledger.rssBytes) || !isObject(ledger.leafBytes)) return false;
  return Object.entries(ledger.leafBytes).every(([leaf, bytes]) => /^\w+$/.test(leaf) && Number.isFinite(bytes));
}

/** Why a line is not read. A `foreign` one is none of ours, or cut off; the others claim to be whole lines of ours. */
export type Refusal = 'foreign' | 'version' | 'time' | 'pid' | 'shape';

/** Before Node's first release there was no line; a clock that was never set says 1970. */
const earliestMs = Date.UTC(2009, 4, 27);
/** Clocks differ between machines, but not by more than this. */
const futureMs = 24 * hourMs;
/** Linux gives no higher number (PID_MAX_LIMIT). */
const pidLimit = 2 ** 22;

/** Nothing of ours is nested deeper than a dozen levels; a walk down any line would run out of stack. */
const deepest = 32;

/** Makes every text in `value` printable, in place. @returns whether it is no deeper than what we write. */
function madePrintable(value: Record<string, unknown>, depth = 0): boolean {
  if (depth > deepest) return false;
  for (const [key, each] of Object.entries(value)) {
    if (typeof each === 'string') value[key] = printable(each);
    else if (isObject(each) && !madePrintable(each, depth + 1)) return false;
  }
  return true;
}

/**
 * @param line one line of a file that may come from anywhere. Its texts are printable in what is returned.
 * @returns `null` for what `onRefused` is told the reason of.
 */
export function parseLine(line: string, onRefused?: (reason: Refusal) => void): RecordedLine | null {
  const refuse = (reason: Refusal) => {
    onRefused?.(reason);
    return null;
  };
  // Cheap test first: a log shared with a service is mostly lines of others.
  if (!line.includes('"extmem"')) return refuse('foreign');
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return refuse('foreign');
  }
  if (!isObject(parsed) || !isObject(parsed.extmem)) return refuse('foreign');
  const { time, pid, level, msg, extmem } = parsed;
  if (typeof extmem.kind !== 'string') return refuse('foreign');
  if (extmem.v !== formatVersion) return refuse('version');
  if (typeof time !== 'number' || !(time >= earliestMs && time <= Date.now() + futureMs)) return refuse('time');
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 0 || pid > pidLimit) return refuse('pid');
  if (!madePrintable(extmem) || (extmem.kind === 'sample' && !isSample(extmem))) return refuse('shape');
  return {
    timeMs: time,
    pid,
    level: typeof level === 'number' ? level : 30,
    msg: typeof msg === 'string' ? printable(msg) : '',
    record: extmem as unknown as LineRecord,
  };
}
