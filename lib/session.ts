/**
 * The session: running, then stopped. It calls sampler and log in order and decides nothing itself.
 *
 * One session samples a process. The isolate that starts first owns it; other isolates that call `start()` join it by
 * publishing their heap, and write no lines. Timers are unref'd, and nothing here may throw into the host.
 */
import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { clearImmediate, clearInterval, setImmediate, setInterval } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import type { Binding } from './binding/binding.js';
import type { Native } from './binding/load.js';
import { findCapabilities, noReaderThread } from './capabilities.js';
import { ExtmemError } from './errors.js';
import type { Alert } from './judge/alerts.js';
import type { Verdict } from './judge/verdicts.js';
import { LiveJudge } from './live-judge.js';
import { openSink } from './log/destination.js';
import { describeSample, Log, startRecord } from './log/line.js';
import type { ResolvedOptions } from './options.js';
import { GcWatch } from './process/gc.js';
import { heapCounters } from './process/heap-counters.js';
import { publishIsolate } from './process/isolates.js';
import { LoadCounter } from './process/load.js';
import { WorkerCounter } from './process/workers.js';
import { type NativeProfile, NativeProfiler } from './profile/profiler.js';
import { testThread } from './profile/selftest.js';
import type { Sample } from './sample.js';
import { Sampler, type SessionSources, type TickCost } from './sampler.js';
import { Slices } from './slices.js';
import type { StreamsReport } from './streams/report.js';
import { StreamTracker, streamsCapability } from './streams/tracker.js';
import { finish, type Work } from './work.js';

/** What a subscriber of a channel throws, Node hands to the host itself, later. */
const channels = {
  sample: channel('extmem:sample'),
  verdict: channel('extmem:verdict'),
  alert: channel('extmem:alert'),
};

/** What the isolate that owns the session holds. */
interface Owned {
  readonly sources: SessionSources;
  readonly sampler: Sampler;
  readonly judge: LiveJudge;
  readonly log: Log;
}

export interface SessionEvents {
  sample: [sample: Sample];
  /** A verdict changed its state. */
  verdict: [verdict: Verdict];
  /** A threshold was crossed. */
  alert: [alert: Alert];
}

type Announcement = { [Name in keyof SessionEvents]: [name: Name, value: SessionEvents[Name][0]] }[keyof SessionEvents];

/**
 * What `start()` returns. Emits `sample`, `verdict` and `alert`, once for every such line; the same goes to the
 * diagnostics channels `extmem:sample`, `extmem:verdict` and `extmem:alert`.
 */
export class Session extends EventEmitter<SessionEvents> {
  readonly #options: ResolvedOptions;
  readonly #native: Native;
  readonly #onStop: () => void;
  #owned: Owned | null = null;
  /** Each thread tracks its own streams; the lines carry those of the thread that owns the session. */
  readonly #streams: StreamTracker | null = null;
  /** The reader thread sets the pace of the owner; other isolates, and an owner without the addon, need a timer. */
  #timer: NodeJS.Timeout | null = null;
  readonly #onExit = () => this.stop();
  /** A tick is taken a little at a time, so that no request has to wait for the whole of it. */
  readonly #slices = new Slices<Announcement[]>();
  #lastTick: TickCost | null = null;
  #samples = 0;
  #stopped = false;
  readonly #preloaded: boolean;
  #afterTurn: NodeJS.Immediate | undefined;
  #wentOn = false;

