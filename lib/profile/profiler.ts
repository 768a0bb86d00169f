/**
 * The native profiler, from JavaScript: starts it when that is safe, says why when it is not, and turns its tables
 * into numbers for the sample and into profiles. One per process: hooks belong to the process, not to an isolate.
 */
import type { Binding, HookStatus, ProfileNumbers } from '../binding/binding.js';
import { FieldReader } from '../binding/fields.js';
import type { NativeNumbers } from '../sample.js';
import { placeKey, type Site } from '../site.js';
import { finish, type Work } from '../work.js';
import { type ProfileTime, toCollapsed, toPprof } from './pprof.js';
import { type StackLevel, testStacks } from './selftest.js';
import {
  groupSites,
  interval95,
  type NativeSite,
  readTotals,
  type SiteInput,
  StackReader,
  type StackTotals,
  type Unnamed,
} from './sites.js';

export interface ProfilerOptions {
  readonly sampleBytes: number;
  readonly stackDepth: number;
  /** Above this the rate is lowered; 0 is no limit. */
  readonly maxSamplesPerCpuSecond?: number;
}

/** At most .3 % of what the process takes: in a busy service, whose caches hold other things, a sample costs 20 µs. */
const usualSamplesPerCpuSecond = 150;

/** Tests that draw the same samples again ask the binding themselves. */
const anySeed = 0;

/** A growing site gets among the largest within a few minutes. */
const sitesOnSample = 20;

type Refusal = Exclude<HookStatus, 'installed'>;

/** What each refusal of `profileStart` means to a reader of the start line. */
const refusals: Readonly<Record<Exclude<Refusal, 'foreign'>, string>> = {
  unsupported:
    'the C library is not glibc, or the addon was built without -z nodelete: the allocator is not intercepted',
  originalsDiffer: 'two ways to find the real malloc disagree: the allocator is not intercepted',
  indirect: 'malloc is chosen at run time by a resolver: the allocator is not intercepted',
  audited: 'an auditor of the loader (LD_AUDIT) stands between all libraries: the allocator is not intercepted',
  protected:
    'neither /proc/self/mem nor process_vm_writev may write to import tables (seccomp, SELinux): the allocator is not intercepted',
  noMemory: 'no memory for the tables of the profiler',
  running: 'another thread of this process runs the profiler already',
};

function refusal(binding: Binding, status: Refusal): string {
  if (status !== 'foreign') return refusals[status];
  const module = binding.profileForeign();
  return `the allocator is already intercepted by ${module ?? 'generated code'}: two cannot share it`;
}

/** What is live now, by stack. */
export class NativeProfile {
  readonly #stacks: readonly SiteInput[];
  readonly #sites: readonly NativeSite[];
  readonly #time: ProfileTime;

  constructor(stacks: readonly SiteInput[], sites: readonly NativeSite[], time: ProfileTime) {
    this.#stacks = stacks;
    this.#sites = sites;
    this.#time = time;
  }

