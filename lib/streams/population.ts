/**
 * The streams under observation, and what is known of each line that created some.
 *
 * Only WeakRefs and numbers are kept, so nothing stays alive because of us, and the flags of the readable side: they
 * do not refer to their stream (unless it is piped), so that the last word of a collected one can be read. The flags of
 * the writable side do refer to it.
 *
 * A WeakRef keeps its stream, with its Buffers, until the next major collection. Most streams end within milliseconds,
 * so a young one is held as it is until its first look, soon after, and only gets a WeakRef when that finds it open.
 *
 * Looks are spread over pulses of a second; a sample only folds the numbers that the looks left behind.
 */

import { fileOf } from '../process/descriptors.js';
import type { StreamState } from '../site.js';
import { type Kind, lookAt, type ReadFlags } from './state.js';
import type { Tally } from './tally.js';

/** About 250 B each. */
const maxTracked = 20_000;
const maxLost = 1000;
/** Looks a pulse spends on streams that were there before: all of them within ten pulses, and at least this many. */
const minLooks = 500;
const verifiedPerPulse = 64;
/** Looks that have to find a lost file open. One alone may see a descriptor that was closed and opened again. */
const confirmingLooks = 2;
/**
 * Major collections between two looks, after which a stream that is still there is held by the program. V8 clears
 * WeakRefs in these only. Not one: it may have begun before the first look, and looking makes it keep the stream.
 */
const provingCollections = 2;

/** What the open streams of a tally are doing, in numbers of streams. */
export interface Details {
  readonly states: Map<StreamState, number>;
  readonly handles: Map<string, number>;
  descriptors: number;
  oldestMs: number;
}

/** What is known of a stream when it comes under observation. */
export interface Creation {
  readonly kind: Kind;
  readonly tally: Tally;
  /** Streams that it stands for, and those once it is known to be held; 0 for one that was only followed. */
  readonly weight: number;
  readonly heldWeight: number;
  readonly born: number;
  readonly ownsFile: boolean;
}

/** Times are in tenths of a second since the session began: small integers take no memory of their own. */
class Tracked {
  /** From its first look on. */
  ref: WeakRef<object> | null = null;
  readonly kind: Kind;
  readonly tally: Tally;
  /** Streams that it stands for as long as it is not known to be held, and then. */
  readonly weight: number;
  readonly heldWeight: number;
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

  constructor({ kind, tally, weight, heldWeight, born, ownsFile }: Creation, epoch: number) {
    this.kind = kind;
    this.tally = tally;
    this.weight = weight;
    this.heldWeight = heldWeight;
    this.born = this.usedAt = this.lookedAt = born;
    this.lookedEpoch = epoch;
    this.ownsFile = ownsFile;
  }

  get count(): number {
    return this.proven ? this.heldWeight : this.weight;
  }
}

interface Lost {
  readonly tally: Tally;
  readonly fd: number;
  readonly file: string;
  /** Looks that found the file still open. */
  confirmed: number;
}

/** Of an estimate to which one of `weight` contributes: it was chosen with the probability 1 / weight. */
function varianceOf(weight: number): number {
  return Math.max(0, weight * (weight - 1));
}

export class Population {
  readonly #idleAfter: number;
  /** Not looked at yet, and all others. */
  #young: { readonly object: object; readonly tracked: Tracked }[] = [];
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

  /** What was there before this many of them, and still is, is held by the program. */
  get provenEpoch(): number {
    return this.#epoch - provingCollections;
  }

