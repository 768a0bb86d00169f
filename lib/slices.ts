/**
 * Does work on the main thread a little at a time, so that no request waits for the whole of it: between two slices the
 * event loop turns, and takes what has arrived. The next slice is an immediate, which lets a process that has nothing
 * else to do live on for some turns of its loop. It cannot be unref'd: the loop would go to sleep before it, and a
 * timer in its place has the thread sleep and wake for each slice, which takes as long as a slice.
 */
import { clearImmediate, setImmediate } from 'node:timers';
import type { Work } from './work.js';

/** A slice ends at the first `yield` after so long. */
const sliceMs = 0.08;

/** Fake timers of a test suite would stop us, and find us among their own; and its globals may lack both. */
const [afterThisTurn, cancel] = [setImmediate, clearImmediate];

interface Job<Result> {
  readonly work: Work<Result>;
  readonly done: (result: Result) => void;
}

export class Slices<Result> {
  #job: Job<Result> | null = null;
  #next: NodeJS.Immediate | null = null;
  #stopped = false;
  readonly #onNext = () => this.#advance(sliceMs);
  #spentMs = 0;
  #longestMs = 0;

  /** Of the job under way, or of the last one: all its slices. */
  get spentUs(): number {
    return Math.round(this.#spentMs * 1000);
  }

  /** … and the longest of them. */
  get longestUs(): number {
    return Math.round(this.#longestMs * 1000);
  }

  /**
   * Begins at once. What is still under way comes to its end first.
   * @param done is called after the last slice, and is none itself. What it throws reaches whoever called us.
   */
  start(work: Work<Result>, done: (result: Result) => void): void {
    this.finish();
    if (this.#stopped) return;
    this.#spentMs = this.#longestMs = 0;
    this.#job = { work, done };
    this.#advance(sliceMs);
  }

  /** Does at once what is left. */
  finish(): void {
    this.#advance(Number.POSITIVE_INFINITY);
  }

  /** The same, and takes no more. */
  stop(): void {
    try {
      this.finish();
    } finally {
      this.#stopped = true;
    }
  }

  #advance(limitMs: number): void {
    const job = this.#job;
    if (job === null) return;
    // While it runs there is none: the work may call back into the session. What throws is over.
    this.#job = null;
    if (this.#next !== null) cancel(this.#next);
    const startedMs = performance.now();
    let step = job.work.next();
    while (step.done !== true && performance.now() - startedMs < limitMs) step = job.work.next();
    const tookMs = performance.now() - startedMs;
    this.#spentMs += tookMs;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    if (step.done === true) job.done(step.value);
    else if (!this.#stopped) {
      this.#job = job;
      this.#next = afterThisTurn(this.#onNext);
    }
  }
}
