/**
 * One look-back over the past and what grows in it. The judge has two: the last samples, and the last hours in medians
 * of minutes, in which a leak shows that is lost in the noise of a short window.
 *
 * Everything is a function of the rows pushed: live and offline reach the same answers on the same row.
 */
import {
  isGrowing,
  mayGrow,
  median,
  minPoints,
  type Thresholds,
  type Trend,
  theilSenSlope,
  trendOf,
} from './growth.js';
import { classes, type Metric, type Row, type RssClass } from './numbers.js';
import { type Excuse, Track } from './track.js';
import { Window } from './window.js';

const MiB = 2 ** 20;

/** RSS has to rise by 4 MiB and by 2 %: below either, allocators and collectors wander by themselves. */
const rssThresholds: Thresholds = { alpha: 0.003, floor: 4 * MiB, ratio: 0.02, clean: 0, tail: 0.7 };

/**
 * A class by itself, where RSS as a whole hides it. There are several classes, so each has to stand out of its noise
 * too: a leak in the counters of an allocator is a line, while classes that merely wander are not. The ratio is of
 * RSS, so that a class that starts from nothing is no exception.
 */
const classClean = 5;

/** Counts: ratio and floor that pools and keep-alive connections stay under once they are warm. */
export const countThresholds = {
  threadCount: { alpha: 0.003, floor: 3, ratio: 0.05, clean: 0, tail: 0 },
  workerCount: { alpha: 0.003, floor: 3, ratio: 0.05, clean: 0, tail: 0 },
  fds: { alpha: 0.003, floor: 10, ratio: 0.1, clean: 0, tail: 0 },
  timers: { alpha: 0.003, floor: 20, ratio: 0.1, clean: 0, tail: 0 },
  contexts: { alpha: 0.003, floor: 3, ratio: 0.5, clean: 0, tail: 0 },
  streams: { alpha: 0.003, floor: 10, ratio: 0.1, clean: 0, tail: 0 },
} as const satisfies Partial<Record<Metric, Thresholds>>;
export type CountMetric = keyof typeof countThresholds;

/**
 * What is judged by itself too. The JS heap stands here as its old generation and as what survives collections;
 * files and stacks are of interest only as parts of RSS.
 */
const ownClasses = [
  'oldHeap',
  'array-buffers',
  'external',
  'native',
  'retained',
  'wasm',
  'mmap',
  'oldHeapAfterGc',
] as const;

export const trackedMetrics = [
  'rss',
  ...ownClasses,
  ...(Object.keys(countThresholds) as CountMetric[]),
] as const satisfies readonly Metric[];
export type TrackedMetric = (typeof trackedMetrics)[number];

/** A load that rises by less than this part is noise, or no excuse. */
const loadRatio = 0.02;

/** What JavaScript owns and collections free: the old generation, Buffers, and the rest that V8 is told of. */
export type OwnedMetric = 'oldHeap' | 'buffers' | 'others';

/** The part of the growth that collections have to leave behind for a leak, and the part that still is garbage. */
const survivingRatio = 0.5;
const garbageRatio = 0.3;

/** Slopes of classes are shares of a growth that is found already: they need fewer points than a test. */
const sharePoints = 6;

/** Rows before the first evaluation: 10 s apart, that is 8.5 minutes. With fewer, half of the warm-ups look like leaks. */
const leastRows = 51;

/**
 * Counters of the allocator and what survives major collections have so little noise that few points will do: ledger
 * passes are rarer than samples in large processes, and collections rarer still.
 */
const leastOwnPoints = 12;

/** A leak that starts within a window makes its newer half steeper by far more than noise does. */
const lateBend = 2;

export interface ScopeOptions {
  /** Rows looked back on. */
  readonly rows: number;
  /** First rows ignored: start-up is growth, but no leak. */
  readonly skip: number;
  /** Consecutive passes before growth is found. */
  readonly confirmations: number;
  /** The same where no load is known that could explain the growth. */
  readonly confirmationsWithoutLoad: number;
}

export class Scope {
  readonly window: Window;
  readonly tracks: Readonly<Record<TrackedMetric, Track>>;
  readonly #options: ScopeOptions;
  readonly #step: number;
  readonly #least: number;
  readonly #trends = new Map<Metric, Trend | null>();
  #shares: Partial<Record<RssClass, number>> | null = null;
  #skip: number;
  #rows = 0;

