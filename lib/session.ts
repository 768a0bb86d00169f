/**
 * The session: running, then stopped. It calls sampler and log in order and decides nothing itself.
 *
 * One session samples a process. The isolate that starts first owns it; other isolates that call `start()` join it by
 * publishing their heap, and write no lines. Timers are unref'd, and nothing here may throw into the host.
 */
import { EventEmitter } from 'node:events';
import { clearImmediate, clearInterval, setImmediate, setInterval } from 'node:timers';
import type { Binding } from './binding/binding.js';
import type { Native } from './binding/load.js';
import { findCapabilities, noReaderThread } from './capabilities.js';
import { ExtmemError, messageOf } from './errors.js';
import type { Verdict } from './judge/verdicts.js';
import { openSink } from './log/destination.js';
import { Log, startRecord } from './log/line.js';
import type { ResolvedOptions } from './options.js';
import { watchLimit } from './process/limit.js';
import { LoadCounter } from './process/load.js';
import { WorkerCounter } from './process/workers.js';
import { NativeProfiler } from './profile/profiler.js';
import type { NativeProfile } from './profile/reader.js';
import type { Sample } from './sample.js';
import type { StreamsReport } from './streams/report.js';
import { StreamWatch } from './streams/watch.js';
import type { EarlySources, SessionEvents, Ticks } from './ticks.js';

export type { SessionEvents };

