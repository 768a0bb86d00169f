/**
 * What the garbage collector did, from PerformanceObserver. The heap after a major collection is the only JS-heap
 * figure in which garbage plays no part, so it is the one that growth is confirmed by.
 *
 * The callback runs shortly after a collection, not at it: what was allocated in between is included.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { AfterMajorGc, GcTotals } from '../sample.js';

export class GcWatch {
  #minor = 0;
  #major = 0;
  #other = 0;
  #pauseMs = 0;
  #afterMajor: { heapUsedBytes: number; atMs: number } | null = null;
  readonly #observer: PerformanceObserver;

  constructor() {
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        // Typed as a bare PerformanceEntry; a gc entry carries its kind in `detail` (perf_hooks documentation).
        const kind = (entry as unknown as { detail?: { kind?: number } }).detail?.kind;
        this.#pauseMs += entry.duration;
        if (kind === constants.NODE_PERFORMANCE_GC_MINOR) this.#minor++;
        else if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) {
          this.#major++;
          this.#afterMajor = { heapUsedBytes: getHeapStatistics().used_heap_size, atMs: performance.now() };
        } else this.#other++;
      }
    });
    // Named though they are none: Node copies the options into an object that inherits again.
    this.#observer.observe({ type: 'gc', entryTypes: undefined, buffered: false } as { type: 'gc' });
  }

  /** Counts since the last call. */
  take(): GcTotals {
    const totals = {
      minorCount: this.#minor,
      majorCount: this.#major,
      otherCount: this.#other,
      pauseMs: Math.round(this.#pauseMs * 1000) / 1000,
    };
    this.#minor = this.#major = this.#other = this.#pauseMs = 0;
    return totals;
  }

  /** `null` until the first major collection. */
  afterMajor(): AfterMajorGc | null {
    if (!this.#afterMajor) return null;
    return {
      heapUsedBytes: this.#afterMajor.heapUsedBytes,
      ageMs: Math.round(performance.now() - this.#afterMajor.atMs),
    };
  }

  stop(): void {
    this.#observer.disconnect();
  }
}
