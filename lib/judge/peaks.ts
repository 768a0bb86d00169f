/**
 * What a process held before, for two days: memory that comes back to yesterday's level follows the day, not a leak.
 * Only levels that were held for half an hour count, so that a burst or a start-up peak hides no leak afterwards.
 */
import { hourMs } from '../text.js';

const bucketMs = 3 * hourMs;
const buckets = 16;
/** Long rows, of three minutes each. */
const heldRows = 10;

interface Bucket {
  readonly startMs: number;
  /** The largest values, descending, `heldRows` at most. */
  readonly largest: number[];
}

export class Peaks {
  #buckets: Bucket[] = [];

  /** Adds a long row's RSS. */
  push(timeMs: number, rssBytes: number): void {
    if (Number.isNaN(rssBytes)) return;
    let bucket = this.#buckets.at(-1);
    if (bucket === undefined || timeMs - bucket.startMs >= bucketMs) {
      bucket = { startMs: timeMs, largest: [] };
      this.#buckets.push(bucket);
      if (this.#buckets.length > buckets) this.#buckets.shift();
    }
    bucket.largest.push(rssBytes);
    bucket.largest.sort((a, b) => b - a).splice(heldRows);
  }

  /** The highest level held in a bucket that ended before `timeMs`; `NaN` when there is none. */
  before(timeMs: number): number {
    let peak = Number.NaN;
    for (const { startMs, largest } of this.#buckets) {
      const held = largest[heldRows - 1];
      if (held !== undefined && startMs + bucketMs <= timeMs && !(held <= peak)) peak = held;
    }
    return peak;
  }

  clear(): void {
    this.#buckets = [];
  }
}