/** What the isolate that owns the session holds. */
interface Owned {
  readonly sources: EarlySources;
  readonly log: Log;
  /** `null` until the first turn of the event loop, or somebody asks. */
  ticks: Ticks | null;
}

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
  readonly #streams: StreamWatch;
  /** The reader thread sets the pace of the owner; other isolates, and an owner without the addon, need a timer. */
  #timer: NodeJS.Timeout | null = null;
  readonly #onExit = () => this.stop();
  #stopped = false;
  readonly #preloaded: boolean;
  #afterTurn: NodeJS.Immediate | undefined;

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
    this.#streams = new StreamWatch(options);
    if (!options.enabled) return;
    try {
      if (preloaded) {
        this.#streams.wait();
        this.#afterTurn = setImmediate(() => this.#afterFirstTurn()).unref();
      } else this.#streams.begin();
      this.#begin();
    } catch (error) {
      clearImmediate(this.#afterTurn);
      this.#streams.stop();
      throw error;
    }
    process.once('exit', this.#onExit);
  }

  #afterFirstTurn(): void {
    this.#streams.goOn();
    if (this.#owned !== null) this.#goOnOrStop(this.#owned);
  }

  #begin(): void {
    const { binding } = this.#native;
    const { intervalMs, sampleBytes } = this.#options;
    if (binding === null) {
      // Without the addon isolates do not know of each other: then the main thread alone writes lines.
      const { isMainThread } = require('node:worker_threads') as typeof import('node:worker_threads');
      if (!isMainThread) return;
      this.#own();
      this.#deliverNext();
      this.#timer = setInterval(() => this.#deliverNext(), intervalMs).unref();
    } else if (!this.#takeOver(binding)) {
      const { publishIsolate } = require('./process/isolates.js') as typeof import('./process/isolates.js');
      publishIsolate(binding);
      // Its frames are decoded too, when that is right on its thread.
      const { testThread } = require('./profile/selftest.js') as typeof import('./profile/selftest.js');
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
    const { publishIsolate } = require('./process/isolates.js') as typeof import('./process/isolates.js');
    publishIsolate(binding);
  }

  #own(): void {
    const options = this.#options;
    const { binding } = this.#native;
    const log = new Log(openSink(options.destination, binding));
    const sources: EarlySources = {
      limit: watchLimit(binding),
      load: new LoadCounter(),
      workers: new WorkerCounter(),
      streams: this.#streams,
      profiler: new NativeProfiler(binding, options),
    };
    const owned: Owned = { sources, log, ticks: null };
    this.#owned = owned;
    if (!this.#preloaded) this.#goOn(owned);
    const capabilities = findCapabilities(
      this.#native,
      sources.limit,
      sources.streams.tellCapability(),
      sources.profiler.tellCapabilities(),
      binding === null || binding.hasThread() ? true : noReaderThread,
    );
    log.write(startRecord(options, this.#native, capabilities), 'extmem started');
  }

  /** What a preload leaves for after the first turn of the event loop, once; `null` when the session has stopped before. */
  #goOn(owned: Owned): Ticks | null {
    if (owned.ticks !== null || this.#stopped) return owned.ticks;
    owned.sources.streams.goOn();
    owned.sources.profiler.testStacks();
    const { Ticks } = require('./ticks.js') as typeof import('./ticks.js');
    const emit = (name: keyof SessionEvents, value: unknown) => void this.emit(name, value as never);
    owned.ticks = new Ticks(this.#options, this.#native, owned.sources, owned.log, emit);
    return owned.ticks;
  }

  /** What a program did to its globals, or to our files, may keep the rest from loading; from a timer nobody can catch that. */
  #goOnOrStop(owned: Owned): Ticks | null {
    try {
      return this.#goOn(owned);
    } catch (error) {
      const message = `extmem stopped, since it could not go on: ${messageOf(error)}`;
      process.emitWarning(message, { type: 'ExtmemWarning', code: 'ERR_EXTMEM_START' });
      this.stop();
      return null;
    }
  }

  /** On each pass of the reader, which is also what paces the lines. */
  #deliverNext(): void {
    if (this.#owned !== null && !this.#stopped) this.#goOnOrStop(this.#owned)?.next();
  }

  /**
   * Takes a sample now, on the calling thread (about 12 ms per GiB of RSS), writes its line and returns it.
   * @throws ExtmemError `ERR_EXTMEM_STOPPED` when this isolate owns no running session.
   */
  sample(): Sample {
    const ticks = this.#stopped || this.#owned === null ? null : this.#goOn(this.#owned);
    if (ticks === null) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        'Expected a running session of this thread, received one that is stopped, disabled or joined to another thread; call snapshot() instead.',
      );
    }
    return ticks.sample();
  }

  /** All verdicts as they stand, one per id; empty in an isolate that owns no session. */
  verdicts(): Verdict[] {
    return (this.#owned === null ? null : this.#goOn(this.#owned))?.verdicts() ?? [];
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
    if (this.#stopped) return null;
    this.#streams.goOn();
    return this.#streams.tracker?.report() ?? null;
  }

  /**
   * What native memory is live now, by the stacks that allocated it. Growth counts from the previous call. Symbols are
   * read off this thread.
   * @throws ExtmemError `ERR_EXTMEM_STOPPED` when this isolate owns no running session, or it does not profile.
   */
  async profile(): Promise<NativeProfile> {
    const owned = this.#stopped ? null : this.#owned;
    if (owned !== null) this.#goOn(owned);
    const profile = (await owned?.sources.profiler.profile()) ?? null;
    if (profile === null) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        `Expected a running session of this thread that samples native memory, received none: ${owned?.sources.profiler.unavailable ?? 'the session does not run'}.`,
      );
    }
    return profile;
  }

  /** Ends the session: the last line is written, the reader thread is joined. A second call does nothing. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // First: the host's listeners and its destination are called below, and may throw.
    this.#onStop();
    try {
      this.#owned?.ticks?.finish();
    } finally {
      this.#close();
    }
  }

  #close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    clearImmediate(this.#afterTurn);
    this.#streams.stop();
    process.removeListener('exit', this.#onExit);
    this.#native.binding?.close();
    if (this.#owned !== null) {
      const { sources, ticks, log } = this.#owned;
      for (const source of [sources.profiler, sources.load, sources.workers, ticks]) source?.stop();
      const samples = ticks?.samples ?? 0;
      log.write({ kind: 'stop', samples }, `extmem stopped after ${samples} samples`);
      log.close();
    }
  }
}
