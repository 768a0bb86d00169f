/** What is known of all streams of one class from one site. */

import type { Creator } from './capture.js';
import { History } from './history.js';

export class Tally {
  readonly className: string;
  readonly site: Creator;
  /** Of held and lost ones. Made when there is the first: most lines never need one. */
  #history: History | null = null;
  #occasionHistory: History | null = null;
  /** Estimates: one tracked stream stands for `weight` created ones. */
  created = 0;
  createdVariance = 0;
  /** Filled in by a fold, as everything up to `lost`. */
  open = 0;
  openVariance = 0;
  idle = 0;
  held = 0;
  heldTracked = 0;
  harmless = 0;
  bufferedBytes = 0;
  /** Collected without being destroyed, and the descriptor is still open. */
  lost = 0;
  /** Collected before it had ended or was destroyed. Its memory is free again. */
  dropped = 0;
  /** Collected with memory outside the heap that nobody had released (zlib). */
  unclosed = 0;
  /**
   * Intervals in which such a stream was created. These are counted rather than the streams: what a program dropped in
   * one moment can be found in several collections, and would look like a habit.
   */
  #occasions = 0;
  #lastOccasion = -1;
  #occasionsAtSweep = 0;

  constructor(className: string, site: Creator) {
    this.className = className;
    this.site = site;
  }

  /** @param interval number of the interval in which the stream was created; told in ascending order. */
  leaveUnclosed(weight: number, interval: number): void {
    this.unclosed += weight;
    if (interval <= this.#lastOccasion) return;
    this.#lastOccasion = interval;
    this.#occasions++;
  }

  /** Whether samples have something to remember. */
  get isWatched(): boolean {
    return this.#history !== null || this.held + this.lost + this.#occasions > 0;
  }

  /**
   * Whether a sweep may forget this line, of which no stream is known now: nothing of it is judged, nor did one more
   * occasion come since the last sweep.
   */
  restsAtSweep(): boolean {
    const rests = this.#history === null && this.#occasions === this.#occasionsAtSweep;
    this.#occasionsAtSweep = this.#occasions;
    return rests;
  }

  /** What is left of a line that is forgotten: it is counted, and shown as none in particular. */
  absorb({ created, createdVariance, dropped, unclosed }: Tally): void {
    this.created += created;
    this.createdVariance += createdVariance;
    this.dropped += dropped;
    this.unclosed += unclosed;
  }

  /** Takes the fold of one sample into the history. */
  remember(window: number): void {
    const count = this.held + this.lost;
    if (count === 0) this.#history = null;
    else {
      this.#history ??= new History(window);
      this.#history.push(count);
    }
    if (this.#occasions === 0) return;
    this.#occasionHistory ??= new History(window);
    this.#occasionHistory.push(this.#occasions);
  }

  /** Held and lost ones keep rising. */
  get leaks(): boolean {
    const weight = this.heldTracked === 0 ? 1 : this.held / this.heldTracked;
    return this.#history?.grows(this.isHarmless, weight) ?? false;
  }

  /** Again and again some are dropped that have memory outside the heap. */
  get litters(): boolean {
    return this.#occasionHistory?.keepsCounting() ?? false;
  }

  /** Rise per sample of what `leaks` or `litters`. */
  get perSample(): number {
    if (this.#history !== null) return this.#history.slope();
    const each = this.#occasions === 0 ? 0 : this.unclosed / this.#occasions;
    return (this.#occasionHistory?.slope() ?? 0) * each;
  }

  /** Whether most of the held ones only wait for a silent peer. */
  get isHarmless(): boolean {
    return this.harmless * 2 > this.held + this.lost;
  }

  /** Ends a fold: one that stands for 9.8 streams is exact in a sum only. */
  round(): void {
    this.open = Math.round(this.open);
    this.idle = Math.round(this.idle);
    this.held = Math.round(this.held);
    this.harmless = Math.round(this.harmless);
    this.bufferedBytes = Math.round(this.bufferedBytes);
  }

  clear(): void {
    this.open = this.openVariance = this.idle = this.held = this.heldTracked = this.harmless = 0;
    this.bufferedBytes = this.lost = 0;
  }
}
