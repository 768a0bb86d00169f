/**
 * The judge, fed live: it escalates on suspicion, and tells the sampler what only a judgement knows. All that it uses
 * is on the sample, hence in the line, hence in a recording.
 */
import { isAttended } from './attended.js';
import type { Binding } from './binding/binding.js';
import { Judge, type Judgement, type JudgeOptions } from './judge/judge.js';
import type { Verdict } from './judge/verdicts.js';
import { HeapSites } from './profile/heap-sites.js';
import type { Limit, Sample } from './sample.js';
import type { Outlook } from './sampler.js';
import type { Site } from './site.js';
import type { Work } from './work.js';

export class LiveJudge implements Outlook {
  readonly #judge: Judge;
  readonly #heapSites: HeapSites;
  /** Suspicion comes and goes while evidence gathers, and a profiler that starts anew has forgotten who grew. */
  readonly #looksAfterSuspicion: number;
  #looksLeft = 0;
  #isRefusalTold = false;

  constructor(options: JudgeOptions, binding: Binding | null) {
    this.#heapSites = new HeapSites(binding, isAttended());
    this.#judge = new Judge(options);
    this.#looksAfterSuspicion = options.window;
  }

  heapSites(): readonly Site[] | null {
    return this.#judge.evaluatesNext && this.#heapSites.running ? this.#heapSites.read() : null;
  }

  newlyMissing(): Readonly<Record<string, string>> | null {
    const { refusal } = this.#heapSites;
    if (refusal === null || this.#isRefusalTold) return null;
    this.#isRefusalTold = true;
    return { heapSites: refusal };
  }

  etaMs(limit: Omit<Limit, 'etaMs'>): Limit['etaMs'] {
    return this.#judge.etaMs(limit);
  }

  /** Judges a sample that is about to be written as of `timeMs`. */
  *take(timeMs: number, sample: Sample): Work<Judgement> {
    const evaluates = this.#judge.evaluatesNext;
    const judgement = yield* this.#judge.take(timeMs, sample);
    this.#looksLeft--;
    // In between nothing new is known of the heap, and asking costs as much as the rest of a tick.
    if (evaluates) yield* this.#profileHeap();
    return judgement;
  }

  *#profileHeap(): Work<void> {
    if (yield* this.#judge.suspectsJsHeap()) {
      this.#looksLeft = this.#looksAfterSuspicion;
      this.#heapSites.start();
    } else if (this.#looksLeft <= 0) this.#heapSites.stop();
  }

  verdicts(): Verdict[] {
    return this.#judge.verdicts();
  }

  stop(): void {
    this.#heapSites.stop();
  }
}
