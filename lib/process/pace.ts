/**
 * Bounds what a recurring job may cost by its last duration, because neither the number of mappings nor the number of
 * free chunks can be known before they are walked.
 */

/** A job runs again no sooner than this many times its last duration: at most 0.5 % of a core. */
const restFactor = 200;

export class Pace {
  readonly #stopAboveUs: number;
  #notBeforeMs = 0;
  #atMs = Number.NaN;
  #skipped = 0;
  #stoppedAtUs: number | null = null;

  /** @param stopAboveUs a single run longer than this is the last one. */
  constructor(stopAboveUs = Number.POSITIVE_INFINITY) {
    this.#stopAboveUs = stopAboveUs;
  }

  /** Whether the job may run now. Counts the refusals. */
  permits(nowMs: number): boolean {
    if (this.#stoppedAtUs !== null) return false;
    if (nowMs >= this.#notBeforeMs) return true;
    this.#skipped++;
    return false;
  }

  /** Tells of the last run. Telling of the same run twice changes nothing; an unknown run (NaN) neither. */
  ran(atMs: number, durationUs: number): void {
    if (Number.isNaN(atMs) || Number.isNaN(durationUs) || atMs === this.#atMs) return;
    this.#atMs = atMs;
    this.#notBeforeMs = atMs + (restFactor * durationUs) / 1000;
    if (durationUs > this.#stopAboveUs) this.#stoppedAtUs = durationUs;
  }

  get skipped(): number {
    return this.#skipped;
  }

  /** Duration of the run that stopped the job for good, or `null`. */
  get stoppedAtUs(): number | null {
    return this.#stoppedAtUs;
  }
}
