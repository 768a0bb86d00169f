/**
 * Begins to track streams when there is something to track: the tracker and what it needs of Node take five milliseconds
 * to load, and most processes that inherit a preload end before they create their first emitter.
 */
import { messageOf } from '../errors.js';
import { watchEmitters } from './emitters.js';
import type { StreamsOptions, StreamTracker } from './tracker.js';

export class StreamWatch {
  readonly #options: StreamsOptions & { readonly streams: boolean };
  #tracker: StreamTracker | null = null;
  /** Why streams cannot be tracked, `true` where they are, as far as that is known. */
  #capability: true | string = true;
  #told: true | string = true;
  #stopWaiting: (() => void) | null = null;

  constructor(options: StreamsOptions & { readonly streams: boolean }) {
    this.#options = options;
    if (!options.streams) this.#capability = 'streams are not tracked: the option `streams` is false';
  }

  /** `null` before the beginning, and where there is none. */
  get tracker(): StreamTracker | null {
    return this.#tracker;
  }

  /** And remembers what it told. */
  tellCapability(): true | string {
    this.#told = this.#capability;
    return this.#told;
  }

  /** What it said otherwise before; `null`: nothing. */
  changedCapabilities(): { streams: true | string } | null {
    return this.#told === this.#capability ? null : { streams: this.tellCapability() };
  }

  /** Begins with the first emitter, which is seen, or by `goOn()`. */
  wait(): void {
    if (!this.#options.streams) return;
    this.#stopWaiting = watchEmitters((emitter, cut) => {
      this.goOn();
      this.#tracker?.see(emitter, cut);
    });
  }

  /** Waits no longer. Not thrown, for nobody of ours is asked here: a program that froze what is hooked has no tracker. */
  goOn(): void {
    if (this.#stopWaiting === null) return;
    try {
      this.begin();
    } catch (error) {
      this.#capability = `streams cannot be tracked in this program: ${messageOf(error)}`;
    }
  }

  /** @throws where the program froze or broke what has to be hooked. */
  begin(): void {
    if (!this.#options.streams) return;
    this.#endWait();
    const { StreamTracker, whatIsMissing } = require('./tracker.js') as typeof import('./tracker.js');
    this.#tracker = new StreamTracker(this.#options);
    this.#capability = whatIsMissing().join(' ') || true;
  }

  #endWait(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = null;
  }

  stop(): void {
    this.#endWait();
    this.#tracker?.stop();
  }
}
