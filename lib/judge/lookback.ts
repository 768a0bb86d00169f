/**
 * One look-back over the past and what grows in it. The judge has two: the last samples, and the last hours in medians
 * of minutes, in which a leak shows that is lost in the noise of a short window.
 *
 * Everything is a function of the rows pushed: live and offline reach the same answers on the same row.
 */
import { MiB } from '../text.js';
import type { Work } from '../work.js';
import {
  isGrowing,
  isSustained,
  mayGrow,
  median,
  minPoints,
  type Thresholds,
  type Trend,
  theilSenSlope,
  trendOf,
  usualEnd,
} from './growth.js';
import { classes, type Row, type RssClass, type SeriesName } from './row.js';
import { type CountSeries, type OwnSeries, rules } from './rules.js';
import { type Excuse, Track } from './track.js';
import { Window } from './window.js';

const alpha = 0.003;

/** RSS has to rise by 4 MiB and by 2 %: below either, allocators and collectors wander by themselves. */
const rssThresholds: Thresholds = { alpha, floor: 4 * MiB, ratio: 0.02, clean: 0, end: usualEnd, tail: 0.7 };

/**
 * A class by itself, where RSS as a whole hides it. There are several classes, so each has to stand out of its noise
 * too: a leak in the counters of an allocator is a line, while classes that merely wander are not. The ratio is of
 * RSS, so that a class that starts from nothing is no exception.
 */
const classClean = 5;

export type TrackedSeries = 'rss' | OwnSeries | CountSeries;

const countRules = rules.filter((rule) => rule.kind === 'count');
const ownSeries: readonly OwnSeries[] = rules.flatMap((rule) => (rule.kind === 'class' ? [...rule.own] : []));

/** Series tested on one tick: 0.3 ms of the main thread. */
const countsPerTick = 3;
const classesPerTick = 2;

function groupsOf<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** What is tested on each of the rows before the one that RSS is judged on, so that no single tick pays for all. */
const groups = [
  // The load, which every test asks about.
  { counts: [] as typeof countRules, owns: [] as OwnSeries[] },
  ...groupsOf(countRules, countsPerTick).map((counts) => ({ counts, owns: [] as OwnSeries[] })),
  ...groupsOf(ownSeries, classesPerTick).map((owns) => ({ counts: [] as typeof countRules, owns })),
];

/** A load that rises by less than this part is noise, or no excuse. */
const loadRatio = 0.02;

/** What collections free: the old generation, Buffers, the rest that V8 is told of, and contexts. */
export type OwnedSeries = 'oldHeap' | 'buffers' | 'others' | 'contexts';

/** The part of the growth that collections have to leave behind for a leak, and the part that still is garbage. */
const survivingRatio = 0.5;
const garbageRatio = 0.3;

/** Points after collections whose newer half can be compared with the older one. */
const leastHalves = 4;

/** Slopes of classes are shares of a growth that is found already: they need fewer points than a test. */
const sharePoints = 6;

/** Rows before the first evaluation: 10 s apart, that is 8.5 minutes. With fewer, half of the warm-ups look like leaks. */
const leastRows = 51;

/**
 * Counters of the allocator and what survives major collections have so little noise that few points will do: ledger
 * passes are rarer than samples in large processes, and collections rarer still.
 */
const leastOwnPoints = 8;

/**
 * Where nothing but RSS is known to rise, one more pass has to be seen: a class that rises with it is a second witness,
 * and RSS alone follows every wave of the load.
 */
const passesWithoutClass = 1;
/** A class with such a part of the growth is that witness. */
const witnessShare = 0.5;

/**
 * Once something is found to grow, the question is no longer whether, but who else: the heap after collections, which
 * garbage has no part in, then needs fewer of them.
 */
const leastHiddenPoints = 6;
const hiddenAlpha = 0.05;

/** A leak that starts within a window makes its newer half steeper by far more than noise does. */
const lateBend = 2;

function least(values: Float64Array, from: number, to: number): number {
  return values.subarray(from, to).reduce((lowest, value) => Math.min(lowest, value), Number.POSITIVE_INFINITY);
}

export interface LookbackOptions {
  /** Rows looked back on. */
  readonly rows: number;
  /** First rows ignored: start-up is growth, but no leak. */
  readonly skip: number;
  /** Consecutive passes before growth is found. */
  readonly confirmations: number;
  /** The same where no load is known that could explain the growth. */
  readonly confirmationsWithoutLoad: number;
}

export class Lookback {
  readonly window: Window;
  readonly tracks: Readonly<Record<TrackedSeries, Track>>;
  readonly #options: LookbackOptions;
  readonly #step: number;
  readonly #least: number;
  /** Of the newest row; and of the row that a series was last tested on, which is what was decided by. */
  readonly #trends = new Map<SeriesName, Trend | null>();
  readonly #tested = new Map<SeriesName, Trend | null>();
  #shares: Partial<Record<RssClass, number>> | null = null;
  #skip: number;
  #rows = 0;

