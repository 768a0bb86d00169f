/**
 * Does a series grow, how fast, and is it still growing? Plain arithmetic on typed arrays: no clock, no randomness, so
 * the same numbers give the same answer live and offline.
 *
 * A series grows when all of this holds (docs/verdicts.md, "How growth is judged"):
 *   - the one-sided Mann-Kendall test rejects "no trend", its variance widened for autocorrelation (Hamed and Rao);
 *   - the lower end of the Theil-Sen slope's 90 % interval is positive;
 *   - the rise over the window passes an absolute floor *and* a ratio of the level, and, where a series is known to be
 *     clean, stands out of its noise;
 *   - it is not flattening out: warm-ups, filling pools and caches that reached their size bend or stop.
 *
 * Ranks and medians, because memory comes in steps and bursts that ruin means and least squares.
 * Cost at 120 points: about 0.2 ms, and ten times that in code that V8 has not compiled, or has forgotten; so all that
 * looks at each pair of points can be put down in between. Longer windows are thinned to 120 points first.
 */
import { finish, type Work } from '../work.js';

/** More points cost quadratically and decide nothing: windows are thinned to this many by block medians. */
const maxPoints = 120;

/** Points of a slope that nothing is decided by alone. */
const slopePoints = 40;

/** Below this a rank test has no power worth the name. */
export const minPoints = 24;

export interface Thresholds {
  /** One-sided p below which a trend counts. */
  readonly alpha: number;
  /** The rise over the window has to reach this, in the unit of the series. */
  readonly floor: number;
  /** … and this part of the level at the start of the window. */
  readonly ratio: number;
  /** The rise has to be this many times the noise around the line. */
  readonly clean: number;
  /** The slope of the last third as a part of the whole one's; 0 for counts, whose last stair may be that old. */
  readonly end: number;
  /** The part of the predicted rise that the last points have to show; 0 for counts, which rise in steps. */
  readonly tail: number;
}

/** What is known about one series over one window. Slopes are in units of the series per millisecond. */
export interface Trend {
  readonly points: number;
  readonly startMs: number;
  readonly spanMs: number;
  /** Median of the first quarter. */
  readonly level: number;
  readonly slope: number;
  /** Ends of the 90 % interval of the slope. */
  readonly low: number;
  readonly high: number;
  /** One-sided: the probability of so much rise without a trend. */
  readonly p: number;
  /** `slope × spanMs`. */
  readonly rise: number;
  /** 95th percentile of the distance between the series and its line. */
  readonly noise: number;
  /** The line's value at the last point. */
  readonly end: number;
  /** Slope of each half and of the last third. */
  readonly firstHalf: number;
  readonly secondHalf: number;
  readonly lastThird: number;
  /** The rise at the very end as a part of what the slope predicts there, less the error of that reading. */
  readonly tail: number;
}

/** Pairs looked at between two places to put the work down: 0.1 ms in the interpreter. */
const pairsAtOnce = 1024;

/** Lags of an autocorrelation, likewise. */
const lagsAtOnce = 8;

/** Where slopes and ranks are worked out. More than one, since a trend that was put down still needs its own. */
interface Scratch {
  readonly slopes: Float64Array;
  readonly sorted: Float64Array;
  readonly ranks: Float64Array;
  /** Kendall's S of all pairs written. */
  kendallS: number;
}

const unused: Scratch[] = [];

function takeScratch(): Scratch {
  const scratch = unused.pop() ?? {
    slopes: new Float64Array((maxPoints * (maxPoints - 1)) / 2),
    sorted: new Float64Array(maxPoints),
    ranks: new Float64Array(maxPoints),
    kendallS: 0,
  };
  scratch.kendallS = 0;
  return scratch;
}

const block = new Float64Array(1024);

/**
 * The element that would stand at index `k` if `a[from..to)` were sorted; that range is reordered so that smaller ones
 * stand before it. Hoare's selection, pivot by median of three: no randomness.
 */
