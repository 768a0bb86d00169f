/**
 * What keeps the event loop alive, by type: timers, servers, sockets, requests. Node lists one string for each, so the
 * cost grows with their number (100 000 timers: 2 ms) and the list is taken no more often than that allows.
 */
import { Pace } from './pace.js';

export interface Resources {
  /** Active timers that keep the process running; Node cannot list those that were unref'd. */
  readonly timers: number;
  /** Number by type as Node names it: `TCPSocketWrap`, `FSReqCallback`, `Timeout`, … */
  readonly byType: Readonly<Record<string, number>>;
}

export class ResourceCounter {
  readonly #pace = new Pace();
  #last: Resources = { timers: 0, byType: {} };

  /** The resources of this thread now, or as of the last time when asked too soon. @param nowMs monotonic */
  count(nowMs: number): Resources {
    if (!this.#pace.permits(nowMs)) return this.#last;
    const startedMs = performance.now();
    const byType = countRuns(process.getActiveResourcesInfo());
    this.#last = { timers: byType.Timeout ?? 0, byType };
    this.#pace.ran(nowMs, (performance.now() - startedMs) * 1000);
    return this.#last;
  }
}

/** Node lists equal types in runs. A look-up per run takes 3 µs in a process that did other things, one per name 15. */
function countRuns(types: readonly string[]): Record<string, number> {
  const byType: Record<string, number> = {};
  for (let from = 0, to = 0; from < types.length; from = to) {
    const type = types[from] as string;
    while (types[to] === type) to++;
    byType[type] = (byType[type] ?? 0) + to - from;
  }
  return byType;
}
