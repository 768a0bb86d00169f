/**
 * The only place where the sources meet: decides which parts of a pass are due, and composes what the reader thread
 * found with V8's counters into a Sample.
 *
 * Main thread per tick: one request and one composition, some tens of µs whatever the RSS (bench/tick.mjs). The passes
 * themselves run on the addon's thread, or on the caller's when it asks for a sample synchronously.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Binding } from './binding/binding.js';
import { known, monotonicMs, type Pass, PassReader } from './binding/pass.js';
import type { GcWatch } from './process/gc.js';
import { readExternal, readHeap, readOutside } from './process/heap.js';
import { readIsolates } from './process/isolates.js';
import { composeLedger } from './process/ledger.js';
import { findLimit, type LimitSource, type ReadText, readLimit } from './process/limit.js';
import { MallocAccount } from './process/malloc.js';
import { Pace } from './process/pace.js';
import { ResourceCounter } from './process/resources.js';
import type { NativeProfiler } from './profile/profiler.js';
import type { ProcessNumbers, Sample } from './sample.js';
import type { StreamTracker } from './streams/tracker.js';

/** The allocator walks its free chunks under the arena lock, so a slow call is a frozen event loop. In CPU time: that a
 * busy machine preempted one call says nothing of the next. A pass walks them once, whatever it is asked for, so the
 * loop is frozen once at most before this is known. */
const slowestAllocatorCallUs = 20_000;
/** Sites are read on every so manieth sample: their number, not that of samples, is what a reading costs. */
const samplesPerSites = 10;

/** A file's text, or `null` when it cannot be read, for whatever reason. */
export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
};

type Descriptors = Omit<ProcessNumbers, 'timers' | 'resources'>;

function fallbackProcess(): Descriptors {
  try {
    return { threads: null, workers: null, fds: null, fdCount: readdirSync('/proc/self/fd').length - 1, fdsAgeMs: 0 };
  } catch {
    // No /proc: unknown, which is what null says.
    return { threads: null, workers: null, fds: null, fdCount: null, fdsAgeMs: null };
  }
}

function composeProcess(pass: Pass, nowMs: number): Descriptors {
  const fdsAgeMs = Number.isNaN(pass.fdAtMs) ? null : Math.max(0, Math.round(nowMs - pass.fdAtMs));
  const fds = Number.isNaN(pass.fdFiles)
    ? null
    : { files: pass.fdFiles, sockets: pass.fdSockets, pipes: pass.fdPipes, other: pass.fdOther };
  return { threads: known(pass.threads), workers: null, fds, fdCount: known(pass.fdCount), fdsAgeMs };
}

export class Sampler {
  readonly #binding: Binding | null;
  readonly #reader: PassReader | null;
  readonly #gc: GcWatch | null;
  readonly #streams: StreamTracker | null;
  readonly #resources = new ResourceCounter();
  readonly #profiler: NativeProfiler | null;
  readonly #limitSource: LimitSource;
  readonly #limitOverrideBytes: number | null;
  readonly #malloc: MallocAccount | null;
  readonly #ledgerPace = new Pace();
  readonly #descriptorPace = new Pace();
  readonly #allocatorPace = new Pace(slowestAllocatorCallUs);
  #seq = 0;
  #threadCpuUs = 0;