  constructor(options: LookbackOptions) {
    this.#options = options;
    this.#step = Math.max(3, Math.round(options.rows / 8));
    this.#least = Math.min(leastRows, options.rows);
    this.#skip = options.skip;
    this.window = new Window(options.rows);
    const tracked = ['rss', ...ownSeries, ...countRules.map(({ series }) => series)];
    this.tracks = Object.fromEntries(tracked.map((name) => [name, new Track()])) as Record<TrackedSeries, Track>;
  }

  /** Rows that count so far, and rows that the first evaluation needs. */
  get progress(): { readonly rows: number; readonly needed: number } {
    return { rows: Math.max(0, this.#rows - this.#skip), needed: this.#firstRow - this.#skip };
  }

  /** Rows, from the first one on, until growth can be found at the earliest. */
  get rowsToFind(): number {
    return this.#options.skip + this.#least + (this.#options.confirmations - 1) * this.#step;
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

  /** Adds a row; `true` when it completed an evaluation. */
  *push(timeMs: number, row: Row, peakRss: number): Work<boolean> {
    this.window.push(timeMs, row);
    this.#rows++;
    this.#forget();
    const due = this.#rows - this.#firstRow;
    for (let i = 0; i < groups.length; i++) {
      const before = groups.length - i;
      if (due < -before || (due + before) % this.#step !== 0) continue;
      const { counts, owns } = groups[i] as (typeof groups)[number];
      if (i === 0) yield* this.#testLoad();
      for (const rule of counts) yield* this.#testCount(rule);
      for (const name of owns) yield* this.#testClass(name, peakRss);
    }
    if (due < 0 || due % this.#step !== 0) return false;
    yield* this.#testRss(peakRss);
    return true;
  }

  /** The trend of a column over the rows that count: as it was tested, or as of now where it is not tested. */
  *trend(name: SeriesName, atLeast = minPoints): Work<Trend | null> {
    let trend = this.#tested.get(name) ?? this.#trends.get(name);
    if (trend === undefined) {
      const { times, values } = this.window.series(name, this.#usable());
      trend = yield* trendOf(times, values, sharePoints);
      this.#trends.set(name, trend);
    }
    return trend !== null && trend.points >= atLeast ? trend : null;
  }

  /**
   * Growth of RSS divided among its classes: each one's slope as a part of the slope of RSS, or of all that rises
   * where something else shrinks. Parts under 1 % are left out.
   */
  *shares(): Work<Partial<Record<RssClass, number>>> {
    this.#shares ??= yield* this.#divide();
    return this.#shares;
  }

  *#divide(): Work<Partial<Record<RssClass, number>>> {
    const slopes: [RssClass, number][] = [];
    for (const name of classes) slopes.push([name, yield* this.#slope(name)]);
    const rising = slopes.reduce((sum, [, slope]) => sum + Math.max(0, slope), 0);
    const whole = Math.max(rising, yield* this.#slope('rss'));
    const shares = slopes.map(([name, slope]) => [name, Math.round((100 * slope) / whole) / 100] as const);
    return whole > 0 ? Object.fromEntries(shares.filter(([, share]) => share >= 0.01).sort((a, b) => b[1] - a[1])) : {};
  }

  /** What was seen before cannot be compared with what comes. `skip` rows are ignored again. */
  reset(skip: number): void {
    this.window.clear();
    this.#forget();
    this.#tested.clear();
    this.#rows = 0;
    this.#skip = skip;
    for (const track of Object.values(this.tracks)) track.reset();
  }

  /**
   * Does what JavaScript owns survive major collections? Until one has run, growth may be garbage: V8 lets Buffers of
   * tens of MiB pile up before it looks for them. What had grown before the last collection is held against what was
   * left after it.
   */
  survivors(name: OwnedSeries, floor = rssThresholds.floor / 2): 'rising' | 'level' | 'unknown' {
    const rows = this.#usable();
    const after = this.window.series(`${name}AfterGc`, rows);
    const points = after.values.length;
    if (points === 0) return 'unknown';
    const lastMs = after.times[points - 1] as number;
    const { times, values } = this.window.series(name, rows);
    const earlier = values.subarray(0, times.findLastIndex((time) => time < lastMs) + 1);
    if (earlier.length === 0) return 'unknown';
    // The row before the point may have been taken after the collection already.
    const before = earlier.subarray(-3).reduce((highest, value) => Math.max(highest, value));
    const [afterFirst, last] = [after.values[0] as number, after.values[points - 1] as number];
    // Of one collection, or of several that followed each other too closely, what had grown before the first counts.
    const first =
      points === 1 || before - afterFirst < floor
        ? earlier.reduce((least, value) => Math.min(least, value), afterFirst)
        : afterFirst;
    const grown = before - first;
    const climbs = points >= 2 && after.values.every((value, i) => i === 0 || value > (after.values[i - 1] as number));
    // A batch that fills up and is dropped ends higher than it began, depending on when one looks.
    if (points >= leastHalves && least(after.values, points >> 1, points) <= least(after.values, 0, points >> 1)) {
      return 'level';
    }
    if (climbs && last - first >= Math.max(2 * floor, survivingRatio * grown)) return 'rising';
    if (grown < floor) return 'unknown';
    if (last - first >= survivingRatio * grown) return 'rising';
    return last - first < garbageRatio * grown ? 'level' : 'unknown';
  }

  /** Slope of a class; 0 when too little is known of it. */
  *#slope(name: SeriesName): Work<number> {
    const { times, values } = this.window.series(name, this.#usable());
    yield;
    return values.length < sharePoints ? 0 : yield* theilSenSlope(times, values);
  }

  *#testLoad(): Work<void> {
    const { times, values } = this.window.series('load', this.#usable());
    this.#tested.set('load', yield* trendOf(times, values, sharePoints));
  }

  *#testCount({ series, floor, ratio }: (typeof countRules)[number]): Work<void> {
    yield* this.#test(series, { alpha, floor, ratio, clean: 0, end: 0, tail: 0 }, this.#confirmations, false);
  }

  *#testClass(name: OwnSeries, peakRss: number): Work<void> {
    const level = this.window.series('rss', this.#usable()).values[0] ?? 0;
    const floor = Math.max(rssThresholds.floor, rssThresholds.ratio * level);
    const isHidden = name === 'oldHeapAfterGc' && this.#growsAlready;
    const thresholds = { ...rssThresholds, alpha: isHidden ? hiddenAlpha : alpha, floor, ratio: 0, clean: classClean };
    const least = isHidden ? leastHiddenPoints : leastOwnPoints;
    yield* this.#test(name, thresholds, this.#confirmations, this.#isBelow(peakRss), least);
  }

  get #growsAlready(): boolean {
    return this.tracks.rss.found || ownSeries.some((name) => this.tracks[name].found);
  }

  *#testRss(peakRss: number): Work<void> {
    const needed = this.#confirmations;
    const decides = this.tracks.rss.passes + 1 === needed && !this.tracks.rss.found;
    const more = decides && !(yield* this.#hasWitness()) ? passesWithoutClass : 0;
    yield* this.#test('rss', rssThresholds, needed + more, this.#isBelow(peakRss));
  }

  /** One class carries at least half of the growth, and does not flatten out. */
  *#hasWitness(): Work<boolean> {
    const [largest] = Object.entries(yield* this.shares()) as [RssClass, number][];
    if (largest === undefined || largest[1] < witnessShare) return false;
    const trend = yield* this.trend(largest[0], sharePoints);
    return trend !== null && trend.low > 0 && isSustained(trend);
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

  *#test(
    name: TrackedSeries,
    thresholds: Thresholds,
    confirmations: number,
    isBelowPeak: boolean,
    least = minPoints,
  ): Work<void> {
    const { times, values } = this.window.series(name, this.#usable());
    yield;
    const track = this.tracks[name];
    const promising = values.length >= least && (track.found || (yield* mayGrow(values, thresholds.alpha)));
    const whole = promising ? yield* trendOf(times, values, least) : null;
    const passes = whole !== null && isGrowing(whole, thresholds);
    if (whole === null) this.#tested.delete(name);
    else this.#tested.set(name, whole);
    const trend =
      passes || track.found ? whole : ((yield* this.#recentTrend(times, values, thresholds, least)) ?? whole);
    const load = yield* this.trend('load');
    const loadFalls = track.found && (load?.high ?? 0) < 0;
    track.update(trend, trend?.startMs ?? Number.NaN, thresholds, confirmations, loadFalls, (rising) =>
      isBelowPeak ? 'peak' : excuseOf(rising, load, thresholds),
    );
  }

  /**
   * A leak that starts late bends the window, which the test takes for noise. So the newer half is tested by itself
   * where it has left the range of the older one, as the ramp of a sawtooth does not, and is steeper, as the end of a
   * warm-up is not.
   */
  *#recentTrend(times: Float64Array, values: Float64Array, thresholds: Thresholds, least: number): Work<Trend | null> {
    const half = values.length >> 1;
    if (this.#usable() < 2 * leastRows || values.length - half < least) return null;
    const recent = values.subarray(half);
    if (!(yield* mayGrow(recent, thresholds.alpha))) return null;
    const trend = yield* trendOf(times.subarray(half), recent, least);
    const range = values.subarray(0, half).reduce((highest, value) => Math.max(highest, value), -1 / 0);
    if (trend === null || trend.end - range < thresholds.floor || !isGrowing(trend, thresholds)) return null;
    const before = yield* theilSenSlope(times.subarray(0, half), values.subarray(0, half));
    return trend.slope > lateBend * before ? trend : null;
  }
}

/**
 * More work needs more memory. A process whose memory has a fixed part and a part in proportion to its load cannot
 * grow by a larger ratio than its load does; what rises beyond that is not explained by load.
 */
function excuseOf(trend: Trend, load: Trend | null, thresholds: Thresholds): Excuse | null {
  if (load === null || load.p >= 0.01 || load.low <= 0 || load.level <= 0) return null;
  const ratio = load.rise / load.level;
  const explained = ratio * trend.level;
  const floor = Math.max(thresholds.floor, thresholds.ratio * trend.level);
  const excess = Math.min(trend.rise - explained - floor, trend.low * trend.spanMs - explained);
  return ratio > loadRatio && excess < 0 ? 'load' : null;
}
