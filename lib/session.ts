/**
 * The session: running, then stopped. It calls sampler and log in order and decides nothing itself.
 *
 * One session samples a process. The isolate that starts first owns it; other isolates that call `start()` join it by
 * publishing their heap, and write no lines. Timers are unref'd, and nothing here may throw into the host.
 */
import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { isMainThread } from 'node:worker_threads';
import type { Alert } from './alerts.js';
import type { Binding } from './binding.js';
import { findCapabilities } from './capabilities.js';
import { openSink } from './destination.js';
import { ExtmemError } from './errors.js';
import { GcWatch } from './gc.js';
import { publishIsolate } from './isolates.js';
import { describeSample, Log, startRecord } from './log.js';
import type { Native } from './native.js';
import type { ResolvedOptions } from './options.js';
import { joinProfiler, type NativeProfile, NativeProfiler } from './profile.js';
import type { Sample } from './sample.js';
import { Sampler } from './sampler.js';
import type { StreamsReport } from './streams/report.js';
import { StreamTracker, streamsCapability } from './streams.js';
import type { Verdict } from './verdicts.js';
import { Watch } from './watch.js';

const sampleChannel = channel('extmem:sample');
const verdictChannel = channel('extmem:verdict');
const alertChannel = channel('extmem:alert');

/** What the isolate that owns the session holds. */
interface Owned {
  readonly gc: GcWatch;
  readonly profiler: NativeProfiler;
  readonly sampler: Sampler;
  readonly watch: Watch;
  readonly log: Log;
}

export interface SessionEvents {
  sample: [sample: Sample];
  /** A verdict changed its state. */
  verdict: [verdict: Verdict];
  /** A threshold was crossed. */
  alert: [alert: Alert];
}

/**
 * What `start()` returns. Emits `sample`, `verdict` and `alert`, once for every such line; the same goes to the
 * diagnostics channels `extmem:sample`, `extmem:verdict` and `extmem:alert`.
 */
export class Session extends EventEmitter<SessionEvents> {
  readonly #binding: Binding | null;
  readonly #onStop: () => void;
  readonly #owned: Owned | null = null;
  /** Each thread tracks its own streams; the lines carry those of the thread that owns the session. */
  readonly #streams: StreamTracker | null = null;
  readonly #timer: NodeJS.Timeout | null = null;
  readonly #onExit = () => this.stop();
  /** Whether the next line waits for a pass. */
  #awaiting = false;
  #tickUs = 0;
  #lastTickUs: number | null = null;
  #samples = 0;
  #stopped = false;

