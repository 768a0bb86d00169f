/**
 * How much work the process did, so that growth under rising load is not taken for a leak. Counts what the program
 * says by `session.addLoad()`, or else requests that its HTTP servers began, by the channels of Node itself.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Load } from '../sample.js';

/** Node publishes these only while somebody listens; http2 from Node 22. */
const channels = ['http.server.request.start', 'http2.server.stream.start'];

export class LoadCounter {
  #requests = 0;
  #told = 0;
  /** Nothing to count so far means unknown, not idle: a queue worker serves no HTTP. */
  #hasRequests = false;
  #isTold = false;
  readonly #onRequest = () => {
    this.#hasRequests = true;
    this.#requests++;
  };

  constructor() {
    for (const name of channels) subscribe(name, this.#onRequest);
  }

  /** The program's own measure of its work: jobs, messages, bytes served. Always the same one. */
  add(units: number): void {
    if (!(units >= 0) || !Number.isFinite(units)) return;
    this.#isTold = true;
    this.#told += units;
  }

  /** The work since the last call. */
  take(): Load {
    const requests = this.#isTold ? this.#told : this.#hasRequests ? this.#requests : null;
    this.#requests = this.#told = 0;
    return { requests };
  }

  stop(): void {
    for (const name of channels) unsubscribe(name, this.#onRequest);
  }
}
