/**
 * What the garbage collector did. The heap after a major collection is the only JS-heap figure in which garbage plays no
 * part, so it is the one that growth is confirmed by.
 *
 * Counted by the addon in V8's own callbacks, where this V8 offers them; else by a PerformanceObserver, which costs some
 * 80 µs for each collection, and looks at the heap shortly after it: what was allocated in between is included.
 */
import type { Binding, CollectionNumbers } from '../binding/binding.js';
import { ageMs, monotonicMs } from '../binding/clock.js';
import { FieldReader } from '../binding/fields.js';
import type { AfterMajorGc, GcTotals } from '../sample.js';
import type { HeapCounters } from './heap-counters.js';

/** Since the watch began; its own clock is `monotonicMs()`. */
interface Watch {
  read(): Readonly<CollectionNumbers>;
  stop(): void;
}

/** `null`: this V8 does not offer it. */
function watchByAddon(binding: Binding): Watch | null {
  if (!binding.watchCollections()) return null;
  const reader = new FieldReader(binding.collectionFields, (into) => binding.collectionCounters(into));
  return { read: () => reader.read(), stop: () => binding.unwatchCollections() };
}

function watchByObserver(counters: HeapCounters): Watch {
  const { constants, PerformanceObserver } = require('node:perf_hooks') as typeof import('node:perf_hooks');
  const numbers = {
    minorCount: 0,
    majorCount: 0,
    otherCount: 0,
    pauseMs: 0,
    afterMajorBytes: Number.NaN,
    afterMajorAtMs: Number.NaN,
  };
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      // Typed as a bare PerformanceEntry; a gc entry carries its kind in `detail` (perf_hooks documentation).
      const kind = (entry as unknown as { detail?: { kind?: number } }).detail?.kind;
      numbers.pauseMs += entry.duration;
      if (kind === constants.NODE_PERFORMANCE_GC_MINOR) numbers.minorCount++;
      else if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) {
        numbers.majorCount++;
        numbers.afterMajorBytes = counters.read().heapUsedBytes;
        numbers.afterMajorAtMs = monotonicMs();
      } else numbers.otherCount++;
    }
  });
  // Named though they are none: Node copies the options into an object that inherits again.
  observer.observe({ type: 'gc', entryTypes: undefined, buffered: false } as { type: 'gc' });
  return { read: () => numbers, stop: () => observer.disconnect() };
}

export class GcWatch {
  readonly #watch: Watch;
  #taken: GcTotals = { minorCount: 0, majorCount: 0, otherCount: 0, pauseMs: 0 };

  /** @param counters of this isolate: the addon's own, or it does not watch either. */
  constructor(binding: Binding | null, counters: HeapCounters) {
    this.#watch = (binding === null ? null : watchByAddon(binding)) ?? watchByObserver(counters);
  }

  /** Counts since the last call. */
  take(): GcTotals {
    const { minorCount, majorCount, otherCount, pauseMs } = this.#watch.read();
    const before = this.#taken;
    this.#taken = { minorCount, majorCount, otherCount, pauseMs };
    return {
      minorCount: minorCount - before.minorCount,
      majorCount: majorCount - before.majorCount,
      otherCount: otherCount - before.otherCount,
      pauseMs: Math.round((pauseMs - before.pauseMs) * 1000) / 1000,
    };
  }

  /** `null` until the first major collection. */
  afterMajor(): AfterMajorGc | null {
    const { afterMajorBytes, afterMajorAtMs } = this.#watch.read();
    if (Number.isNaN(afterMajorBytes)) return null;
    return { heapUsedBytes: afterMajorBytes, ageMs: ageMs(afterMajorAtMs, monotonicMs()) };
  }

  stop(): void {
    this.#watch.stop();
  }
}
