/**
 * Alerts: a threshold was crossed. Said once per crossing; the value has to fall clearly below before it can be said
 * again, or a service that sits on the threshold would page all night.
 */
import { formatPercent, hourMs } from '../text.js';
import { numberAt, valueAt } from './row.js';

export interface Alert {
  readonly id: 'heap-limit' | 'memory-limit' | 'detached-contexts' | 'growth-6h';
  /** The threshold crossed: a ratio, a count or milliseconds, by id. */
  readonly threshold: number;
  readonly value: number;
  readonly sentence: string;
  readonly next: string;
  readonly docs: string;
}

/** How far below its threshold a ratio has to fall to arm its alert again. */
const hysteresis = 0.05;
const detachedMs = 10 * 60_000;
export const longGrowthMs = 6 * hourMs;

interface RatioRow {
  readonly id: Alert['id'];
  readonly thresholds: readonly number[];
  readonly ratio: (sample: unknown) => number;
  readonly sentence: (percent: string) => string;
  readonly next: string;
}

const ratioTable: readonly RatioRow[] = [
  {
    id: 'heap-limit',
    thresholds: [0.7, 0.85],
    ratio: (sample) => numberAt(sample, 'v8', 'heapUsedBytes') / numberAt(sample, 'v8', 'heapLimitBytes'),
    sentence: (percent) => `The JavaScript heap uses ${percent} of its limit.`,
    next: 'See whether a js-heap verdict names a culprit; if the heap is simply too small, raise --max-old-space-size.',
  },
  {
    id: 'memory-limit',
    thresholds: [0.8, 0.9],
    // A machine that is 80 % full is normal; a container is killed at 100 %.
    ratio: (sample) =>
      valueAt(sample, 'limit', 'source') === 'physical' ? Number.NaN : numberAt(sample, 'limit', 'usedRatio'),
    sentence: (percent) => `Memory that cannot be reclaimed is at ${percent} of the limit.`,
    next: 'Read the newest verdicts for who grows; raise the limit or restart in a planned way before the kernel does it.',
  },
];

/** One row for each threshold, with the name of its crossing: built once, for they are gone through on each tick. */
const crossings = ratioTable.flatMap((row) =>
  row.thresholds.map((threshold) => ({ row, threshold, key: `${row.id}:${threshold}` })),
);

export class Alerts {
  /** Crossed and not yet fallen back, as `id:threshold`. */
  readonly #active = new Set<string>();
  #detachedSinceMs: number | null = null;

  /** Alerts that this sample raises. `longGrowth`: RSS has been found growing over the last six hours. */
  check(timeMs: number, sample: unknown, longGrowth: boolean): Alert[] {
    const raised: Alert[] = [];
    for (const { row, threshold, key } of crossings) {
      const value = row.ratio(sample);
      // A limit of 0 is a broken counter.
      if (!Number.isFinite(value)) continue;
      if (!this.#crosses(key, value >= threshold, value < threshold - hysteresis)) continue;
      const { id, next } = row;
      const sentence = row.sentence(formatPercent(value));
      raised.push({ id, threshold, value: round(value), sentence, next, docs: docsOf(id) });
    }
    const detached = numberAt(sample, 'v8', 'detachedContexts');
    if (detached > 0) this.#detachedSinceMs ??= timeMs;
    else if (detached === 0) this.#detachedSinceMs = null;
    const lastedMs = this.#detachedSinceMs === null ? 0 : timeMs - this.#detachedSinceMs;
    if (this.#crosses('detached-contexts', lastedMs >= detachedMs, lastedMs === 0)) {
      raised.push({
        id: 'detached-contexts',
        threshold: detachedMs,
        value: detached,
        sentence: `${detached} V8 contexts have been detached but not collected for 10 minutes.`,
        next: 'Look for what still refers to objects of a vm context, test environment or window that was closed.',
        docs: docsOf('detached-contexts'),
      });
    }
    if (this.#crosses('growth-6h', longGrowth, !longGrowth)) {
      raised.push({
        id: 'growth-6h',
        threshold: longGrowthMs,
        value: longGrowthMs,
        sentence: 'RSS has grown for 6 hours.',
        next: 'Read the verdict that is found for who grows; plan a restart before the limit is reached.',
        docs: docsOf('growth-6h'),
      });
    }
    return raised;
  }

  /** `true` once, when a condition comes to hold that was not active; `over` arms it again. Unknown changes nothing. */
  #crosses(key: string, holds: boolean, over: boolean): boolean {
    if (over) this.#active.delete(key);
    if (!holds || this.#active.has(key)) return false;
    this.#active.add(key);
    return true;
  }
}

const round = (ratio: number) => Math.round(ratio * 1000) / 1000;
const docsOf = (id: Alert['id']) => `docs/verdicts.md#alert-${id}`;
