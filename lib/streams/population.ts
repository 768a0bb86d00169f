/**
 * The streams under observation, and what is known of each line that created some.
 *
 * Only WeakRefs and numbers are kept, so nothing stays alive because of us, and the flags of the readable side: they
 * do not refer to their stream (unless it is piped), so that the last word of a collected one can be read. The flags of
 * the writable side do refer to it.
 *
 * Looks are spread over pulses of a second; a sample only folds the numbers that the looks left behind.
 */
import { fileOf } from './descriptor.js';
import { History } from './history.js';
import type { Kind, Look, StreamState } from './look.js';
import type { Site } from './site.js';

/** About 250 B each. */
const maxTracked = 20_000;
const maxLost = 1000;
/** Looks a pulse spends on streams that were there before: all of them within ten pulses, and at least this many. */
const minLooks = 500;
const verifiedPerPulse = 64;
/** Of a stream that is dropped with more than this buffered, the flags are not kept: the buffer hangs on them. */
const maxPinnedLength = 64 * 1024;
/**
 * Major collections between two looks, after which a stream that is still there is held by the program. V8 clears
 * WeakRefs in these only. Not one: it may have begun before the first look, and looking makes it keep the stream.
 */
const provingCollections = 2;

/** All streams of one class from one site. */
export class Row {
  readonly className: string;
  readonly site: Site;
  /** Made when the first stream is held: most lines never need one. */
  history: History | null = null;
  /** Estimates: one tracked stream stands for `weight` created ones. */
  created = 0;
  createdVariance = 0;
  /** Filled in by `fold`. */
  open = 0;
  openVariance = 0;
  idle = 0;
  held = 0;
  heldTracked = 0;
  harmless = 0;
  bufferedBytes = 0;
  descriptors = 0;
  oldestMs = 0;
  readonly states = new Map<StreamState, number>();
  readonly handles = new Map<string, number>();
  /** Collected without being destroyed, and the descriptor is still open. */
  lost = 0;
  /** Collected before it had ended or was destroyed. Its memory is free again. */
  dropped = 0;
  growing = false;

  constructor(className: string, site: Site) {
    this.className = className;
    this.site = site;
  }

  /** Takes the fold of one sample into the history. */
  remember(window: number): void {
    const count = this.held + this.lost;
    if (count === 0) {
      this.history = null;
      this.growing = false;
      return;
    }
    this.history ??= new History(window);
    this.history.push(count);
    const weight = this.heldTracked === 0 ? 1 : this.held / this.heldTracked;
    this.growing = this.history.grows(this.isHarmless, weight);
  }

  /** Whether most of the held ones only wait for a silent peer. */
  get isHarmless(): boolean {
    return this.harmless * 2 > this.held + this.lost;
  }

  clear(): void {
    this.open = this.openVariance = this.idle = this.held = this.heldTracked = this.harmless = 0;
    this.bufferedBytes = this.descriptors = this.oldestMs = this.lost = 0;
    this.states.clear();
    this.handles.clear();
  }
}

/** Times are in tenths of a second since the session began: small integers take no memory of their own. */
class Tracked {
  readonly ref: WeakRef<object>;
  readonly kind: Kind;
  readonly row: Row;
  readonly weight: number;
  readonly born: number;
  usedAt: number;
  lookedAt: number;
  lookedEpoch: number;
  proven = false;
  progress = 0;
  state: StreamState = 'open';
  bufferedBytes = 0;
  fd = -1;
  handle: string | null = null;
  rooted = false;
  /** The file behind `fd`, when the stream opened it itself and is to close it. */
  file: string | null = null;
  readonly ownsFile: boolean;
  readState: ReadFlags | null = null;

  constructor(object: object, kind: Kind, row: Row, weight: number, now: number, epoch: number, ownsFile: boolean) {
    this.ref = new WeakRef(object);
    this.kind = kind;
    this.row = row;
    this.weight = weight;
    this.born = this.usedAt = this.lookedAt = now;
    this.lookedEpoch = epoch;
    this.ownsFile = ownsFile;
  }
}

