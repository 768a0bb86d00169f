/**
 * Reads what the native profiler sampled: numbers for each sample, sites for some, and whole profiles. Apart from what
 * starts the profiler, because a process that ends before the first sample has no use for it.
 */
import type { Binding, ProfileNumbers } from '../binding/binding.js';
import { FieldReader } from '../binding/fields.js';
import type { NativeNumbers } from '../sample.js';
import { placeKey, type Site } from '../site.js';
import { finish, type Work } from '../work.js';
import { type ProfileTime, toCollapsed, toPprof } from './pprof.js';
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

/** A growing site gets among the largest within a few minutes. */
const sitesOnSample = 20;

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

export class ProfileReader {
  readonly #binding: Binding;
  readonly #counters: FieldReader<ProfileNumbers>;
  readonly #stacks: StackReader;
  readonly #startedMs: number;
  #previous: ReadonlyMap<string, number> | undefined;
  #reading: Reading | null = null;
  #ownBytes = 0;

  /** @param startedMs when the profiler started. */
  constructor(binding: Binding, startedMs: number) {
    this.#binding = binding;
    this.#startedMs = startedMs;
    this.#counters = new FieldReader(binding.profileFields, (into) => binding.profileCounters(into));
    this.#stacks = new StackReader(binding);
  }

  /** Cheap, once a tick: follows loaded libraries and reads the counters. */
  numbers(): NativeNumbers {
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
    if (this.#reading !== null) return;
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
    if (reading === null || reading.numbers === null) return;
    reading.totals = yield* readTotals(this.#binding, reading.numbers);
    reading.numbers = null;
    reading.unnamed = yield* this.#stacks.look(reading.totals.map(({ stack }) => stack));
    this.#later(this.#stacks.lookUp(reading.unnamed), (symbols) => {
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
    yield* this.#stacks.name(unnamed, symbols);
    const view = { executable: process.execPath, nowSecond };
    const sites = yield* groupSites(this.#inputs(totals), view, sitesOnSample);
    return sites.filter(({ liveBytes }) => liveBytes > 0);
  }

  *#inputs(totals: Iterable<StackTotals>): Generator<SiteInput> {
    for (const row of totals) yield { totals: row, frames: this.#stacks.frames(row.stack) };
  }

  /** What is live now. Growth counts from the previous call. Symbols are looked up off this thread. */
  async profile(): Promise<NativeProfile> {
    const time = {
      startedMs: this.#startedMs,
      takenMs: Date.now(),
      sampleBytes: this.#counters.read().meanBytes,
    };
    const [nowSecond] = process.hrtime();
    const totals = finish(readTotals(this.#binding, this.#binding.profileTotals()));
    const unnamed = finish(this.#stacks.look(totals.map(({ stack }) => stack)));
    finish(this.#stacks.name(unnamed, await this.#stacks.lookUp(unnamed)));
    const view = { executable: process.execPath, nowSecond, ...(this.#previous && { previous: this.#previous }) };
    const stacks = [...this.#inputs(totals)];
    const sites = finish(groupSites(stacks, view));
    this.#previous = new Map(sites.map((site) => [placeKey(site), site.liveBytes]));
    return new NativeProfile(stacks, sites, time);
  }
}
