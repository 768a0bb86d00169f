/**
 * Streams that were created while the session runs, per line of code that created them.
 *
 * Every creation is counted. Within a budget per class, a stream is also tracked: a WeakRef, and the line. Quiet classes
 * are tracked fully; in busy ones a tracked stream stands for `weight` others, so estimates carry their error. Nothing
 * is attached to a stream: flags are polled, a slice each second.
 */
import { canVerify } from './streams/descriptor.js';
import { watchEmitters } from './streams/emitters.js';
import { fileHandleKind, fileKind, type Kind, kindOf, socketKind } from './streams/look.js';
import { Population, Row } from './streams/population.js';
import { describeRow, type StreamSite, type StreamsReport, type StreamsSample } from './streams/report.js';
import { captureSite, earlierSite, insideFetch, overflowSite, type Site, sitesOverflowed } from './streams/site.js';
import { type ListenerWarning, watchWarnings } from './streams/warnings.js';
import { findStateSymbol, requestKind, watchRequests, watchWebStreams, webStreamKind } from './streams/web.js';

export interface StreamsOptions {
  /** Between two calls of `sample()`. */
  readonly intervalMs: number;
  /** Samples that growth is judged on. */
  readonly window: number;
}

/** One class of streams; `null` in the table stands for what is no stream. */
interface StreamClass {
  readonly name: string;
  readonly kind: Kind;
  readonly rows: Map<Site, Row>;
  /** What may be tracked in one pulse. */
  perPulse: number;
  created: number;
  createdInPulse: number;
  trackedInPulse: number;
  /** One of this many is tracked. */
  every: number;
  /** Creations until the next one is tracked. */
  countdown: number;
}

/**
 * Tracked streams of one class in a pulse, while all of them end well. A WeakRef keeps its stream in memory until the
 * next major collection, and a stack interrupts optimized code: together they cost more than the 20 µs they take.
 */
const trackedPerPulse = 10;
/** … and once some of a busy class are held: a slow leak among many healthy ones needs a closer look. */
const suspectedPerPulse = 50;
/** Files have to be known one by one, because a descriptor that is left open is told apart by who else uses it. */
const filesPerPulse = 500;
const maxRows = 2000;
const maxClasses = 2000;
const maxSuspects = 10;
const maxPulseMs = 1000;
const firstLookMs = 50;
const idleIntervals = 3;
const z95 = 1.96;

/** What cannot be seen in this process, one sentence each. */
function whatIsMissing(): string[] {
  const missing: string[] = [];
  if (findStateSymbol() === undefined) {
    missing.push('WHATWG streams cannot be seen in this version of Node.js; fetch bodies can.');
  }
  if (!canVerify()) missing.push('Streams that were dropped with an open file cannot be told without /proc/self.');
  return missing;
}

/** The row `streams` of the capabilities. */
export function streamsCapability(enabled: boolean): true | string {
  if (!enabled) return 'streams are not tracked: the option `streams` is false';
  return whatIsMissing().join(' ') || true;
}

export class StreamTracker {
  readonly #options: StreamsOptions;
  readonly #startedMs = performance.now();
  readonly #population: Population;
  readonly #byPrototype = new WeakMap<object, StreamClass | null>();
  readonly #classes: StreamClass[] = [];
  readonly #otherRow = new Row('other classes', overflowSite);
  readonly #rows: Row[] = [this.#otherRow];
  readonly #listenerWarnings: ListenerWarning[] = [];
  readonly #ends: (() => void)[] = [];
  readonly #pulseTimer: NodeJS.Timeout;
  readonly #firstLook: NodeJS.Timeout;
  readonly #sitesOverflowedBefore = sitesOverflowed;
  readonly #pulseMs: number;
  /** A stream can reach the hook twice (readable-stream 2 to 4 call it once per side). Released by the next pulse. */
  #last: object | null = null;
  #firstLookDue = false;
  #rowsOverflowed = 0;
  #random = 0x2545f491;
  #spentMs = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#pulseMs = Math.min(maxPulseMs, options.intervalMs);
    this.#population = new Population(Math.ceil((idleIntervals * options.intervalMs) / 100));
    this.#firstLook = setTimeout(() => this.#lookFirst(), firstLookMs).unref();
    this.#pulseTimer = setInterval(() => this.#pulse(), this.#pulseMs).unref();
    this.#adoptEarlier();
    const web = this.#addClass('ReadableStream (web)', webStreamKind);
    const request = this.#addClass('fetch', requestKind);
    this.#ends.push(watchEmitters((emitter, cut) => this.#onEmitter(emitter, cut)));
    this.#ends.push(watchRequests((object, cut) => this.#onCreate(request, object, cut)));
    const endWeb = watchWebStreams((stream, cut) => this.#onCreate(web, stream, cut));
    if (endWeb !== null) this.#ends.push(endWeb);
    this.#ends.push(watchWarnings(this.#listenerWarnings));
  }

  /** CPU that looks, folds and samples took on this thread so far; the hook is not in it. */
  get spentMs(): number {
    return this.#spentMs;
  }

