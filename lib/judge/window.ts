/**
 * A ring of the numbers of the last samples: what a judgement looks back on. Numbers only, so that a window of 120
 * samples costs 90 KiB whatever the samples held. Kept row by row: a row is written on each tick, a column is read on
 * few of them.
 */
import type { Work } from '../work.js';
import { median } from './growth.js';
import { type Row, type SeriesName, seriesNames } from './row.js';

/** The known values of one column, in ascending time. */
export interface Series {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export class Window {
  readonly capacity: number;
  readonly #times: Float64Array;
  readonly #ring: Row[] = [];
  /** Rows ever pushed since the last clear; the ring holds the last `capacity` of them. */
  #count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#times = new Float64Array(capacity);
  }

  get length(): number {
    return Math.min(this.#count, this.capacity);
  }

  /** Time of the oldest row; `NaN` when empty. */
  get startMs(): number {
    return this.#count === 0 ? Number.NaN : (this.#times[(this.#count - this.length) % this.capacity] as number);
  }

  /** Time of the newest row; `NaN` when empty. */
  get endMs(): number {
    return this.#count === 0 ? Number.NaN : (this.#times[(this.#count - 1) % this.capacity] as number);
  }

  /** Appends a row, which is kept. `timeMs` has to be after the newest row's. */
  push(timeMs: number, row: Row): void {
    const slot = this.#count++ % this.capacity;
    this.#times[slot] = timeMs;
    this.#ring[slot] = row;
  }

  /** The known values of a column among the newest `rows` rows. */
  series(name: SeriesName, rows = this.capacity): Series {
    const length = Math.min(rows, this.length);
    const times = new Float64Array(length);
    const values = new Float64Array(length);
    let known = 0;
    for (let i = this.#count - length; i < this.#count; i++) {
      const value = (this.#ring[i % this.capacity] as Row)[name];
      if (Number.isNaN(value)) continue;
      times[known] = this.#times[i % this.capacity] as number;
      values[known++] = value;
    }
    return { times: times.subarray(0, known), values: values.subarray(0, known) };
  }

  /** The median of each column over all rows held, `NaN` where a column has no known value. */
  *medians(): Work<Row> {
    const row: Partial<Row> = {};
    for (const name of seriesNames) {
      row[name] = median(this.series(name).values);
      yield;
    }
    return row as Row;
  }

  clear(): void {
    this.#ring.length = 0;
    this.#count = 0;
  }
}
