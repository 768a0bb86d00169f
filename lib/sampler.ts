/**
 * The only place where the sources meet: decides which parts of a pass are due, and composes what the reader thread
 * found with V8's counters into a Sample.
 *
 * Main thread per tick: one composition, whatever the RSS (bench/tick.mjs), in pieces of some 50 µs. The passes themselves
 * run on the addon's thread, or on the caller's when it asks for a sample synchronously.
 */
import type { Binding, PassNumbers } from './binding/binding.js';
import { monotonicMs } from './binding/clock.js';
import { FieldReader, orNull } from './binding/fields.js';
import { composeCounts, countWithoutAddon } from './process/descriptors.js';
import type { GcWatch } from './process/gc.js';
import { composeHeap, readExternal } from './process/heap.js';
import { type HeapCounters, heapCounters } from './process/heap-counters.js';
import { readIsolates } from './process/isolates.js';
import { composeLedger } from './process/ledger.js';
import { type LimitSource, readLimit, readText } from './process/limit.js';
import type { LoadCounter } from './process/load.js';
import { MallocAccount } from './process/malloc.js';
import { Pace } from './process/pace.js';
import { ResourceCounter } from './process/resources.js';
import type { WorkerCounter } from './process/workers.js';
import type { NativeProfiler } from './profile/profiler.js';
import type { Limit, Sample } from './sample.js';
import { newlyUnmapped, type Site } from './site.js';
import type { StreamWatch } from './streams/watch.js';
import { finish, type Work } from './work.js';

/** The allocator walks its free chunks under the arena lock, so a slow call is a frozen event loop. In CPU time: that a
 * busy machine preempted one call says nothing of the next. A pass walks them once, so the loop is frozen once at
 * most before this is known. */
const slowestAllocatorCallUs = 20_000;
/** Sites are read on every so manieth sample: their number, not that of samples, is what a reading costs. */
const samplesPerSites = 10;
/** One has them read, the next one looks at what was read, and the next has them. */
const samplesToSites = 2;

/** `null` where /proc is missing. */
function rssByNode(): number | null {
  try {
    return process.memoryUsage.rss();
  } catch {
    return null;
  }
}

/** What only a judgement of the samples so far knows of the next one. */
export interface Outlook {
  /** Sites of the JS heap, where it is suspected and they are due: reading them collects all garbage. */
  heapSites(): readonly Site[] | null;
  /** Capabilities that the start line could not know to be missing, with the reason; each once. */
  newlyMissing(): Readonly<Record<string, string>> | null;
  /** Time until the limit at the growth found, as of the last evaluation. */
  etaMs(limit: Omit<Limit, 'etaMs'>): Limit['etaMs'];
}

/** What a tick took of the main thread. */
export interface TickCost {
  readonly spentUs: number;
  /** The longest piece at a time. */
  readonly longestUs: number;
}

/** What counts while a session runs. Its owner stops them. */
export interface SessionSources {
  readonly gc: GcWatch;
  readonly load: LoadCounter;
  readonly workers: WorkerCounter;
  readonly streams: StreamWatch;
  readonly profiler: NativeProfiler;
  readonly outlook: Outlook;
}

export class Sampler {
  readonly #binding: Binding | null;
  readonly #reader: FieldReader<PassNumbers> | null;
  readonly #heap: HeapCounters;
  readonly #session: SessionSources | null;
  readonly #resources = new ResourceCounter();
  readonly #limitSource: LimitSource;
  readonly #limitOverrideBytes: number | null;
  readonly #malloc: MallocAccount | null;
  readonly #ledgerPace = new Pace();
  readonly #descriptorPace = new Pace();
  readonly #allocatorPace = new Pace(slowestAllocatorCallUs);
  #seq = 0;
  #threadCpuUs = 0;

  /**
   * @param limitSource of `watchLimit()`.
   * @param session `null` for a lone snapshot: what nobody counted is unknown.
   */
  constructor(
    binding: Binding | null,
    limitSource: LimitSource,
    memoryLimitBytes: number | null,
    session: SessionSources | null,
  ) {
    this.#session = session;
    this.#binding = binding;
    this.#heap = heapCounters(binding);
    this.#reader = binding === null ? null : new FieldReader(binding.passFields, (into) => binding.read(into));
    this.#malloc = binding === null ? null : new MallocAccount(binding.allocator());
    this.#limitSource = limitSource;
    this.#limitOverrideBytes = memoryLimitBytes;
  }