  /**
   * Use `start()`.
   * @param preloaded no line of the program has run. What may wait for the first turn of the event loop then does: most
   * processes that inherit a preload end before it.
   * @param onStop called once, when the session ends.
   */
  constructor(options: ResolvedOptions, native: Native, preloaded: boolean, onStop: () => void) {
    super();
    this.#preloaded = preloaded;
    this.#options = options;
    this.#native = native;
    this.#onStop = onStop;
    if (!options.enabled) return;
    if (options.streams) this.#streams = new StreamTracker(options);
    try {
      this.#begin();
    } catch (error) {
      this.#streams?.stop();
      throw error;
    }
    process.once('exit', this.#onExit);
  }

  #begin(): void {
    const { binding } = this.#native;
    const { intervalMs, sampleBytes } = this.#options;
    if (binding === null) {
      // Without the addon isolates do not know of each other: then the main thread alone writes lines.
      if (!isMainThread) return;
      this.#own();
      this.#deliverNext();
      this.#timer = setInterval(() => this.#deliverNext(), intervalMs).unref();
    } else if (!this.#takeOver(binding)) {
      publishIsolate(binding);
      // Its frames are decoded too, when that is right on its thread.
      if (sampleBytes > 0) testThread(binding);
      this.#timer = setInterval(() => this.#followOwner(binding), intervalMs).unref();
    }
  }

  /** Becomes the isolate that owns the session, unless there is one. */
  #takeOver(binding: Binding): boolean {
    if (!binding.open(() => this.#deliverNext(), this.#options.intervalMs)) return false;
    try {
      this.#own();
      if (!binding.hasThread()) this.#goOnWithoutThread(binding);
    } catch (error) {
      binding.close();
      throw error;
    }
    return true;
  }

  /** Of a pass only what costs next to nothing is left: the rest would stop the event loop. */
  #goOnWithoutThread(binding: Binding): void {
    process.emitWarning(`extmem: ${noReaderThread}`, { type: 'ExtmemWarning', code: 'ERR_EXTMEM_THREAD' });
    const tick = () => {
      binding.run(binding.parts.quick);
      this.#deliverNext();
    };
    this.#timer = setInterval(tick, this.#options.intervalMs).unref();
    tick();
  }