  /** @param gc and `streams` and `profiler` are `null` outside a session, and when not asked for. */
  constructor(
    binding: Binding | null,
    gc: GcWatch | null,
    streams: StreamTracker | null,
    memoryLimitBytes: number | null,
    profiler: NativeProfiler | null = null,
  ) {
    this.#profiler = profiler;
    this.#binding = binding;
    this.#reader = binding === null ? null : new PassReader(binding);
    this.#malloc = binding === null ? null : new MallocAccount(binding.allocator());
    this.#gc = gc;
    this.#streams = streams;
    this.#limitSource = findLimit(readText);
    this.#limitOverrideBytes = memoryLimitBytes;
    binding?.watch([...this.#limitSource.files]);
  }

  get limitSource(): LimitSource {
    return this.#limitSource;
  }

  /** The parts of a pass that may run in `inMs` without costing more than they should. */
  dueParts(inMs: number): number {
    const atMs = monotonicMs() + inMs;
    if (this.#binding === null) return 0;
    const { parts } = this.#binding;
    let due: number = parts.quick;
    if (this.#ledgerPace.permits(atMs)) due |= parts.ledger;
    if (this.#descriptorPace.permits(atMs)) due |= parts.descriptors;
    if (this.#allocatorPace.permits(atMs)) due |= parts.allocator | parts.reclaimable;
    return due;
  }

  #tellPaces(pass: Pass): void {
    this.#ledgerPace.ran(pass.ledgerAtMs, pass.ledgerCpuUs);
    this.#descriptorPace.ran(pass.fdAtMs, pass.fdCpuUs);
    this.#allocatorPace.ran(pass.mallocAtMs, pass.mallocCallUs);
  }

  /** A Sample from a pass that runs now, on the calling thread: 12 ms per GB of RSS. Ignores the paces: it was asked for. */
  takeNow(): Sample {
    if (this.#binding !== null) {
      const { quick, ledger, allocator, reclaimable, descriptors } = this.#binding.parts;
      this.#binding.run(
        quick | ledger | descriptors | (this.#allocatorStopped() === null ? allocator | reclaimable : 0),
      );
    }
    this.#streams?.refresh();
    return this.compose(null);
  }

  #allocatorStopped(): string | null {
    const us = this.#allocatorPace.stoppedAtUs;
    return us === null
      ? null
      : `a call into the allocator took ${Math.round(us / 1000)} ms with its lock held (limit ${slowestAllocatorCallUs / 1000} ms); it is not called again`;
  }

  #threadCpuSinceLastUs(pass: Pass): number | null {
    if (Number.isNaN(pass.threadCpuUs)) return null;
    const since = pass.threadCpuUs - this.#threadCpuUs;
    this.#threadCpuUs = pass.threadCpuUs;
    return Math.max(0, Math.round(since));
  }

  /** A Sample from the latest pass and from V8's counters now. @param mainThreadUs cost of the previous tick. */
  compose(mainThreadUs: number | null): Sample {
    const nowMs = monotonicMs();
    const outside = readOutside();
    const pass = this.#reader?.read() ?? null;
    const isolates = this.#binding === null ? [] : readIsolates(this.#binding, nowMs);
    const v8 = readHeap(this.#gc);
    const ledger = pass === null ? null : composeLedger(pass, nowMs);
    const external = readExternal(this.#binding, outside, ledger?.leafBytes.wasm ?? null);
    if (pass !== null) this.#tellPaces(pass);
    const malloc =
      pass === null
        ? null
        : (this.#malloc?.compose(pass, nowMs, external, v8, isolates, this.#allocatorStopped()) ?? null);
    const texts = this.#binding?.texts() ?? this.#limitSource.files.map(readText);
    const { timers, byType } = this.#resources.count(nowMs);
    if (this.#seq % samplesPerSites === samplesPerSites - 1) this.#profiler?.refreshSites();
    const sites = this.#profiler?.takeSites() ?? null;
    const native = this.#profiler?.numbers() ?? null;
    const rssBytes = known(pass?.rssBytes ?? Number.NaN) ?? outside.rssBytes;
    return {
      seq: this.#seq++,
      rssBytes,
      ledger,
      malloc,
      v8,
      external,
      isolates,
      process: { ...(pass === null ? fallbackProcess() : composeProcess(pass, nowMs)), timers, resources: byType },
      streams: this.#streams?.sample() ?? null,
      limit: readLimit(this.#limitSource, texts, this.#limitOverrideBytes, rssBytes),
      native,
      load: null,
      cost: {
        mainThreadUs,
        offThreadUs: pass === null ? null : this.#threadCpuSinceLastUs(pass),
        ledgerUs: pass === null ? null : known(Math.round(pass.ledgerWallUs)),
        ledgerSkipped: this.#ledgerPace.skipped,
        ownBytes: pass === null ? null : known(pass.ownBytes + (this.#profiler?.ownBytes ?? 0)),
      },
      ...(sites === null ? {} : { sites }),
    };
  }
}
