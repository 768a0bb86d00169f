/**
 * How many worker threads this isolate has running, by Node's own channel: workers need not know of us, and no listener
 * is added that the program could see. Workers that were started before we were are not counted.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

const channelName = 'worker_threads';

export class WorkerCounter {
  /** Weak: a worker that ended must be collectable however rarely somebody counts. */
  #workers: WeakRef<Worker>[] = [];
  readonly #onWorker = (message: unknown) => {
    this.#workers.push(new WeakRef((message as { worker: Worker }).worker));
  };

  constructor() {
    subscribe(channelName, this.#onWorker);
  }

  /** Workers that run now. An ended worker has the thread id -1. */
  count(): number {
    this.#workers = this.#workers.filter((reference) => (reference.deref()?.threadId ?? -1) !== -1);
    return this.#workers.length;
  }

  stop(): void {
    unsubscribe(channelName, this.#onWorker);
  }
}