  add(object: object, creation: Creation): void {
    const { tally, weight } = creation;
    tally.created += weight;
    tally.createdVariance += varianceOf(weight);
    if (this.size >= maxTracked) this.overflowed++;
    else this.#young.push({ object, tracked: new Tracked(creation, this.#epoch) });
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
    for (const each of young) {
      const { object, tracked } = each;
      if (!this.#stillOpen(tracked, object, now)) continue;
      if (tracked.ownsFile && tracked.fd === -1) this.#young.push(each);
      else {
        tracked.ref = new WeakRef(object);
        this.#tracked.push(tracked);
      }
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
      const object = tracked.ref?.deref();
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
    const look = lookAt(tracked.kind, object);
    if (look === null) return false;
    tracked.readState = look.readFlags;
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
  #collected({ tally, born, fd, file, handle, rooted, weight, readState }: Tracked): void {
    if (readState !== null) {
      if (readState.destroyed === true) return;
      if (!readState.endEmitted) tally.dropped += weight;
      // A closed handle would be gone from its stream: this one was left to the collector.
      if (handle !== null && !rooted) tally.leaveUnclosed(weight, Math.floor(born / this.#idleAfter));
    }
    if (file === null || this.#lost.length >= maxLost || fileOf(fd) !== file) return;
    this.#lost.push({ tally, fd, file, confirmed: 0 });
  }

  #verifyLost(): void {
    const due = this.#lost.splice(0, verifiedPerPulse);
    if (due.length === 0) return;
    const owned = new Set<number>();
    for (const { fd } of this.#tracked) owned.add(fd);
    for (const lost of due) {
      const isOpen = !owned.has(lost.fd) && fileOf(lost.fd) === lost.file;
      if (isOpen) this.#lost.push(lost);
      if (isOpen && lost.confirmed >= confirmingLooks) continue;
      lost.confirmed++;
      this.#changed = true;
    }
  }

  /** Brings the numbers of all tallies up to date. Returns whether any had to be: while nothing happens, none. */
  fold(tallies: readonly Tally[], now: number): boolean {
    if (!this.#changed && now < this.#nextIdleAt) return false;
    this.#changed = false;
    this.#nextIdleAt = Number.POSITIVE_INFINITY;
    this.unproven = 0;
    for (const tally of tallies) tally.clear();
    for (const tracked of this.#tracked) this.#addTo(tracked.tally, tracked, now);
    for (const { tally, confirmed } of this.#lost) {
      if (confirmed >= confirmingLooks) tally.lost++;
    }
    for (const tally of tallies) tally.round();
    this.unproven = Math.round(this.unproven);
    return true;
  }

  #addTo(tally: Tally, tracked: Tracked, now: number): void {
    const { count, proven, rooted, state, bufferedBytes } = tracked;
    tally.open += count;
    tally.openVariance += varianceOf(count);
    tally.bufferedBytes += bufferedBytes * count;
    const idleAt = tracked.usedAt + this.#idleAfter;
    if (now < idleAt) {
      this.#nextIdleAt = Math.min(this.#nextIdleAt, idleAt);
      return;
    }
    tally.idle += count;
    if (!rooted && !proven) {
      this.unproven += count;
      return;
    }
    tally.held += count;
    if (count > 0) tally.heldTracked++;
    if (state === 'waiting') tally.harmless += count;
  }

  /** For those tallies that have open streams. */
  details(now: number): Map<Tally, Details> {
    const all = new Map<Tally, Details>();
    for (const { tally, count, state, fd, handle, born } of this.#tracked) {
      if (count === 0) continue;
      const details = all.get(tally) ?? { states: new Map(), handles: new Map(), descriptors: 0, oldestMs: 0 };
      all.set(tally, details);
      details.states.set(state, (details.states.get(state) ?? 0) + count);
      if (handle !== null) details.handles.set(handle, (details.handles.get(handle) ?? 0) + count);
      if (fd >= 0) details.descriptors += count;
      details.oldestMs = Math.max(details.oldestMs, (now - born) * 100);
    }
    for (const details of all.values()) {
      details.descriptors = Math.round(details.descriptors);
      for (const counts of [details.states, details.handles] as Map<string, number>[]) {
        for (const [name, count] of counts) counts.set(name, Math.round(count));
      }
    }
    return all;
  }

  /** Adds the tallies of which a stream is known. */
  addTalliesTo(tallies: Set<Tally>): void {
    for (const { tracked } of this.#young) tallies.add(tracked.tally);
    for (const { tally } of this.#tracked) tallies.add(tally);
    for (const { tally } of this.#lost) tallies.add(tally);
  }

  forget(): void {
    this.#young = [];
    this.#tracked = [];
    this.#lost = [];
  }
}
