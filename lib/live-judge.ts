/**
 * The judge, fed live: adds to each sample what only judgements need (load, workers, sites of a suspected heap), and
 * hands out what changed. All that the judge uses is on the sample, hence in the line, hence in a recording.
 */

import { Judge, type Judgement, type JudgeOptions } from './judge/judge.js';
import type { Verdict } from './judge/verdicts.js';
import { LoadCounter } from './process/load.js';
import { WorkerCounter } from './process/workers.js';
import { HeapSites } from './profile/heap-sites.js';
import type { Sample } from './sample.js';

export class Watch {
  readonly #judge: Judge;
  readonly #load = new LoadCounter();
  readonly #workers = new WorkerCounter();
  readonly #heapSites = new HeapSites();
  /** Suspicion comes and goes while evidence gathers, and a profiler that starts anew has forgotten who grew. */
  readonly #looksAfterSuspicion: number;
  #looksLeft = 0;

  constructor(options: JudgeOptions) {
    this.#judge = new Judge(options);
    this.#looksAfterSuspicion = options.window;
  }

  /** Counts of the program's own measure of load. */
  addLoad(units: number): void {
    this.#load.add(units);
  }

  /** Judges a sample that is about to be written as of `timeMs`. The sample returned is the one to write. */
  look(timeMs: number, sampled: Sample): { readonly sample: Sample; readonly judgement: Judgement } {
    const evaluates = this.#judge.evaluatesNext;
    const sites = evaluates && this.#heapSites.running ? this.#heapSites.read() : null;
    const sample: Sample = {
      ...sampled,
      process: { ...sampled.process, workers: this.#workers.count() },
      load: this.#load.take(),
      ...(sites === null ? {} : { sites: [...(sampled.sites ?? []), ...sites] }),
    };
    const judgement = this.#judge.push(timeMs, sample);
    this.#looksLeft--;
    // In between nothing new is known of the heap, and asking costs as much as the rest of a tick.
    if (evaluates) this.#profileHeap();
    return { sample: { ...sample, limit: { ...sample.limit, etaMs: this.#judge.eta() } }, judgement };
  }

  #profileHeap(): void {
    if (this.#judge.suspectsJsHeap) {
      this.#looksLeft = this.#looksAfterSuspicion;
      this.#heapSites.start();
    } else if (this.#looksLeft <= 0) this.#heapSites.stop();
  }

  verdicts(): Verdict[] {
    return this.#judge.verdicts();
  }

  stop(): void {
    this.#load.stop();
    this.#workers.stop();
    this.#heapSites.stop();
  }
}