function* selection(a: Float64Array, from: number, to: number, k: number): Work<number> {
  let left = from;
  let right = to - 1;
  while (left < right) {
    const middle = (left + right) >> 1;
    const x = a[left] as number;
    const y = a[middle] as number;
    const z = a[right] as number;
    const pivot = x < y ? (y < z ? y : x < z ? z : x) : x < z ? x : y < z ? z : y;
    let i = left;
    let j = right;
    for (let passed = left; i <= j; ) {
      while ((a[i] as number) < pivot) i++;
      while ((a[j] as number) > pivot) j--;
      if (i <= j) {
        const swap = a[i] as number;
        a[i++] = a[j] as number;
        a[j--] = swap;
      }
      if (i - passed < pairsAtOnce) continue;
      passed = i;
      yield;
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else break;
  }
  return a[k] as number;
}

const select = (a: Float64Array, from: number, to: number, k: number) => finish(selection(a, from, to, k));

/** Median of `values[from..to)`; `NaN` when empty. */
export function median(values: Float64Array, from = 0, to = values.length): number {
  const n = to - from;
  if (n <= 0) return Number.NaN;
  const scratch = n <= block.length ? block : new Float64Array(n);
  for (let i = 0; i < n; i++) scratch[i] = values[from + i] as number;
  const upper = select(scratch, 0, n, n >> 1);
  if (n % 2 === 1) return upper;
  let lower = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < n >> 1; i++) lower = Math.max(lower, scratch[i] as number);
  return (lower + upper) / 2;
}

/** Writes the slopes between all i < j, i in `[from, middle)`, j in `[start, to)`, from `at` on. Returns the end. */
function* writeSlopes(
  scratch: Scratch,
  times: Float64Array,
  values: Float64Array,
  range: { readonly from: number; readonly middle: number; readonly start: number; readonly to: number },
  at: number,
): Work<number> {
  const { slopes } = scratch;
  const { from, middle, start, to } = range;
  let count = at;
  let putDown = at;
  let s = 0;
  for (let i = from; i < middle; i++) {
    const value = values[i] as number;
    const time = times[i] as number;
    for (let j = Math.max(i + 1, start); j < to; j++) {
      const rise = (values[j] as number) - value;
      s += rise > 0 ? 1 : rise < 0 ? -1 : 0;
      slopes[count++] = rise / ((times[j] as number) - time);
    }
    if (count - putDown < pairsAtOnce) continue;
    putDown = count;
    yield;
  }
  scratch.kendallS += s;
  return count;
}

/** Theil-Sen slope of `[from, to)`. */
function* slopeOf(scratch: Scratch, times: Float64Array, values: Float64Array, from: number, to: number): Work<number> {
  const count = yield* writeSlopes(scratch, times, values, { from, middle: to, start: from, to }, 0);
  return count === 0 ? 0 : yield* selection(scratch.slopes, 0, count, count >> 1);
}

/** Upper tail of the normal distribution (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
function upperTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = 0.5 * poly * Math.exp(-x * x);
  return z >= 0 ? tail : 1 - tail;
}

/** Sum of c(c−1)(2c+5) over groups of equal values: ties lower the variance of S. */
function tieTerm(values: Float64Array): number {
  const n = values.length;
  const sorted = Float64Array.from(values).sort();
  let term = 0;
  for (let i = 0, j = 0; i < n; i = j) {
    while (j < n && sorted[j] === sorted[i]) j++;
    const c = j - i;
    term += c * (c - 1) * (2 * c + 5);
  }
  return term;
}

