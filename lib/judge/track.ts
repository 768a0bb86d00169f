/**
 * Whether one series counts as growing, over time: a single pass of the test proves little (9 of 13 healthy services
 * pass once), so `found` takes consecutive passes, and it takes consecutive misses to take it back.
 */
import { isGrowing, type Thresholds, type Trend } from './growth.js';

/** Why a series that passed the test is not believed. */
export type Excuse = 'load' | 'peak';

/** Growth that is already believed ends when its trend is gone, or when its end no longer rises. */
const holdAlpha = 0.05;

export class Track {
  /** Consecutive passes, and consecutive misses after `found`. */
  #passes = 0;
  #misses = 0;
  /** When the growth that is under way was first seen to start; `null` when there is none. */
  #sinceMs: number | null = null;
  #found = false;
  #excuse: Excuse | null = null;
  #trend: Trend | null = null;

  get found(): boolean {
    return this.#found;
  }

  /** A pass is on record, but too few to believe it. */
  get suspected(): boolean {
    return this.#passes > 0 || this.#found;
  }

  /** Consecutive passes up to now. */
  get passes(): number {
    return this.#passes;
  }

  get sinceMs(): number | null {
    return this.#sinceMs;
  }

  /** Set while the series rises, but for a reason that is no leak. */
  get excuse(): Excuse | null {
    return this.#excuse;
  }

  /** The last trend computed; `null` when the series did not even look like rising, or is unknown. */
  get trend(): Trend | null {
    return this.#trend;
  }

  /**
   * One evaluation.
   *
   * @param trend of the window, or `null` when the series is unknown or does not rise at all.
   * @param startMs start of that window.
   * @param loadFalls the load goes down, so that a fall of the series does not show that growth is over.
   * @param excuse a reason not to believe a pass, asked only when there is one.
   */
  update(
    trend: Trend | null,
    startMs: number,
    thresholds: Thresholds,
    confirmations: number,
    loadFalls: boolean,
    excuse: (trend: Trend) => Excuse | null,
  ): void {
    this.#trend = trend;
    const passes = trend !== null && isGrowing(trend, thresholds);
    this.#excuse = passes ? excuse(trend) : null;
    if (passes && this.#excuse === null) {
      if (this.#passes === 0 && !this.#found) this.#sinceMs = startMs;
      this.#passes++;
      this.#misses = 0;
      if (this.#passes >= confirmations && trend.tail >= thresholds.tail) this.#found = true;
      return;
    }
    this.#passes = 0;
    if (!this.#found) this.#sinceMs = null;
    else if (loadFalls) return;
    else if (trend !== null && this.#holds(trend, thresholds)) this.#misses = 0;
    else if (++this.#misses >= confirmations) this.reset();
  }

  /** Forgets: the numbers before cannot be compared with those to come. */
  reset(): void {
    this.#passes = 0;
    this.#misses = 0;
    this.#sinceMs = null;
    this.#found = false;
    this.#excuse = null;
    this.#trend = null;
  }

  #holds(trend: Trend, { end }: Thresholds): boolean {
    return this.#excuse === null && trend.p < holdAlpha && trend.slope > 0 && trend.lastThird >= end * trend.slope;
  }
}
