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
import type { Kind, Look, StreamState } from './look.js';
import type { Row } from './row.js';

/** About 250 B each. */
const maxTracked = 20_000;
const maxLost = 1000;
/** Looks a pulse spends on streams that were there before: all of them within ten pulses, and at least this many. */
const minLooks = 500;
const verifiedPerPulse = 64;
/** Looks that have to find a lost file open. One alone may see a descriptor that was closed and opened again. */
const confirmations = 2;
/** Of a stream that is dropped with more than this buffered, the flags are not kept: the buffer hangs on them. */
const maxPinnedLength = 64 * 1024;
/**
 * Major collections between two looks, after which a stream that is still there is held by the program. V8 clears
 * WeakRefs in these only. Not one: it may have begun before the first look, and looking makes it keep the stream.
 */
const provingCollections = 2;

/** What the open streams of a row are doing, in numbers of streams. */
export interface Details {
  readonly states: Map<StreamState, number>;
  readonly handles: Map<string, number>;
  descriptors: number;
  oldestMs: number;
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
  /** Looks that found the file still open. */
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
  /** Whether a fold would find other numbers than the last one. */
  #changed = false;
  /** When the next stream becomes idle, if nobody uses it. */
  #nextIdleAt = Number.POSITIVE_INFINITY;
  /** Streams that were not tracked because the table was full. */
  overflowed = 0;
  /** As of the last fold: idle streams on which no two major collections have decided yet. */
  unproven = 0;

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
    if (young.length === 0) return false;
    this.#young = [];
    this.#changed = true;
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
    const gone: Tracked[] = [];
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
      if (object === undefined) gone.push(tracked);
      all[this.#cursor] = all.at(-1) as Tracked;
      all.pop();
      this.#changed = true;
    }
    gone.sort((a, b) => a.born - b.born);
    for (const tracked of gone) this.#collected(tracked);
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
      this.#changed = true;
    } else if (!tracked.proven && this.#epoch - tracked.lookedEpoch >= provingCollections) {
      tracked.proven = this.#changed = true;
    }
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
  #collected({ row, born, fd, file, handle, rooted, weight, readState }: Tracked): void {
    if (readState !== null) {
      if (readState.destroyed === true) return;
      if (!readState.endEmitted) row.dropped += weight;
      // A closed handle would be gone from its stream: this one was left to the collector.
      if (handle !== null && !rooted) row.leaveUnclosed(weight, Math.floor(born / this.#idleAfter));
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
      const isOpen = !owned.has(lost.fd) && fileOf(lost.fd) === lost.file;
      if (isOpen) this.#lost.push(lost);
      if (isOpen && lost.confirmed >= confirmations) continue;
      lost.confirmed++;
      this.#changed = true;
    }
  }

  /** Brings the numbers of all rows up to date. Returns whether any had to be: while nothing happens, none. */
  fold(rows: readonly Row[], now: number): boolean {
    if (!this.#changed && now < this.#nextIdleAt) return false;
    this.#changed = false;
    this.#nextIdleAt = Number.POSITIVE_INFINITY;
    this.unproven = 0;
    for (const row of rows) row.clear();
    for (const tracked of this.#tracked) this.#addTo(tracked.row, tracked, now);
    for (const { row, confirmed } of this.#lost) {
      if (confirmed >= confirmations) row.lost++;
    }
    return true;
  }

  #addTo(row: Row, { weight, usedAt, rooted, proven, state, bufferedBytes }: Tracked, now: number): void {
    row.open += weight;
    row.openVariance += weight * (weight - 1);
    row.bufferedBytes += bufferedBytes * weight;
    const idleAt = usedAt + this.#idleAfter;
    if (now < idleAt) {
      this.#nextIdleAt = Math.min(this.#nextIdleAt, idleAt);
      return;
    }
    row.idle += weight;
    if (!rooted && !proven) {
      this.unproven += weight;
      return;
    }
    row.held += weight;
    row.heldTracked++;
    if (state === 'waiting') row.harmless += weight;
  }

  /** For those rows that have open streams. */
  details(now: number): Map<Row, Details> {
    const all = new Map<Row, Details>();
    for (const { row, weight, state, fd, handle, born } of this.#tracked) {
      const details = all.get(row) ?? { states: new Map(), handles: new Map(), descriptors: 0, oldestMs: 0 };
      all.set(row, details);
      details.states.set(state, (details.states.get(state) ?? 0) + weight);
      if (handle !== null) details.handles.set(handle, (details.handles.get(handle) ?? 0) + weight);
      if (fd >= 0) details.descriptors += weight;
      details.oldestMs = Math.max(details.oldestMs, (now - born) * 100);
    }
    return all;
  }

  forget(): void {
    this.#young = [];
    this.#tracked = [];
    this.#lost = [];
  }
}