  /** The sites that hold most, or that grew most since the previous profile. */
  top(count = 10, by: 'liveBytes' | 'growthBytes' = 'liveBytes'): NativeSite[] {
    return [...this.#sites].sort((a, b) => (b[by] ?? 0) - (a[by] ?? 0)).slice(0, count);
  }

  /** Gzipped, for `go tool pprof`, speedscope, Pyroscope. */
  toPprof(): Buffer {
    return toPprof(this.#stacks, this.#time);
  }

  /** One line a stack with its live bytes, for flame graph tools. */
  toCollapsed(): string {
    return toCollapsed(this.#stacks);
  }
}

/** What was live at one moment, further on from tick to tick: whatever takes long is done off this thread in between. */
interface Reading {
  readonly nowSecond: number;
  /** Rows of the totals; `null` until they were read. */
  numbers: Float64Array | null;
  totals: readonly StackTotals[];
  unnamed: readonly Unnamed[];
  /** Of these; `null` until they were looked up. */
  symbols: string | null;
}

/** A running profiler, or the reason why there is none. */
export class NativeProfiler {
  /** Why nothing is sampled; `null` when it is. */
  readonly unavailable: string | null;
  /** `null` until `testStacks()`: native frames only. */
  #stacks: StackLevel | null = null;
  #toldStacks: StackLevel | null = null;
  readonly #binding: Binding | null;
  readonly #counters: FieldReader<ProfileNumbers> | null;
  readonly #reader: StackReader | null;
  readonly #startedMs = Date.now();
  #previous: ReadonlyMap<string, number> | undefined;
  #reading: Reading | null = null;
  #restoreDlopen: (() => void) | null = null;
  #ownBytes = 0;

  /** Never throws: a profiler that cannot start is one that says why. */
  constructor(binding: Binding | null, options: ProfilerOptions) {
    this.#binding = null;
    this.#counters = null;
    this.#reader = null;
    if (binding === null || options.sampleBytes === 0) {
      this.unavailable = binding === null ? 'the addon is missing' : 'sampleBytes is 0';
      return;
    }
    const limit = options.maxSamplesPerCpuSecond ?? usualSamplesPerCpuSecond;
    const status = binding.profileStart(options.sampleBytes, limit, options.stackDepth, anySeed);
    if (status !== 'installed') {
      this.unavailable = refusal(binding, status);
      return;
    }
    this.unavailable = null;
    this.#binding = binding;
    this.#counters = new FieldReader(binding.profileFields, (into) => binding.profileCounters(into));
    this.#reader = new StackReader(binding);
    this.#restoreDlopen = followDlopen(binding);
  }

  /** From here on samples show JavaScript, as far as it is decoded rightly here. Some milliseconds. */
  testStacks(): void {
    if (this.#binding !== null) this.#stacks = testStacks(this.#binding);
  }

  /** And remembers what it told. */
  tellCapabilities(): { nativeProfile: true | string; javascriptStacks: true | string } {
    this.#toldStacks = this.#stacks;
    const untested = 'not tested before the first turn of the event loop: native frames only until then';
    const reason = this.#stacks === null ? untested : this.#stacks.reason;
    return { nativeProfile: this.unavailable ?? true, javascriptStacks: this.unavailable ?? reason ?? true };
  }

  /** Those that changed since they were last told; `null` when none did. */
  changedCapabilities(): { javascriptStacks: true | string } | null {
    if (this.#toldStacks === this.#stacks) return null;
    const { javascriptStacks } = this.tellCapabilities();
    return { javascriptStacks };
  }

  /** Cheap, once a tick: follows loaded libraries and reads the counters. `null` when nothing is sampled. */
  numbers(): NativeNumbers | null {
    if (this.#binding === null || this.#counters === null) return null;
    this.#binding.profileRescan();
    const counters = this.#counters.read();
    const liveBytes = Math.max(0, counters.allocatedBytes - counters.freedBytes);
    const [low, high] = interval95(liveBytes, counters.liveVariance);
    this.#ownBytes = counters.ownBytes;
    return {
      liveBytes,
      liveBytesError: Math.round((high - low) / 2),
      liveCount: Math.max(0, Math.round(counters.allocatedCount - counters.freedCount)),
      allocatedBytes: counters.allocatedBytes,
      freedBytes: counters.freedBytes,
      mappedBytes: counters.mappedBytes,
      sampleBytes: counters.meanBytes,
      samples: counters.samples,
      tracked: counters.tracked,
      dropped: counters.refused + counters.mappingsRefused,
      stacksDropped: counters.stacksRefused + counters.framesRefused,
      missedFrees: counters.overwritten,
      coverage: { objects: counters.objects, patched: counters.patchedObjects, slots: counters.slots },
    };
  }

  /** Of the profiler's tables, as of the last `numbers()`. */
  get ownBytes(): number {
    return this.#ownBytes;
  }

  /** Has what is live read off this thread, for `lookAtSites()` of a later sample. */
  readSites(): void {
    if (this.#binding === null || this.#reading !== null) return;
    const [nowSecond] = process.hrtime();
    const reading: Reading = { nowSecond, numbers: null, totals: [], unnamed: [], symbols: null };
    this.#reading = reading;
    this.#later(this.#binding.profileTotalsLater(), (numbers) => {
      reading.numbers = numbers;
    });
  }

  /** Looks at what was read, if anything was, for `takeSites()` of a later sample: symbols are looked up off this thread. */
  *lookAtSites(): Work<void> {
    const reading = this.#reading;
    if (this.#binding === null || this.#reader === null || reading === null || reading.numbers === null) return;
    reading.totals = yield* readTotals(this.#binding, reading.numbers);
    reading.numbers = null;
    reading.unnamed = yield* this.#reader.look(reading.totals.map(({ stack }) => stack));
    this.#later(this.#reader.lookUp(reading.unnamed), (symbols) => {
      reading.symbols = symbols;
    });
  }

  /** Nobody waits for sites, and why they could not be read is no news for the host. */
  #later<Result>(promise: Promise<Result>, take: (result: Result) => void): void {
    promise.then(take, () => {
      this.#reading = null;
    });
  }

  /** The sites that held most at the last refresh, handed out once. `null` when there is nothing new. */
  *takeSites(): Work<readonly Site[] | null> {
    const reading = this.#reading;
    if (reading === null || reading.symbols === null) return null;
    this.#reading = null;
    const { totals, nowSecond, unnamed, symbols } = reading;
    yield* this.#reader?.name(unnamed, symbols) ?? [];
    const view = { executable: process.execPath, nowSecond };
    const sites = yield* groupSites(this.#inputs(totals), view, sitesOnSample);
    return sites.filter(({ liveBytes }) => liveBytes > 0);
  }

  *#inputs(totals: Iterable<StackTotals>): Generator<SiteInput> {
    for (const row of totals) yield { totals: row, frames: this.#reader?.frames(row.stack) ?? [] };
  }

  /** What is live now. Growth counts from the previous call. Symbols are looked up off this thread. */
  async profile(): Promise<NativeProfile> {
    const time = {
      startedMs: this.#startedMs,
      takenMs: Date.now(),
      sampleBytes: this.#counters?.read().meanBytes ?? 0,
    };
    const [nowSecond] = process.hrtime();
    const totals = this.#binding === null ? [] : finish(readTotals(this.#binding, this.#binding.profileTotals()));
    if (this.#reader !== null) {
      const unnamed = finish(this.#reader.look(totals.map(({ stack }) => stack)));
      finish(this.#reader.name(unnamed, await this.#reader.lookUp(unnamed)));
    }
    const view = { executable: process.execPath, nowSecond, ...(this.#previous && { previous: this.#previous }) };
    const stacks = [...this.#inputs(totals)];
    const sites = finish(groupSites(stacks, view));
    this.#previous = new Map(sites.map((site) => [placeKey(site), site.liveBytes]));
    return new NativeProfile(stacks, sites, time);
  }

  /** Restores the allocator. Totals stay readable; what is live is no longer known. */
  stop(): void {
    this.#restoreDlopen?.();
    this.#restoreDlopen = null;
    this.#binding?.profileStop();
  }
}

/**
 * An addon's import table can be rewritten when it is loaded, which is right after this. Whoever wrapped the function
 * after us keeps his wrapper, and ours forwards.
 */
function followDlopen(binding: Binding): () => void {
  const original = process.dlopen;
  const following: typeof process.dlopen = function dlopen(this: unknown, ...args: Parameters<typeof process.dlopen>) {
    try {
      return Reflect.apply(original, this, args);
    } finally {
      binding.profileRescan();
    }
  };
  Reflect.set(process, 'dlopen', following);
  return () => {
    if (process.dlopen === following) Reflect.set(process, 'dlopen', original);
  };
}