  constructor(options: ScopeOptions) {
    this.#options = options;
    this.#step = Math.max(3, Math.round(options.rows / 8));
    this.#least = Math.min(leastRows, options.rows);
    this.#skip = options.skip;
    this.window = new Window(options.rows);
    this.tracks = Object.fromEntries(trackedMetrics.map((name) => [name, new Track()])) as Record<TrackedMetric, Track>;
  }

  /** Rows that count so far, and rows that the first evaluation needs. */
  get progress(): { readonly rows: number; readonly needed: number } {
    return { rows: Math.max(0, this.#rows - this.#skip), needed: this.#firstRow - this.#skip };
  }

  get evaluated(): boolean {
    return this.#rows >= this.#firstRow;
  }

  get #confirmations(): number {
    const knowsLoad = this.window.series('load', this.#usable()).values.length >= minPoints;
    return knowsLoad ? this.#options.confirmations : this.#options.confirmationsWithoutLoad;
  }

  /** The next row completes an evaluation. */
  get evaluatesNext(): boolean {
    const due = this.#rows + 1 - this.#firstRow;
    return due >= 0 && due % this.#step === 0;
  }

  get #firstRow(): number {
    return this.#skip + this.#least;
  }

  /**
   * Adds a row; `true` when it completed an evaluation. Counts are tested two rows before RSS and classes one, so that
   * no single tick pays for all.
   */
  push(timeMs: number, row: Row, peakRss: number): boolean {
    this.window.push(timeMs, row);
    this.#rows++;
    this.#forget();
    const due = this.#rows - this.#firstRow;
    if (due >= -2 && (due + 2) % this.#step === 0) this.#testCounts();
    if (due >= -1 && (due + 1) % this.#step === 0) this.#testClasses(peakRss);
    if (due < 0 || due % this.#step !== 0) return false;
    this.#test('rss', rssThresholds, this.#confirmations, this.#isBelow(peakRss));
    return true;
  }

  /** The trend of a column over the rows that count; computed once a row. */
  trend(name: Metric, atLeast = minPoints): Trend | null {
    let trend = this.#trends.get(name);
    if (trend === undefined) {
      const { times, values } = this.window.series(name, this.#usable());
      trend = trendOf(times, values, sharePoints);
      this.#trends.set(name, trend);
    }
    return trend !== null && trend.points >= atLeast ? trend : null;
  }

  /**
   * Growth of RSS divided among its classes: each one's slope as a part of the slope of RSS, or of all that rises
   * where something else shrinks. Parts under 1 % are left out.
   */
  shares(): Partial<Record<RssClass, number>> {
    this.#shares ??= this.#divide();
    return this.#shares;
  }

  #divide(): Partial<Record<RssClass, number>> {
    const slopes = classes.map((name) => [name, this.#slope(name)] as const);
    const rising = slopes.reduce((sum, [, slope]) => sum + Math.max(0, slope), 0);
    const whole = Math.max(rising, this.#slope('rss'));
    const shares = slopes.map(([name, slope]) => [name, Math.round((100 * slope) / whole) / 100] as const);
    return whole > 0 ? Object.fromEntries(shares.filter(([, share]) => share >= 0.01).sort((a, b) => b[1] - a[1])) : {};
  }

  /** What was seen before cannot be compared with what comes. `skip` rows are ignored again. */
  reset(skip: number): void {
    this.window.clear();
    this.#forget();
    this.#rows = 0;
    this.#skip = skip;
    for (const track of Object.values(this.tracks)) track.reset();
  }

  /**
   * Does what JavaScript owns survive major collections? Until one has run, growth may be garbage: V8 lets Buffers of
   * tens of MB pile up before it looks for them. What had grown before the last collection is held against what was
   * left after it.
   */
  survivors(name: OwnedMetric): 'rising' | 'level' | 'unknown' {
    const rows = this.#usable();
    const after = this.window.series(`${name}AfterGc`, rows);
    const points = after.values.length;
    if (points === 0) return 'unknown';
    const lastMs = after.times[points - 1] as number;
    const { times, values } = this.window.series(name, rows);
    const earlier = values.subarray(0, times.findLastIndex((time) => time < lastMs) + 1);
    const before = earlier.at(-1);
    if (before === undefined) return 'unknown';
    const last = after.values[points - 1] as number;
    const first = points === 1 ? earlier.reduce((least, value) => Math.min(least, value)) : (after.values[0] as number);
    const grown = before - first;
    const floor = rssThresholds.floor / 2;
    const climbs = points >= 2 && after.values.every((value, i) => i === 0 || value > (after.values[i - 1] as number));
    if (climbs && last - first >= Math.max(2 * floor, survivingRatio * grown)) return 'rising';
    if (grown < floor) return 'unknown';
    if (last - first >= survivingRatio * grown) return 'rising';
    return last - first < garbageRatio * grown ? 'level' : 'unknown';
  }

  /** Slope of a class; 0 when too little is known of it. */
  #slope(name: Metric): number {
    const { times, values } = this.window.series(name, this.#usable());
    return values.length < sharePoints ? 0 : theilSenSlope(times, values);
  }

  #testCounts(): void {
    for (const name of Object.keys(countThresholds) as CountMetric[]) {
      this.#test(name, countThresholds[name], this.#confirmations, false);
    }
  }

  #testClasses(peakRss: number): void {
    const level = this.window.series('rss', this.#usable()).values[0] ?? 0;
    const floor = Math.max(rssThresholds.floor, rssThresholds.ratio * level);
    const isBelow = this.#isBelow(peakRss);
    for (const name of ownClasses) {
      this.#test(name, { ...rssThresholds, floor, ratio: 0, clean: classClean }, this.#confirmations, isBelow);
    }
  }

  /** RSS has not left the range that it kept to before this window. */
  #isBelow(peakRss: number): boolean {
    return median(this.window.series('rss', 8).values) <= peakRss;
  }

  #forget(): void {
    this.#trends.clear();
    this.#shares = null;
  }

  #usable(): number {
    return Math.max(0, Math.min(this.#options.rows, this.#rows - this.#skip));
  }

  #test(name: TrackedMetric, thresholds: Thresholds, confirmations: number, isBelowPeak: boolean): void {
    const { times, values } = this.window.series(name, this.#usable());
    const track = this.tracks[name];
    const least = (ownClasses as readonly string[]).includes(name) ? leastOwnPoints : minPoints;
    const promising = values.length >= least && (track.found || mayGrow(values, thresholds.alpha));
    const whole = promising ? trendOf(times, values, least) : null;
    const passes = whole !== null && isGrowing(whole, thresholds);
    const trend = passes || track.found ? whole : (this.#recentTrend(times, values, thresholds, least) ?? whole);
    const loadFalls = track.found && (this.trend('load')?.high ?? 0) < 0;
    track.update(trend, trend?.startMs ?? Number.NaN, thresholds, confirmations, loadFalls, (rising) =>
      isBelowPeak ? 'peak' : this.#excuse(rising, thresholds),
    );
  }

  /**
   * A leak that starts late bends the window, which the test takes for noise. So the newer half is tested by itself
   * where it has left the range of the older one, as the ramp of a sawtooth does not, and is steeper, as the end of a
   * warm-up is not.
   */
  #recentTrend(times: Float64Array, values: Float64Array, thresholds: Thresholds, least: number): Trend | null {
    const half = values.length >> 1;
    if (this.#usable() < 2 * leastRows || values.length - half < least) return null;
    const recent = values.subarray(half);
    if (!mayGrow(recent, thresholds.alpha)) return null;
    const trend = trendOf(times.subarray(half), recent, least);
    const range = values.subarray(0, half).reduce((highest, value) => Math.max(highest, value), -1 / 0);
    if (trend === null || trend.end - range < thresholds.floor || !isGrowing(trend, thresholds)) return null;
    return trend.slope > lateBend * theilSenSlope(times.subarray(0, half), values.subarray(0, half)) ? trend : null;
  }

  /**
   * More work needs more memory. A process whose memory has a fixed part and a part in proportion to its load cannot
   * grow by a larger ratio than its load does; what rises beyond that is not explained by load.
   */
  #excuse(trend: Trend, thresholds: Thresholds): Excuse | null {
    const load = this.trend('load');
    if (load === null || load.p >= 0.01 || load.low <= 0 || load.level <= 0) return null;
    const ratio = load.rise / load.level;
    const explained = ratio * trend.level;
    const floor = Math.max(thresholds.floor, thresholds.ratio * trend.level);
    const excess = Math.min(trend.rise - explained - floor, trend.low * trend.spanMs - explained);
    return ratio > loadRatio && excess < 0 ? 'load' : null;
  }
}
