/**
 * Streams that were created while the session runs, per line of code that created them.
 *
 * Every creation is counted. Within a budget per class, a stream is also tracked: a WeakRef, and the line. Quiet classes
 * are tracked fully; in busy ones a tracked stream stands for `weight` others, so estimates carry their error. Nothing
 * is attached to a stream: flags are polled, a slice each second.
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { canVerify } from '../process/descriptors.js';
import type { StreamsSample } from '../sample.js';
import type { StreamSite } from '../site.js';
import {
  type Creator,
  captureSite,
  earlierSite,
  insideFetch,
  keepSites,
  overflowSite,
  sitesAreCrowded,
  sitesOverflowed,
} from './capture.js';
import { watchEmitters } from './emitters.js';
import { Population } from './population.js';
import { describeTally, errorOf, type StreamsReport } from './report.js';
import { fileHandleKind, fileKind, type Kind, kindOf, socketKind } from './state.js';
import { notSampled, StreamClass, toTrack } from './stream-class.js';
import { Survivors } from './survivors.js';
import { Tally } from './tally.js';
import { type ListenerWarning, watchWarnings } from './warnings.js';
import { findStateSymbol, requestKind, watchRequests, watchWebStreams, webStreamKind } from './web.js';

export interface StreamsOptions {
  /** Between two points in the history of a site. */
  readonly intervalMs: number;
  /** Points that growth is judged on. */
  readonly window: number;
}

const maxTallies = 2000;
const maxClasses = 2000;
const maxSuspects = 10;
const maxPulseMs = 1000;
const firstLookMs = 50;
const idleIntervals = 3;

/** What cannot be seen in this process, one sentence each. */
export function whatIsMissing(): string[] {
  const missing: string[] = [];
  if (findStateSymbol() === undefined) {
    missing.push('WHATWG streams cannot be seen in this version of Node.js; fetch bodies can.');
  }
  if (!canVerify()) missing.push('Streams that were dropped with an open file cannot be told without /proc/self.');
  return missing;
}

export class StreamTracker {
  readonly #options: StreamsOptions;
  readonly #startedMs = performance.now();
  readonly #population: Population;
  readonly #survivors: Survivors;
  /** `null`: no stream. */
  readonly #byPrototype = new WeakMap<object, StreamClass | null>();
  readonly #classes: StreamClass[] = [];
  readonly #otherTally = new Tally('other classes', overflowSite);
  #tallies: Tally[] = [this.#otherTally];
  /** Of the last fold. */
  #watched: readonly Tally[] = [];
  #sums: Sums = sumOf([]);
  readonly #listenerWarnings: ListenerWarning[] = [];
  readonly #ends: (() => void)[] = [];
  readonly #pulseTimer: NodeJS.Timeout;
  readonly #firstLook: NodeJS.Timeout;
  readonly #sitesOverflowedBefore = sitesOverflowed;
  readonly #pulseMs: number;
  /** By the last sweep. */
  #talliesKept = 0;
  /** A stream can reach the hook twice (readable-stream 2 to 4 call it once per side). Released by the next pulse. */
  #last: object | null = null;
  #firstLookDue = false;
  #talliesOverflowed = 0;
  #latest: StreamsSample;
  /** When the histories take their next point. */
  #rememberAtMs: number;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#pulseMs = Math.min(maxPulseMs, options.intervalMs);
    this.#rememberAtMs = this.#startedMs + options.intervalMs;
    this.#population = new Population(Math.ceil((idleIntervals * options.intervalMs) / 100));
    this.#survivors = new Survivors(this.#population);
    this.#firstLook = setTimeout(() => this.#lookFirst(), firstLookMs).unref();
    this.#pulseTimer = setInterval(() => this.#pulse(), this.#pulseMs).unref();
    this.#adoptEarlier();
    const web = this.#addClass('ReadableStream (web)', webStreamKind);
    const request = this.#addClass('fetch', requestKind);
    try {
      this.#ends.push(watchEmitters((emitter, cut) => this.see(emitter, cut)));
      this.#ends.push(watchRequests((object, cut) => this.#onCreate(request, object, cut)));
      const endWeb = watchWebStreams((stream, cut) => this.#onCreate(web, stream, cut));
      if (endWeb !== null) this.#ends.push(endWeb);
      this.#ends.push(watchWarnings(this.#listenerWarnings));
    } catch (error) {
      // What the program froze or broke refuses a hook: those that are in come out again.
      this.stop();
      throw error;
    }
    this.#latest = { ...this.#totals(), suspects: [] };
  }

