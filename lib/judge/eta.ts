/**
 * Time until a limit is reached. A range, because a slope is an interval; asked only after growth was found, because
 * half of all flat series have a positive slope; capped, because nobody should plan on a line drawn further than that.
 */
import { hourMs } from '../text.js';
import type { Trend } from './growth.js';

const etaCapMs = 24 * hourMs;

/**
 * @param trend of RSS, growing.
 * @param limitBytes the limit that applies.
 * @param usedBytes what counts against it now and cannot be reclaimed.
 * @returns the earliest and the latest time from now, each at most 24 h; `null` when the limit is further away than
 * that even at the fastest growth, or when something is unknown.
 */
export function timeToLimit(
  trend: Trend,
  limitBytes: number,
  usedBytes: number,
): readonly [lowMs: number, highMs: number] | null {
  // The noise above the line decides when a limit is first touched, not the line.
  const left = limitBytes - usedBytes;
  if (!(left > 0)) return left <= 0 && trend.slope > 0 ? [0, 0] : null;
  if (!(trend.high > 0)) return null;
  const early = Math.max(0, left - trend.noise) / trend.high;
  const late = trend.low > 0 ? left / trend.low : etaCapMs;
  return early <= etaCapMs ? [Math.round(early), Math.round(Math.min(etaCapMs, late))] : null;
}