/** Of Node's ReadableState. `pipes` is an array, or in readable-stream 2 also one stream or `null`. */
interface ReadFlags {
  readonly destroyed?: boolean;
  readonly endEmitted: boolean;
  readonly length: number;
  readonly pipes: object | null;
}

/** The flags of the readable side, when they keep neither the stream nor much else alive. */
function readFlagsOf(object: object): ReadFlags | null {
  const flags = (object as { _readableState?: ReadFlags | null })._readableState ?? null;
  if (flags === null || flags.length > maxPinnedLength) return null;
  const piped = Array.isArray(flags.pipes) ? flags.pipes.length > 0 : flags.pipes != null;
  return piped ? null : flags;
}

interface Lost {
  readonly row: Row;
  readonly fd: number;
  readonly file: string;
  /** Looks that found the file still open. One alone may see a descriptor that was closed and opened again. */
  confirmed: number;
}

const look: Look = {
  settled: false,
  state: 'open',
  bufferedBytes: 0,
  progress: 0,
  fd: null,
  handle: null,
  rooted: false,
};

export class Population {
  readonly #idleAfter: number;
  /** Created since the last pulse, and all others. */
  #young: Tracked[] = [];
  #tracked: Tracked[] = [];
  #cursor = 0;
  #lost: Lost[] = [];
  #epoch = 0;
  #canary = new WeakRef({});
  /** Streams that were not tracked because the table was full. */
  overflowed = 0;

  /** @param idleAfter tenths of a second without any change until a stream counts as idle. */
  constructor(idleAfter: number) {
    this.#idleAfter = idleAfter;
  }

  get size(): number {
    return this.#young.length + this.#tracked.length;
  }

  /** Major collections seen since the session began. */
  get collections(): number {
    return this.#epoch;
  }

  add(object: object, kind: Kind, row: Row, weight: number, now: number, ownsFile: boolean): void {
    row.created += weight;
    row.createdVariance += weight * (weight - 1);
    if (this.size >= maxTracked) this.overflowed++;
    else this.#young.push(new Tracked(object, kind, row, weight, now, this.#epoch, ownsFile));
  }