  /** The numbers of now, one more point in the history of each site. Call it once per interval. */
  sample(): StreamsSample {
    const began = performance.now();
    const totals = this.#totals();
    const suspects: Row[] = [];
    for (const row of this.#rows) {
      row.remember(this.#options.window);
      if (row.growing) suspects.push(row);
    }
    const described = suspects.map((row) => describeRow(row, this.#options.intervalMs));
    described.sort((a, b) => b.perHour - a.perHour || b.held - a.held);
    this.#spentMs += performance.now() - began;
    return { ...totals, suspects: described.slice(0, maxSuspects) };
  }

  /** Everything that is known now. Takes nothing into the history. */
  report(): StreamsReport {
    this.#population.lookAtYoung(this.#now());
    const totals = this.#totals();
    const sites: StreamSite[] = [];
    for (const row of this.#rows) {
      if (row.created > 0) sites.push(describeRow(row, this.#options.intervalMs));
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
    this.#last = null;
  }

  #totals(): Omit<StreamsSample, 'suspects'> {
    for (const row of this.#rows) row.clear();
    const { unproven } = this.#population.fold(this.#now());
    let [open, openVariance, held, lost, idle, bufferedBytes, created] = [0, 0, 0, 0, 0, 0, 0];
    for (const row of this.#rows) {
      open += row.open;
      openVariance += row.openVariance;
      held += row.held;
      lost += row.lost;
      idle += row.lost + (row.isHarmless ? 0 : row.held);
      bufferedBytes += row.bufferedBytes;
    }
    for (const cls of this.#classes) created += cls.created;
    return {
      created,
      open,
      openError: Math.round(z95 * Math.sqrt(openVariance)),
      held,
      idle,
      unproven,
      lost,
      bufferedBytes,
      collections: this.#population.collections,
      tracked: this.#population.size,
      overflowed: this.#population.overflowed + this.#rowsOverflowed + sitesOverflowed - this.#sitesOverflowedBefore,
    };
  }

  /** Tenths of a second since the session began. */
  #now(): number {
    return ((performance.now() - this.#startedMs) / 100) | 0;
  }

  /** In the hook: runs for every EventEmitter of the process, so it does next to nothing for most. Never throws. */
  #onEmitter(emitter: object, cut: unknown): void {
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
    cls.created++;
    cls.createdInPulse++;
    if (--cls.countdown > 0) return;
    try {
      this.#track(cls, object, cut);
    } catch {
      // Nothing that goes wrong in here may reach the program: this stream is counted, but not tracked.
      this.#rowsOverflowed++;
    }
  }

  #track(cls: StreamClass, object: object, cut: unknown): void {
    const weight = cls.every;
    // Bursts are bounded within the pulse too: each time that the budget is used up, every second one is left out.
    if (++cls.trackedInPulse % cls.perPulse === 0) cls.every *= 2;
    cls.countdown = this.#gap(cls.every);
    const site = captureSite(cut, cls.kind === requestKind);
    // The body of a fetch consists of several streams. The request is tracked, they are not.
    if (site.site === insideFetch && cls.kind !== socketKind) return;
    if (cls.kind === webStreamKind && !site.ofProgram) return;
    const ownsFile = cls.kind === fileKind && weight === 1 && closesItsFile(object);
    this.#population.add(object, cls.kind, this.#rowOf(cls, site), weight, this.#now(), ownsFile);
    if (!ownsFile || this.#firstLookDue) return;
    this.#firstLookDue = true;
    this.#firstLook.refresh();
  }

  /** A random gap with the mean `every`: a fixed one would always meet the same of two lines that take turns. */
  #gap(every: number): number {
    if (every === 1) return 1;
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return 1 + ((this.#random >>> 0) % (2 * every - 1));
  }

  #rowOf(cls: StreamClass, site: Site): Row {
    const known = cls.rows.get(site);
    if (known !== undefined) return known;
    if (this.#rows.length >= maxRows) {
      this.#rowsOverflowed++;
      return this.#otherRow;
    }
    const row = new Row(cls.name, site);
    cls.rows.set(site, row);
    this.#rows.push(row);
    return row;
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
    const counts = { created: 0, createdInPulse: 0, trackedInPulse: 0, every: 1, countdown: 1 };
    const cls: StreamClass = { name, kind, rows: new Map(), perPulse: trackedPerPulse, ...counts };
    cls.perPulse = this.#budgetOf(cls);
    this.#classes.push(cls);
    return cls;
  }

  /** Sockets and pipes from before the session. Node lists no others cheaply. */
  #adoptEarlier(): void {
    const handles = (process as unknown as { _getActiveHandles?: () => object[] })._getActiveHandles?.() ?? [];
    for (const handle of handles) {
      const prototype = prototypeOf(handle);
      const cls = prototype === null ? null : (this.#byPrototype.get(prototype) ?? this.#classify(handle, prototype));
      if (cls !== null) this.#population.add(handle, cls.kind, this.#rowOf(cls, earlierSite), 1, 0, false);
    }
  }

  /** The budget of a class, by what its tracked streams came to. */
  #budgetOf(cls: StreamClass): number {
    if (cls.kind === fileKind || cls.kind === fileHandleKind) return filesPerPulse;
    for (const row of cls.rows.values()) {
      if (row.held > row.harmless) return suspectedPerPulse;
    }
    return trackedPerPulse;
  }

  #lookFirst(): void {
    this.#firstLookDue = this.#population.lookAtYoung(this.#now());
    if (this.#firstLookDue) this.#firstLook.refresh();
  }

  #pulse(): void {
    const began = performance.now();
    this.#last = null;
    for (const cls of this.#classes) {
      cls.perPulse = this.#budgetOf(cls);
      // Not at once down to what a quiet second asks for, or each burst of a busy class would begin tracked in full.
      const every = Math.max(1, Math.ceil(cls.createdInPulse / cls.perPulse), cls.every >> 1);
      if (every < cls.every && cls.countdown > every) cls.countdown = this.#gap(every);
      cls.every = every;
      cls.createdInPulse = cls.trackedInPulse = 0;
    }
    this.#population.pulse(this.#now());
    this.#spentMs += performance.now() - began;
  }
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