  /** The numbers as of the last pulse. Takes nothing: they are kept ready. */
  sample(): StreamsSample {
    return this.#latest;
  }

  /** Brings what `sample()` tells up to date, for somebody who asks out of turn. */
  refresh(): void {
    this.#population.lookAtYoung(this.#now());
    this.#latest = { ...this.#latest, ...this.#totals() };
  }

  /** Everything that is known now. Takes nothing into the history. */
  report(): StreamsReport {
    this.#population.lookAtYoung(this.#now());
    const totals = this.#totals();
    const details = this.#population.details(this.#now());
    const sites: StreamSite[] = [];
    for (const tally of this.#tallies) {
      if (tally.created > 0) sites.push(describeTally(tally, details.get(tally), this.#options.intervalMs));
    }
    sites.sort((a, b) => b.held + b.lost - (a.held + a.lost) || b.open - a.open || b.created - a.created);
    return { ...totals, sites, listenerWarnings: [...this.#listenerWarnings], missing: whatIsMissing() };
  }

  /** Takes all hooks out, or leaves them idle where somebody wrapped them since. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    clearInterval(this.#pulseTimer);
    clearTimeout(this.#firstLook);
    this.#population.forget();
    this.#survivors.forget();
    this.#last = null;
  }

  /** One more point in the history of each site. Returns those that have to be looked into. */
  #remember(): StreamSite[] {
    const suspects: Tally[] = [];
    for (const tally of this.#watched) {
      tally.remember(this.#options.window);
      if (tally.leaks || tally.litters) suspects.push(tally);
    }
    return suspects.length === 0 ? [] : this.#describe(suspects);
  }

  /** What is held comes before what was only left to the garbage collector. */
  #describe(suspects: readonly Tally[]): StreamSite[] {
    const details = this.#population.details(this.#now());
    const describe = (tally: Tally) => describeTally(tally, details.get(tally), this.#options.intervalMs);
    const byRate = (a: StreamSite, b: StreamSite) => b.perHour - a.perHour || b.held - a.held;
    const leaking = suspects.filter((tally) => tally.leaks).map(describe);
    const littering = suspects.filter((tally) => !tally.leaks).map(describe);
    return [...leaking.sort(byRate), ...littering.sort(byRate)].slice(0, maxSuspects);
  }

  #totals(): Omit<StreamsSample, 'suspects'> {
    if (this.#population.fold(this.#tallies, this.#now())) {
      this.#sums = sumOf(this.#tallies);
      this.#watched = this.#tallies.filter((tally) => tally.isWatched);
    }
    let created = 0;
    for (const cls of this.#classes) created += cls.created;
    const { collections, size, overflowed, unproven } = this.#population;
    return {
      created,
      ...this.#sums,
      unproven,
      collections,
      tracked: size,
      overflowed: overflowed + this.#talliesOverflowed + sitesOverflowed - this.#sitesOverflowedBefore,
    };
  }

  /** Tenths of a second since the session began. */
  #now(): number {
    return ((performance.now() - this.#startedMs) / 100) | 0;
  }

  /** In the hook: runs for every EventEmitter of the process, so it does next to nothing for most. Never throws. */
  see(emitter: object, cut: unknown): void {
    if (emitter === this.#last) return;
    const prototype = prototypeOf(emitter);
    if (prototype === null) return;
    const known = this.#byPrototype.get(prototype);
    const cls = known === undefined ? this.#classify(emitter, prototype) : known;
    if (cls === null) return;
    this.#last = emitter;
    this.#onCreate(cls, emitter, cut);
  }

  #onCreate(cls: StreamClass, object: object, cut: unknown): void {
    const part = cls.count();
    if (part === notSampled) return;
    try {
      if (part === toTrack) this.#track(cls, object, cut);
      else this.#follow(cls, object, cut);
    } catch {
      // Nothing that goes wrong in here may reach the program: this stream is counted, but not tracked.
      this.#talliesOverflowed++;
    }
  }

  #track(cls: StreamClass, object: object, cut: unknown): void {
    const { kind } = cls;
    const { weight, heldWeight } = cls.weigh();
    const tally = this.#tallyOf(cls, cut);
    if (tally === null) return;
    const ownsFile = kind === fileKind && weight === 1 && closesItsFile(object);
    this.#population.add(object, { kind, tally, weight, heldWeight, born: this.#now(), ownsFile });
    if (this.#firstLookDue) return;
    this.#firstLookDue = true;
    this.#firstLook.refresh();
  }

  #follow(cls: StreamClass, object: object, cut: unknown): void {
    const tally = cls.isSuspect ? this.#tallyOf(cls, cut) : null;
    if (tally !== null || !cls.isSuspect) this.#survivors.add(object, cls, tally, this.#now());
  }

  /** Of what is created now; `null`: not to be tracked. */
  #tallyOf(cls: StreamClass, cut: unknown): Tally | null {
    const site = captureSite(cut, cls.kind === requestKind);
    // The body of a fetch consists of several streams. The request is tracked, they are not.
    if (site.site === insideFetch && cls.kind !== socketKind) return null;
    if (cls.kind === webStreamKind && !site.ofProgram) return null;
    return this.#tallyAt(cls, site);
  }

  #tallyAt(cls: StreamClass, site: Creator): Tally {
    const known = cls.tallies.get(site);
    if (known !== undefined) return known;
    if (this.#tallies.length >= maxTallies) {
      this.#talliesOverflowed++;
      return this.#otherTally;
    }
    const tally = new Tally(cls.name, site);
    cls.tallies.set(site, tally);
    this.#tallies.push(tally);
    return tally;
  }

  #classify(emitter: object, prototype: object): StreamClass | null {
    try {
      const name = nameOf(prototype);
      const kind = isFileHandle(name, prototype) ? fileHandleKind : kindOf(emitter);
      // `EventEmitter.call(this)` before the constructor of the stream: the second call will tell.
      if (kind === null && 'pipe' in prototype) return null;
      const cls = kind === null ? null : this.#addClass(name, kind);
      this.#byPrototype.set(prototype, cls);
      return cls;
    } catch {
      return null;
    }
  }

  /** A program that makes classes without end gets one common class for the later ones of each kind. */
  #addClass(name: string, kind: Kind): StreamClass {
    const common = this.#classes.length < maxClasses ? undefined : this.#classes.find((cls) => cls.kind === kind);
    if (common !== undefined) return common;
    const cls = new StreamClass(name, kind);
    this.#classes.push(cls);
    return cls;
  }