  /**
   * First looks, soon after creation: a file that is opened and dropped at once must be known by its descriptor.
   * Returns whether some are not open yet, and should be looked at again soon.
   */
  lookAtYoung(now: number): boolean {
    const young = this.#young;
    this.#young = [];
    for (const tracked of young) {
      const object = tracked.ref.deref();
      if (object === undefined || !this.#stillOpen(tracked, object, now)) continue;
      if (tracked.ownsFile && tracked.fd === -1) this.#young.push(tracked);
      else this.#tracked.push(tracked);
    }
    return this.#young.length > 0;
  }

  /** One round of looks. */
  pulse(now: number): void {
    if (this.#canary.deref() === undefined) {
      this.#epoch++;
      this.#canary = new WeakRef({});
    }
    this.lookAtYoung(now);
    const all = this.#tracked;
    let looks = Math.min(all.length, Math.max(minLooks, Math.ceil(all.length / 10)));
    if (this.#cursor >= all.length) this.#cursor = 0;
    while (looks-- > 0 && all.length > 0) {
      if (this.#cursor >= all.length) this.#cursor = 0;
      const tracked = all[this.#cursor] as Tracked;
      if (this.#rests(tracked, now)) {
        this.#cursor++;
        continue;
      }
      const object = tracked.ref.deref();
      if (object !== undefined && this.#stillOpen(tracked, object, now)) {
        this.#cursor++;
        continue;
      }
      if (object === undefined) this.#collected(tracked);
      all[this.#cursor] = all.at(-1) as Tracked;
      all.pop();
    }
    this.#verifyLost();
  }

  /**
   * Whether an idle stream is better left alone: each look at it, during a collection, makes that collection keep it.
   * It is looked at when collections will have decided on it; one without readable flags, which would tell of its end,
   * also after twice its idle time.
   */
  #rests(tracked: Tracked, now: number): boolean {
    if (tracked.rooted || now - tracked.usedAt < this.#idleAfter) return false;
    if (this.#epoch - tracked.lookedEpoch >= provingCollections) return false;
    if (tracked.readState !== null) return tracked.readState.destroyed !== true;
    return now - tracked.lookedAt < tracked.lookedAt - tracked.usedAt;
  }

  #stillOpen(tracked: Tracked, object: object, now: number): boolean {
    look.settled = look.rooted = false;
    look.bufferedBytes = look.progress = 0;
    look.fd = look.handle = null;
    try {
      tracked.kind(object as never, look);
      tracked.readState = readFlagsOf(object);
    } catch {
      // A getter of the program threw. It is not ours to judge what it built.
      return false;
    }
    // stdin, stdout and stderr belong to the process.
    if (look.settled || (look.fd !== null && look.fd <= 2)) return false;
    const progress = look.progress | 0;
    if (progress !== tracked.progress || look.state !== tracked.state) {
      tracked.progress = progress;
      tracked.state = look.state;
      tracked.usedAt = now;
      tracked.proven = false;
    } else if (this.#epoch - tracked.lookedEpoch >= provingCollections) tracked.proven = true;
    tracked.lookedAt = now;
    tracked.lookedEpoch = this.#epoch;
    tracked.bufferedBytes = look.bufferedBytes;
    tracked.handle = look.handle;
    tracked.rooted = look.rooted;
    if (look.fd !== null && tracked.ownsFile && tracked.fd !== look.fd) tracked.file = fileOf(look.fd);
    tracked.fd = look.fd ?? -1;
    return true;
  }

  /** Without flags the last look may be stale: then only an open descriptor proves that it was never destroyed. */
  #collected({ row, fd, file, weight, readState }: Tracked): void {
    if (readState !== null) {
      if (readState.destroyed === true) return;
      if (!readState.endEmitted) row.dropped += weight;
    }
    if (file === null || this.#lost.length >= maxLost || fileOf(fd) !== file) return;
    this.#lost.push({ row, fd, file, confirmed: 0 });
  }

  #verifyLost(): void {
    const due = this.#lost.splice(0, verifiedPerPulse);
    if (due.length === 0) return;
    const owned = new Set<number>();
    for (const { fd } of this.#tracked) owned.add(fd);
    for (const lost of due) {
      if (owned.has(lost.fd) || fileOf(lost.fd) !== lost.file) continue;
      lost.confirmed++;
      this.#lost.push(lost);
    }
  }

  /** Adds what is known now to the rows, which the caller has cleared. */
  fold(now: number): { unproven: number } {
    let unproven = 0;
    for (const tracked of this.#tracked) {
      const { row, weight, state } = tracked;
      row.open += weight;
      row.openVariance += weight * (weight - 1);
      row.bufferedBytes += tracked.bufferedBytes * weight;
      row.states.set(state, (row.states.get(state) ?? 0) + weight);
      if (tracked.fd >= 0) row.descriptors += weight;
      if (tracked.handle !== null) row.handles.set(tracked.handle, (row.handles.get(tracked.handle) ?? 0) + weight);
      row.oldestMs = Math.max(row.oldestMs, (now - tracked.born) * 100);
      if (now - tracked.usedAt < this.#idleAfter) continue;
      row.idle += weight;
      if (!tracked.rooted && !tracked.proven) {
        unproven += weight;
        continue;
      }
      row.held += weight;
      row.heldTracked++;
      if (state === 'waiting') row.harmless += weight;
    }
    for (const { row, confirmed } of this.#lost) {
      if (confirmed >= 2) row.lost++;
    }
    return { unproven };
  }

  forget(): void {
    this.#young = [];
    this.#tracked = [];
    this.#lost = [];
  }
}