  /** An isolate that joined: its numbers are published, until the owner's isolate ends and this one takes its place. */
  #followOwner(binding: Binding): void {
    const timer = this.#timer;
    try {
      if (this.#takeOver(binding)) {
        if (timer !== null) clearInterval(timer);
        return;
      }
    } catch {
      // The destination is closed to this isolate: it goes on as before, and nothing is thrown from a timer of ours.
    }
    publishIsolate(binding);
  }

  #own(): Owned {
    const options = this.#options;
    const { binding } = this.#native;
    const log = new Log(openSink(options.destination, binding));
    const judge = new LiveJudge(options, binding);
    const profiler = new NativeProfiler(binding, options);
    const sources: SessionSources = {
      gc: new GcWatch(binding, heapCounters(binding)),
      load: new LoadCounter(),
      workers: new WorkerCounter(),
      streams: this.#streams,
      profiler,
      outlook: judge,
    };
    const sampler = new Sampler(binding, options.memoryLimitBytes, sources);
    this.#owned = { sources, sampler, judge, log };
    if (this.#preloaded) this.#afterTurn = setImmediate(() => this.#goOn(this.#owned)).unref();
    else this.#goOn(this.#owned);
    const capabilities = findCapabilities(
      this.#native,
      sampler.limitSource,
      streamsCapability(options.streams),
      profiler.tellCapabilities(),
      binding === null || binding.hasThread() ? true : noReaderThread,
    );
    log.write(startRecord(options, this.#native, capabilities), 'extmem started');
    return this.#owned;
  }

  /** What a preload leaves for after the first turn of the event loop. Once. */
  #goOn(owned: Owned | null): void {
    if (owned === null || this.#wentOn || this.#stopped) return;
    this.#wentOn = true;
    clearImmediate(this.#afterTurn);
    owned.sources.profiler.testStacks();
    const { binding } = this.#native;
    if (binding?.hasThread()) binding.request(owned.sampler.dueParts(0));
  }

  /** On each pass of the reader, which is also what paces the lines. */
  #deliverNext(): void {
    if (this.#owned === null || this.#stopped) return;
    this.#goOn(this.#owned);
    this.#slices.start(this.#tick(this.#owned), (announcements) => this.#delivered(announcements));
  }

  *#tick(owned: Owned): Work<Announcement[]> {
    // Before anybody is told: a listener of the host may throw, and then this is where the tick ends. And at once: what
    // a pass that ends meanwhile did is not known here, and would be asked for again.
    owned.sampler.hearPass();
    this.#native.binding?.plan(owned.sampler.dueParts(this.#options.intervalMs));
    const sample = yield* owned.sampler.compose(this.#lastTick);
    yield;
    return yield* this.#deliver(owned, sample);
  }

  /** Judges a sample, writes its line and those that follow from it. Returns what has to be announced. */
  *#deliver({ log, judge }: Owned, sample: Sample): Work<Announcement[]> {
    this.#samples++;
    const timeMs = Date.now();
    const { verdicts, alerts } = yield* judge.take(timeMs, sample);
    yield;
    yield* log.writing({ kind: 'sample', ...sample }, describeSample(sample), 'info', timeMs);
    for (const verdict of verdicts) {
      yield;
      const level = verdict.state === 'found' ? 'warn' : 'info';
      yield* log.writing({ kind: 'verdict', ...verdict }, verdict.sentence, level, timeMs);
    }
    for (const alert of alerts) {
      yield;
      yield* log.writing({ kind: 'alert', ...alert }, alert.sentence, 'warn', timeMs);
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
        this.emit(name, value as never);
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

  /**
   * Takes a sample now, on the calling thread (about 12 ms per GiB of RSS), writes its line and returns it.
   * @throws ExtmemError `ERR_EXTMEM_STOPPED` when this isolate owns no running session.
   */
  sample(): Sample {
    if (this.#owned === null || this.#stopped) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        'Expected a running session of this thread, received one that is stopped, disabled or joined to another thread; call snapshot() instead.',
      );
    }
    const owned = this.#owned;
    this.#goOn(owned);
    // The sample of a tick that is under way is the older one.
    this.#slices.finish();
    const sample = owned.sampler.takeNow();
    this.#announce(finish(this.#deliver(owned, sample)));
    return sample;
  }

  /** All verdicts as they stand, one per id; empty in an isolate that owns no session. */
  verdicts(): Verdict[] {
    return this.#owned?.judge.verdicts() ?? [];
  }

  /**
   * Counts work done: jobs, messages, or bytes served. Growth under rising load is then not taken for a leak. Without a
   * call, requests to HTTP servers of this isolate count.
   */
  addLoad(units = 1): void {
    this.#owned?.sources.load.add(units);
  }

  /**
   * The streams of the calling thread by the line that created them, the most forgotten first.
   * `null` when they are not tracked: `streams: false`, `enabled: false`, or the session was stopped.
   */
  streams(): StreamsReport | null {
    return this.#stopped ? null : (this.#streams?.report() ?? null);
  }

  /**
   * What native memory is live now, by the stacks that allocated it. Growth counts from the previous call. Symbols are
   * read off this thread.
   * @throws ExtmemError `ERR_EXTMEM_STOPPED` when this isolate owns no running session, or it does not profile.
   */
  async profile(): Promise<NativeProfile> {
    const unavailable =
      this.#stopped || this.#owned === null ? 'the session does not run' : this.#owned.sources.profiler.unavailable;
    if (this.#owned === null || unavailable !== null) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        `Expected a running session of this thread that samples native memory, received none: ${unavailable}.`,
      );
    }
    this.#goOn(this.#owned);
    return this.#owned.sources.profiler.profile();
  }

  /** Ends the session: the last line is written, the reader thread is joined. A second call does nothing. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // First: the host's listeners and its destination are called below, and may throw.
    this.#onStop();
    try {
      // What is under way of a tick was due: it is judged, written and told.
      this.#slices.stop();
    } finally {
      this.#close();
    }
  }

  #close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#streams?.stop();
    process.removeListener('exit', this.#onExit);
    this.#native.binding?.close();
    if (this.#owned !== null) {
      const { sources, judge, log } = this.#owned;
      for (const source of [sources.profiler, sources.gc, sources.load, sources.workers, judge]) source.stop();
      log.write({ kind: 'stop', samples: this.#samples }, `extmem stopped after ${this.#samples} samples`);
      log.close();
    }
  }
}