  /**
   * Use `start()`.
   * @param onStop called once, when the session ends.
   */
  constructor(options: ResolvedOptions, native: Native, onStop: () => void) {
    super();
    this.#binding = native.binding;
    this.#onStop = onStop;
    if (!options.enabled) return;
    if (options.streams) this.#streams = new StreamTracker(options);
    // Without the addon isolates do not know of each other: then the main thread alone writes lines.
    const owns = this.#binding === null ? isMainThread : this.#binding.open(() => this.#onPass());
    if (owns) {
      this.#owned = this.#own(options, native);
      this.#tick();
    } else {
      this.#publish();
      if (this.#binding !== null && options.sampleBytes > 0) joinProfiler(this.#binding);
    }
    this.#timer = setInterval(() => (owns ? this.#tick() : this.#publish()), options.intervalMs).unref();
    process.once('exit', this.#onExit);
  }

  #own(options: ResolvedOptions, native: Native): Owned {
    try {
      const log = new Log(openSink(options.destination, native.binding));
      const gc = new GcWatch();
      const profiler = new NativeProfiler(native.binding, options);
      const sampler = new Sampler(native.binding, gc, this.#streams, options.memoryLimitBytes, profiler);
      const capabilities = findCapabilities(
        native,
        sampler.limitSource,
        streamsCapability(options.streams),
        profiler.capabilities,
      );
      log.write(startRecord(options, native, capabilities), 'extmem started');
      return { gc, profiler, sampler, watch: new Watch(options), log };
    } catch (error) {
      this.#streams?.stop();
      this.#binding?.close();
      throw error;
    }
  }

  #publish(): void {
    if (this.#binding !== null) publishIsolate(this.#binding);
  }

  #tick(): void {
    if (this.#owned === null) return;
    const startedMs = performance.now();
    if (this.#binding === null || this.#awaiting) {
      // No reader, or one that is still busy with the last request: a line never waits longer than an interval.
      this.#deliver(this.#owned, this.#owned.sampler.compose(this.#lastTickUs), startedMs);
      return;
    }
    this.#awaiting = true;
    this.#binding.request(this.#owned.sampler.dueParts());
    this.#tickUs = (performance.now() - startedMs) * 1000;
  }

  /** Called on this thread when the reader has finished a pass. */
  #onPass(): void {
    if (this.#owned === null || !this.#awaiting || this.#stopped) return;
    const startedMs = performance.now();
    this.#awaiting = false;
    this.#deliver(this.#owned, this.#owned.sampler.compose(this.#lastTickUs), startedMs);
  }

  /** Judges a sample, writes its line and those that follow from it. Returns the sample as it was written. */
  #deliver({ log, watch }: Owned, sampled: Sample, startedMs: number): Sample {
    this.#samples++;
    const timeMs = Date.now();
    const { sample, judgement } = watch.look(timeMs, sampled);
    log.write({ kind: 'sample', ...sample }, describeSample(sample), 'info', timeMs);
    for (const verdict of judgement.verdicts) {
      log.write({ kind: 'verdict', ...verdict }, verdict.sentence, verdict.state === 'found' ? 'warn' : 'info', timeMs);
    }
    for (const alert of judgement.alerts) log.write({ kind: 'alert', ...alert }, alert.sentence, 'warn', timeMs);
    this.#lastTickUs = Math.round(this.#tickUs + (performance.now() - startedMs) * 1000);
    this.#tickUs = 0;
    this.emit('sample', sample);
    if (sampleChannel.hasSubscribers) sampleChannel.publish(sample);
    for (const verdict of judgement.verdicts) {
      this.emit('verdict', verdict);
      if (verdictChannel.hasSubscribers) verdictChannel.publish(verdict);
    }
    for (const alert of judgement.alerts) {
      this.emit('alert', alert);
      if (alertChannel.hasSubscribers) alertChannel.publish(alert);
    }
    return sample;
  }

  /**
   * Takes a sample now, on the calling thread (about 12 ms per GB of RSS), writes its line and returns it.
   * @throws ExtmemError `ERR_EXTMEM_STOPPED` when this isolate owns no running session.
   */
  sample(): Sample {
    if (this.#owned === null || this.#stopped) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        'Expected a running session of this thread, received one that is stopped, disabled or joined to another thread; call snapshot() instead.',
      );
    }
    const startedMs = performance.now();
    return this.#deliver(this.#owned, this.#owned.sampler.takeNow(), startedMs);
  }

  /** All verdicts as they stand, one per id; empty in an isolate that owns no session. */
  verdicts(): Verdict[] {
    return this.#owned?.watch.verdicts() ?? [];
  }

  /**
   * Counts work done: jobs, messages, or bytes served. Growth under rising load is then not taken for a leak. Without a
   * call, requests to HTTP servers of this isolate count.
   */
  addLoad(units = 1): void {
    this.#owned?.watch.addLoad(units);
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
      this.#stopped || this.#owned === null ? 'the session does not run' : this.#owned.profiler.unavailable;
    if (this.#owned === null || unavailable !== null) {
      throw new ExtmemError(
        'ERR_EXTMEM_STOPPED',
        `Expected a running session of this thread that samples native memory, received none: ${unavailable}.`,
      );
    }
    return this.#owned.profiler.profile();
  }

  /** Ends the session: the last line is written, the reader thread is joined. A second call does nothing. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#streams?.stop();
    process.removeListener('exit', this.#onExit);
    this.#binding?.close();
    if (this.#owned !== null) {
      this.#owned.profiler.stop();
      this.#owned.gc.stop();
      this.#owned.watch.stop();
      this.#owned.log.write({ kind: 'stop', samples: this.#samples }, `extmem stopped after ${this.#samples} samples`);
      this.#owned.log.close();
    }
    this.#onStop();
  }
}
