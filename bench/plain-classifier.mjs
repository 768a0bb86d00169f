// The plain classifier that everything here began with, on RSS alone: every 15 samples from the 63rd, the published tests
// over a window of 120 samples, of which the first 12 of the process are left out. Growth is
//
//   - a one-sided Mann-Kendall test at p < .003, its variance widened for autocorrelation (Hamed and Rao);
//   - a Theil-Sen slope whose 90 % interval lies above zero, and which rises by 4 MiB and by 2 % over the window;
//   - a second half that is at least .6 as steep as the first and as the whole, and a last third at least .3 of the whole.
//
// Textbook arithmetic, and nothing of what is shipped. The noise of the series is continuous, so there are no ties.
const alpha = 0.003;
const floorMiB = 4;
const ratio = 0.02;

/** Slopes between all pairs in `[from, to)`, ascending. */
function slopesOf(values, from, to) {
  const slopes = new Float64Array(((to - from) * (to - from - 1)) / 2);
  let count = 0;
  for (let i = from; i < to; i++) {
    for (let j = i + 1; j < to; j++) slopes[count++] = (values[j] - values[i]) / (j - i);
  }
  return slopes.sort();
}

const middleOf = (ascending) => ascending[ascending.length >> 1];

function median(values) {
  const ascending = Float64Array.from(values).sort();
  const half = ascending.length >> 1;
  return ascending.length % 2 === 1 ? ascending[half] : (ascending[half - 1] + ascending[half]) / 2;
}

/** Upper tail of the normal distribution (Abramowitz and Stegun 7.1.26). */
function upperTail(z) {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = 0.5 * poly * Math.exp(-x * x);
  return z >= 0 ? tail : 1 - tail;
}

/** How much positive autocorrelation of the detrended ranks widens the variance of S. */
function autocorrelationFactor(values, slope) {
  const n = values.length;
  const residuals = values.map((value, i) => value - slope * i);
  const ranks = new Float64Array(n);
  const order = Array.from(residuals.keys()).sort((a, b) => residuals[a] - residuals[b]);
  for (const [rank, i] of order.entries()) ranks[i] = rank - (n - 1) / 2;
  const variance = ranks.reduce((sum, rank) => sum + rank * rank, 0);
  let sum = 0;
  for (let lag = 1; lag <= Math.floor(n / 3); lag++) {
    let product = 0;
    for (let i = 0; i + lag < n; i++) product += ranks[i] * ranks[i + lag];
    const rho = product / variance;
    if (rho > 1.645 / Math.sqrt(n)) sum += (n - lag) * (n - lag - 1) * (n - lag - 2) * rho;
    else if (lag >= 3) break;
  }
  return 1 + (2 / (n * (n - 1) * (n - 2))) * sum;
}

function isGrowing(values) {
  const n = values.length;
  const slopes = slopesOf(values, 0, n);
  const slope = middleOf(slopes);
  if (slope <= 0) return false;
  const s = slopes.reduce((sum, each) => sum + Math.sign(each), 0);
  const variance = ((n * (n - 1) * (2 * n + 5)) / 18) * autocorrelationFactor(values, slope);
  if (upperTail((s - Math.sign(s)) / Math.sqrt(variance)) >= alpha) return false;
  const low = slopes[Math.max(0, Math.floor((slopes.length - 1.645 * Math.sqrt(variance)) / 2))];
  const rise = slope * (n - 1);
  const level = median(values.subarray(0, Math.max(3, n >> 2)));
  if (low <= 0 || rise < Math.max(floorMiB, ratio * level)) return false;
  const half = n >> 1;
  const firstHalf = middleOf(slopesOf(values, 0, half + 1));
  const secondHalf = middleOf(slopesOf(values, half, n));
  const lastThird = middleOf(slopesOf(values, Math.floor((2 * n) / 3), n));
  return secondHalf >= 0.6 * firstHalf && secondHalf >= 0.6 * slope && lastThird >= 0.3 * slope;
}

/**
 * Whether it holds so many times in a row.
 * @param rss in MiB.
 * @param confirmations ascending. Returns for each the sample of the alarm, or `null`.
 */
export function alarmsOfPlain(rss, confirmations) {
  const alarms = confirmations.map(() => null);
  let passes = 0;
  for (let end = 63; end <= rss.length && alarms.includes(null); end += 15) {
    passes = isGrowing(rss.subarray(Math.max(12, end - 120), end)) ? passes + 1 : 0;
    for (const [i, needed] of confirmations.entries()) if (passes >= needed) alarms[i] ??= end;
  }
  return alarms;
}
