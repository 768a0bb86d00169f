/**
 * Does the number of forgotten streams of one line of code keep rising?
 *
 * Age says nothing: keep-alive sockets, log files and broker connections live as long as the process. A pool grows too,
 * but levels off. So the *minimum* over each part of the recent past has to rise from part to part, without slowing
 * down: bursts only raise maxima, and what is given back between two bursts lowers the minimum again.
 */

/** Samples before anything is said. */
const minSamples = 30;
/** Streams that something is visibly wrong with (never read, paused, not closed) are judged on this many samples. */
const recentSamples = 60;
/** The rise of the minimum, in streams. One or two may be a race between two looks. */
const minRise = 5;
/** … and in streams that were really counted, where one stands for many. */
const minCounted = 3;
/** … and in standard deviations of a population of that size. */
const minSigmas = 3;
/** The later half of the rise against the earlier: a pool that fills up slows down. */
const minPersistence = 0.5;

export class History {
  readonly #values: Float64Array;
  #length = 0;
  #next = 0;

  constructor(window: number) {
    this.#values = new Float64Array(window);
  }

  push(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#values.length;
    if (this.#length < this.#values.length) this.#length++;
  }

  /** Values of the last `count` samples, oldest first. */
  #at(count: number, index: number): number {
    const { length } = this.#values;
    return this.#values[(this.#next - count + index + length) % length] as number;
  }

  #minimum(count: number, from: number, to: number): number {
    let minimum = Number.POSITIVE_INFINITY;
    for (let i = from; i < to; i++) minimum = Math.min(minimum, this.#at(count, i));
    return minimum;
  }

  /**
   * @param harmless the streams only wait for a silent peer. A slowly growing pool looks the same until it is full, so
   *   these need more evidence: the whole window, in six parts.
   * @param weight the streams that one counted stream stands for. A rise of one or two counted ones may be chance.
   */
  grows(harmless: boolean, weight = 1): boolean {
    const chance = (first: number) =>
      Math.max(weight > 1 ? minCounted * weight : 0, minSigmas * Math.sqrt(first * weight));
    if (harmless) return this.#length === this.#values.length && this.#rises(this.#length, 6, chance);
    return this.#risesInThirds(chance);
  }

  /** For a counter, whose past says nothing of how much it may rise by chance. */
  keepsCounting(): boolean {
    return this.#risesInThirds(() => 0);
  }

  #risesInThirds(chance: (first: number) => number): boolean {
    if (this.#length < Math.min(minSamples, this.#values.length)) return false;
    return this.#rises(Math.min(this.#length, recentSamples), 3, chance) || this.#rises(this.#length, 3, chance);
  }

  /** @param chance the rise that is still to be expected by chance, from the number at the beginning. */
  #rises(count: number, parts: number, chance: (first: number) => number): boolean {
    const minima: number[] = [];
    for (let part = 0; part < parts; part++) {
      minima.push(this.#minimum(count, Math.floor((part * count) / parts), Math.floor(((part + 1) * count) / parts)));
    }
    if (minima.some((minimum, part) => part > 0 && minimum <= (minima[part - 1] as number))) return false;
    const first = minima[0] as number;
    const last = minima[parts - 1] as number;
    const half = (parts - 1) >> 1;
    const middle = minima[half] as number;
    const earlier = (middle - first) / half;
    const later = (last - middle) / (parts - 1 - half);
    return last - first >= Math.max(minRise, chance(first)) && later >= minPersistence * earlier;
  }

  /** Rise per sample over what is remembered of the recent past. */
  slope(): number {
    const count = Math.min(this.#length, recentSamples);
    if (count < 2) return 0;
    return (this.#at(count, count - 1) - this.#at(count, 0)) / (count - 1);
  }
}