  /** Sockets and pipes from before the session. Node lists no others cheaply. */
  #adoptEarlier(): void {
    const handles = (process as unknown as { _getActiveHandles?: () => object[] })._getActiveHandles?.() ?? [];
    for (const handle of handles) {
      const prototype = prototypeOf(handle);
      const cls = prototype === null ? null : (this.#byPrototype.get(prototype) ?? this.#classify(handle, prototype));
      if (cls === null) continue;
      const tally = this.#tallyAt(cls, earlierSite);
      this.#population.add(handle, { kind: cls.kind, tally, weight: 1, heldWeight: 1, born: 0, ownsFile: false });
    }
  }

  /** Lines of which no stream is known make room for others when their tables get crowded. */
  #makeRoom(): void {
    const crowded = this.#tallies.length > maxTallies / 2 && this.#tallies.length > this.#talliesKept + maxTallies / 10;
    if (!crowded && !sitesAreCrowded()) return;
    const kept = new Set<Tally>([this.#otherTally]);
    this.#population.addTalliesTo(kept);
    this.#survivors.addTalliesTo(kept);
    for (const cls of this.#classes) {
      for (const [site, tally] of cls.tallies) {
        if (!tally.restsAtSweep()) kept.add(tally);
        if (kept.has(tally)) continue;
        this.#otherTally.absorb(tally);
        cls.tallies.delete(site);
      }
    }
    this.#tallies = [...kept];
    this.#watched = this.#watched.filter((tally) => kept.has(tally));
    this.#talliesKept = kept.size;
    const sites = new Set(this.#tallies.map(({ site }) => site));
    keepSites((site) => sites.has(site));
  }

  #lookFirst(): void {
    this.#firstLookDue = this.#population.lookAtYoung(this.#now());
    if (this.#firstLookDue) this.#firstLook.refresh();
  }

  #pulse(): void {
    const began = performance.now();
    this.#last = null;
    let busy = 0;
    for (const cls of this.#classes) if (cls.isBusy) busy++;
    for (const cls of this.#classes) cls.pulse(Math.max(1, busy));
    this.#population.pulse(this.#now());
    this.#survivors.pulse();
    this.#makeRoom();
    const totals = this.#totals();
    let { suspects } = this.#latest;
    if (began >= this.#rememberAtMs - this.#pulseMs / 2) {
      suspects = this.#remember();
      // Timers fire late. By the schedule that does not add up; after a pause, nothing is made up for.
      const { intervalMs } = this.#options;
      this.#rememberAtMs = Math.max(this.#rememberAtMs + intervalMs, began + intervalMs / 2);
    }
    this.#latest = { ...totals, suspects };
  }
}

/** Over all tallies, as of a fold. */
type Sums = Pick<StreamsSample, 'open' | 'openError' | 'held' | 'idle' | 'lost' | 'bufferedBytes'>;

function sumOf(tallies: readonly Tally[]): Sums {
  let [open, openVariance, held, idle, lost, bufferedBytes] = [0, 0, 0, 0, 0, 0];
  for (const tally of tallies) {
    open += tally.open;
    openVariance += tally.openVariance;
    held += tally.held;
    lost += tally.lost;
    idle += tally.lost + (tally.isHarmless ? 0 : tally.held);
    bufferedBytes += tally.bufferedBytes;
  }
  return { open, openError: errorOf(openVariance), held, idle, lost, bufferedBytes };
}

/** A Proxy may answer with an error, which the program would not have met without us. */
function prototypeOf(object: object): object | null {
  try {
    return Object.getPrototypeOf(object);
  } catch {
    return null;
  }
}

function nameOf(prototype: object): string {
  const name = (prototype as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? name.slice(0, 80) : 'anonymous class';
}

/** `fs.promises.open()` gives an EventEmitter that is no stream, from a class that Node does not export. */
function isFileHandle(name: string, prototype: object): boolean {
  return name === 'FileHandle' && 'createReadStream' in prototype && 'getAsyncId' in prototype;
}

/** Not with `autoClose: false`, nor when the descriptor came from the program: then it is the program's to close. */
function closesItsFile(object: object): boolean {
  const { fd, _readableState, _writableState } = object as {
    fd?: unknown;
    _readableState?: { autoDestroy?: boolean };
    _writableState?: { autoDestroy?: boolean };
  };
  return fd === null && (_readableState ?? _writableState)?.autoDestroy !== false;
}