/** Hamed and Rao: how much positive autocorrelation of the detrended ranks widens the variance of S. */
function* autocorrelationFactor(
  { ranks, sorted }: Scratch,
  times: Float64Array,
  values: Float64Array,
  slope: number,
): Work<number> {
  const n = values.length;
  for (let i = 0; i < n; i++) {
    ranks[i] = (values[i] as number) - slope * ((times[i] as number) - (times[0] as number));
  }
  sorted.set(ranks.subarray(0, n));
  const order = sorted.subarray(0, n).sort();
  const mean = (n - 1) / 2;
  let variance = 0;
  for (let i = 0; i < n; i++) {
    // Middle of the equal range: equal residuals share a rank.
    const value = ranks[i] as number;
    let low = 0;
    let high = n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((order[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    let last = low;
    while (last + 1 < n && order[last + 1] === value) last++;
    const rank = (low + last) / 2 - mean;
    ranks[i] = rank;
    variance += rank * rank;
  }
  if (variance === 0) return 1;
  let sum = 0;
  const significant = 1.645 / Math.sqrt(n);
  for (let lag = 1; lag <= Math.floor(n / 3); lag++) {
    let product = 0;
    for (let i = 0; i + lag < n; i++) product += (ranks[i] as number) * (ranks[i + lag] as number);
    const rho = product / variance;
    if (rho > significant) sum += (n - lag) * (n - lag - 1) * (n - lag - 2) * rho;
    else if (lag >= 3) break;
    if (lag % lagsAtOnce === 0) yield;
  }
  return 1 + (2 / (n * (n - 1) * (n - 2))) * sum;
}

/**
 * A cache that just filled up still has a straight line behind it. So the last few points are compared with the ones
 * shortly before: as few as the noise allows, so that clean counters notice a stop after a handful of samples. The
 * standard error of the difference is added in favour of growth, or bursts would hide slow leaks; where it is too large
 * for the question, the answer is 1.
 */
function tailOf(values: Float64Array, risePerPoint: number, noise: number): number {
  if (!(risePerPoint > 0)) return 0;
  const n = values.length;
  const group = Math.max(2, Math.min(n / 10, 12, Math.ceil((0.75 * noise) / risePerPoint))) | 0;
  const rise = median(values, n - group, n) - median(values, n - 3 * group, n - 2 * group);
  const predicted = 2 * group * risePerPoint;
  const error = (0.9 * noise) / Math.sqrt(group);
  return error > predicted / 2 ? 1 : (rise + error) / predicted;
}

/** Median of each of `most` equal blocks, so that a window of any length costs the same. */
function thin(times: Float64Array, values: Float64Array, most = maxPoints): [Float64Array, Float64Array] {
  const n = times.length;
  if (n <= most) return [times, values];
  const t = new Float64Array(most);
  const v = new Float64Array(most);
  for (let i = 0; i < most; i++) {
    const from = Math.floor((i * n) / most);
    const to = Math.floor(((i + 1) * n) / most);
    t[i] = median(times, from, to);
    v[i] = median(values, from, to);
  }
  return [t, v];
}

/**
 * The trend of a series. `timesMs` ascends strictly and both arrays hold finite numbers of equal count (window.ts sees
 * to it). `null` with fewer points than a judgement needs.
 */
export function* trendOf(timesMs: Float64Array, series: Float64Array, atLeast = minPoints): Work<Trend | null> {
  if (series.length < Math.max(4, atLeast)) return null;
  const [times, values] = thin(timesMs, series);
  const scratch = takeScratch();
  const { slopes, ranks } = scratch;
  const n = values.length;
  const first = times[0] as number;
  const spanMs = (times[n - 1] as number) - first;
  // Pairs within each half first, so that their slopes are selected before they are mixed with the others.
  const half = n >> 1;
  const firstEnd = yield* writeSlopes(scratch, times, values, { from: 0, middle: half + 1, start: 0, to: half + 1 }, 0);
  const secondEnd = yield* writeSlopes(scratch, times, values, { from: half, middle: n, start: half, to: n }, firstEnd);
  const count = yield* writeSlopes(
    scratch,
    times,
    values,
    { from: 0, middle: half, start: half + 1, to: n },
    secondEnd,
  );
  const s = scratch.kendallS;
  const firstHalf = yield* selection(slopes, 0, firstEnd, firstEnd >> 1);
  const secondHalf = yield* selection(slopes, firstEnd, secondEnd, (firstEnd + secondEnd) >> 1);
  const middle = count >> 1;
  const slope = yield* selection(slopes, 0, count, middle);
  let variance = (n * (n - 1) * (2 * n + 5) - tieTerm(values)) / 18;
  variance *= yield* autocorrelationFactor(scratch, times, values, slope);
  const z = variance > 0 ? (s - Math.sign(s)) / Math.sqrt(variance) : 0;
  const reach = 1.645 * Math.sqrt(Math.max(0, variance));
  // What is smaller than the median stands before it now, and what is larger after it.
  const low = yield* selection(slopes, 0, middle + 1, Math.max(0, Math.floor((count - reach) / 2)));
  const high = yield* selection(slopes, middle, count, Math.min(count - 1, Math.ceil((count + reach) / 2)));
  for (let i = 0; i < n; i++) ranks[i] = (values[i] as number) - slope * ((times[i] as number) - first);
  const intercept = median(ranks, 0, n);
  for (let i = 0; i < n; i++) ranks[i] = Math.abs((ranks[i] as number) - intercept);
  const noise = select(ranks, 0, n, Math.floor(0.95 * (n - 1)));
  yield;
  const lastThird = yield* slopeOf(scratch, times, values, Math.floor((2 * n) / 3), n);
  unused.push(scratch);
  return {
    points: series.length,
    startMs: first,
    spanMs,
    level: median(values, 0, Math.max(3, n >> 2)),
    slope,
    low: Math.min(low, slope),
    high: Math.max(high, slope),
    p: upperTail(z),
    rise: slope * spanMs,
    noise,
    end: intercept + slope * spanMs,
    firstHalf,
    secondHalf,
    lastThird,
    tail: tailOf(values, slope * (spanMs / (n - 1)), noise),
  };
}

/** The slope alone, of few points: for parts of a growth that is known, at a twentieth of the cost of a trend. */
export function* theilSenSlope(timesMs: Float64Array, series: Float64Array): Work<number> {
  const [times, values] = thin(timesMs, series, slopePoints);
  const scratch = takeScratch();
  const slope = yield* slopeOf(scratch, times, values, 0, values.length);
  unused.push(scratch);
  return slope;
}

/** Cheap look first: `false` when even the uncorrected test, which sees trends too readily, sees none at `alpha`. */
export function* mayGrow(series: Float64Array, alpha: number): Work<boolean> {
  const n = series.length;
  let s = 0;
  let pairs = 0;
  for (let i = 0; i < n; i++) {
    const value = series[i] as number;
    for (let j = i + 1; j < n; j++) {
      const next = series[j] as number;
      s += next > value ? 1 : next < value ? -1 : 0;
    }
    pairs += n - i;
    if (pairs < pairsAtOnce) continue;
    pairs = 0;
    yield;
  }
  return s > 0 && upperTail((s - 1) / Math.sqrt((n * (n - 1) * (2 * n + 5) - tieTerm(series)) / 18)) < alpha;
}

/** What the end of a series of bytes has to show of its slope. */
export const usualEnd = 0.3;

/** Shape: the second half rises nearly as fast as the first, and the end still rises. */
export function isSustained(trend: Trend, end = usualEnd): boolean {
  return (
    trend.secondHalf >= 0.6 * trend.firstHalf &&
    trend.secondHalf >= 0.6 * trend.slope &&
    trend.lastThird >= end * trend.slope
  );
}

/** All conditions of the header. */
export function isGrowing(trend: Trend, thresholds: Thresholds): boolean {
  return (
    trend.p < thresholds.alpha &&
    trend.low > 0 &&
    trend.rise >= thresholds.clean * trend.noise &&
    trend.rise >= Math.max(thresholds.floor, thresholds.ratio * Math.abs(trend.level)) &&
    isSustained(trend, thresholds.end)
  );
}
