/**
 * The ticks of a session: on each pass of the reader a sample is composed, judged, written and told. Apart from the session,
 * which begins before the first turn of the event loop, because most processes that inherit a preload end before the first
 * tick: what it takes is loaded after that turn.
 */
import { channel } from 'node:diagnostics_channel';
import type { Native } from './binding/load.js';
import type { Alert } from './judge/alerts.js';
import type { Verdict } from './judge/verdicts.js';
import { LiveJudge } from './live-judge.js';
import { describeSample, type Log } from './log/line.js';
import type { ResolvedOptions } from './options.js';
import { GcWatch } from './process/gc.js';
import { heapCounters } from './process/heap-counters.js';
import type { LimitSource } from './process/limit.js';
import type { Sample } from './sample.js';
import { Sampler, type SessionSources, type TickCost } from './sampler.js';
import { Slices } from './slices.js';
import { finish, type Work } from './work.js';

export interface SessionEvents {
  sample: [sample: Sample];
  /** A verdict changed its state. */
  verdict: [verdict: Verdict];
  /** A threshold was crossed. */
  alert: [alert: Alert];
}

type Announcement = { [Name in keyof SessionEvents]: [name: Name, value: SessionEvents[Name][0]] }[keyof SessionEvents];

/** What a subscriber of a channel throws, Node hands to the host itself, later. */
const channels = {
  sample: channel('extmem:sample'),
  verdict: channel('extmem:verdict'),
  alert: channel('extmem:alert'),
};

/** What counts from the beginning of the session on. */
export interface EarlySources extends Omit<SessionSources, 'gc' | 'outlook'> {
  readonly limit: LimitSource;
}

export class Ticks {
  readonly #native: Native;
  readonly #intervalMs: number;
  readonly #log: Log;
  readonly #emit: (name: keyof SessionEvents, value: unknown) => void;
  readonly #gc: GcWatch;
  readonly #judge: LiveJudge;
  readonly #sampler: Sampler;
  /** A tick is taken a little at a time, so that no request has to wait for the whole of it. */
  readonly #slices = new Slices<Announcement[]>();
  #lastTick: TickCost | null = null;
  #samples = 0;

  /** @param emit hands an event to the host, whose listeners may throw. */
  constructor(
    options: ResolvedOptions,
    native: Native,
    { limit, ...sources }: EarlySources,
    log: Log,
    emit: (name: keyof SessionEvents, value: unknown) => void,
  ) {
    const { binding } = native;
    this.#native = native;
    this.#intervalMs = options.intervalMs;
    this.#log = log;
    this.#emit = emit;
    this.#gc = new GcWatch(binding, heapCounters(binding));
    this.#judge = new LiveJudge(options, binding);
    const all: SessionSources = { ...sources, gc: this.#gc, outlook: this.#judge };
    this.#sampler = new Sampler(binding, limit, options.memoryLimitBytes, all);
    if (binding?.hasThread()) binding.request(this.#sampler.dueParts(0));
  }

  /** How many samples were written. */
  get samples(): number {
    return this.#samples;
  }

  verdicts(): Verdict[] {
    return this.#judge.verdicts();
  }

  /** On each pass of the reader, which is also what paces the lines. */
  next(): void {
    this.#slices.start(this.#tick(), (announcements) => this.#delivered(announcements));
  }

  *#tick(): Work<Announcement[]> {
    // Before anybody is told: a listener of the host may throw, and then this is where the tick ends. And at once: what
    // a pass that ends meanwhile did is not known here, and would be asked for again.
    this.#sampler.hearPass();
    this.#native.binding?.plan(this.#sampler.dueParts(this.#intervalMs));
    const sample = yield* this.#sampler.compose(this.#lastTick);
    yield;
    return yield* this.#deliver(sample);
  }

  /** Judges a sample, writes its line and those that follow from it. Returns what has to be announced. */
  *#deliver(sample: Sample): Work<Announcement[]> {
    this.#samples++;
    const timeMs = Date.now();
    const { verdicts, alerts } = yield* this.#judge.take(timeMs, sample);
    yield;
    yield* this.#log.writing({ kind: 'sample', ...sample }, describeSample(sample), 'info', timeMs);
    for (const verdict of verdicts) {
      yield;
      const level = verdict.state === 'found' ? 'warn' : 'info';
      yield* this.#log.writing({ kind: 'verdict', ...verdict }, verdict.sentence, level, timeMs);
    }
    for (const alert of alerts) {
      yield;
      yield* this.#log.writing({ kind: 'alert', ...alert }, alert.sentence, 'warn', timeMs);
    }
    return [
      ['sample', sample],
      ...verdicts.map((verdict): Announcement => ['verdict', verdict]),
      ...alerts.map((alert): Announcement => ['alert', alert]),
    ];
  }

  #delivered(announcements: readonly Announcement[]): void {
    const { spentUs, longestUs } = this.#slices;
    this.#lastTick = { spentUs, longestUs };
    this.#announce(announcements);
  }

  /**
   * A listener that throws ends its own event, as with any emitter, but a verdict is told once: the other events come
   * first, and then the error reaches whoever called us.
   */
  #announce(announcements: readonly Announcement[]): void {
    const thrown: unknown[] = [];
    for (const [name, value] of announcements) {
      try {
        this.#emit(name, value);
      } catch (error) {
        thrown.push(error);
      }
      if (channels[name].hasSubscribers) channels[name].publish(value);
    }
    if (thrown.length === 0) return;
    const [first, ...rest] = thrown;
    // One call throws one error; what the others threw is not lost on the host either.
    for (const error of rest) {
      process.nextTick(() => {
        throw error;
      });
    }
    throw first;
  }

  /** A sample that is taken now, on the calling thread; its line is written, and it is told. */
  sample(): Sample {
    // The sample of a tick that is under way is the older one.
    this.#slices.finish();
    const sample = this.#sampler.takeNow();
    this.#announce(finish(this.#deliver(sample)));
    return sample;
  }

  /** What is under way of a tick was due: it is judged, written and told, which may throw. */
  finish(): void {
    this.#slices.stop();
  }

  /** After that, and whether it threw or not. */
  stop(): void {
    this.#gc.stop();
    this.#judge.stop();
  }
}