  /** The parts of a pass that may run in `inMs` without costing more than they should. */
  dueParts(inMs: number): number {
    const atMs = monotonicMs() + inMs;
    if (this.#binding === null) return 0;
    const { parts } = this.#binding;
    let due: number = parts.quick;
    if (this.#ledgerPace.permits(atMs)) due |= parts.ledger;
    if (this.#descriptorPace.permits(atMs)) due |= parts.descriptors;
    if (this.#allocatorPace.permits(atMs)) due |= parts.allocator;
    return due;
  }

  /** Takes note of how long the last pass took: before parts of the next one are asked for, and before `compose()`. */
  hearPass(): void {
    const pass = this.#reader?.read();
    if (pass === undefined) return;
    this.#ledgerPace.ran(pass.ledgerAtMs, pass.ledgerCpuUs);
    this.#descriptorPace.ran(pass.fdAtMs, pass.fdCpuUs);
    this.#allocatorPace.ran(pass.mallocAtMs, pass.mallocCallUs);
  }

  /** A Sample from a pass that runs now, on the calling thread: 12 ms per GiB of RSS. Ignores the paces: it was asked for. */
  takeNow(): Sample {
    if (this.#binding !== null) {
      const { quick, ledger, allocator, descriptors } = this.#binding.parts;
      this.#binding.run(quick | ledger | descriptors | (this.#allocatorStopped() === null ? allocator : 0));
    }
    this.#session?.streams.tracker?.refresh();
    this.hearPass();
    return finish(this.compose(null));
  }

  #allocatorStopped(): string | null {
    const us = this.#allocatorPace.stoppedAtUs;
    return us === null
      ? null
      : `a call into the allocator took ${Math.round(us / 1000)} ms with its lock held (limit ${slowestAllocatorCallUs / 1000} ms); it is not called again`;
  }

  #threadCpuSinceLastUs(pass: PassNumbers): number | null {
    if (Number.isNaN(pass.threadCpuUs)) return null;
    const since = pass.threadCpuUs - this.#threadCpuUs;
    this.#threadCpuUs = pass.threadCpuUs;
    return Math.max(0, Math.round(since));
  }

  /** A Sample from the latest pass and from V8's counters now. */
  *compose(previous: TickCost | null): Work<Sample> {
    const session = this.#session;
    const nowMs = monotonicMs();
    // In one go: the counters of V8, of the allocator and of the kernel are held against each other.
    const counters = this.#heap.read();
    const pass = this.#reader?.read() ?? null;
    const v8 = composeHeap(counters, this.#heap, session?.gc ?? null);
    const ledger = pass === null ? null : composeLedger(pass, nowMs);
    const external = readExternal(this.#binding, counters, ledger?.leafBytes.wasm ?? null);
    yield;
    const isolates = this.#binding === null ? [] : readIsolates(this.#binding, nowMs);
    const malloc =
      pass === null
        ? null
        : (this.#malloc?.compose(pass, nowMs, external, v8, isolates, this.#allocatorStopped()) ?? null);
    const texts = this.#binding?.texts() ?? this.#limitSource.files.map(readText);
    yield;
    const { timers, byType } = this.#resources.count(nowMs);
    const rssBytes = pass === null ? rssByNode() : orNull(pass.rssBytes);
    const limit = readLimit(this.#limitSource, texts, this.#limitOverrideBytes, rssBytes);
    yield;
    const native = session?.profiler.numbers() ?? null;
    const nativeSites = session === null ? null : yield* session.profiler.takeSites();
    if (session !== null) yield* session.profiler.lookAtSites();
    if (this.#seq % samplesPerSites === samplesPerSites - samplesToSites) session?.profiler.readSites();
    yield;
    // Last: sites of the JS heap may collect all garbage, and the rest of the sample is from before.
    const sites = [...(nativeSites ?? []), ...(session?.outlook.heapSites() ?? [])];
    const capabilities = {
      ...session?.outlook.newlyMissing(),
      ...session?.profiler.changedCapabilities(),
      ...session?.streams.changedCapabilities(),
      ...newlyUnmapped(),
    };
    return {
      seq: this.#seq++,
      rssBytes,
      ledger,
      malloc,
      v8,
      external,
      isolates,
      process: {
        ...(pass === null ? countWithoutAddon() : composeCounts(pass, nowMs)),
        workers: session?.workers.count() ?? null,
        timers,
        resources: byType,
      },
      streams: session?.streams.tracker?.sample() ?? null,
      limit: { ...limit, etaMs: session?.outlook.etaMs(limit) ?? null },
      native,
      load: session?.load.take() ?? null,
      cost: {
        mainThreadUs: previous?.spentUs ?? null,
        longestUs: previous?.longestUs ?? null,
        offThreadUs: pass === null ? null : this.#threadCpuSinceLastUs(pass),
        ledgerUs: pass === null ? null : orNull(Math.round(pass.ledgerWallUs)),
        ledgerSkipped: this.#ledgerPace.skipped,
        ownBytes: pass === null ? null : orNull(pass.ownBytes + (session?.profiler.ownBytes ?? 0)),
      },
      ...(sites.length === 0 ? {} : { sites }),
      ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
    };
  }
}
