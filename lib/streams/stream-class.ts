/**
 * One class of streams, and which of its streams are tracked: in quiet classes all, in busy ones a random part, so that
 * one tracked stream stands for `every` others. Of a busy class, a larger part is followed.
 */

import type { Creator } from './capture.js';
import { fileHandleKind, fileKind, type Kind } from './state.js';
import type { Tally } from './tally.js';

/**
 * Tracked streams of one class in a pulse, while all of them end well. A WeakRef keeps its stream in memory until the
 * next major collection, and a stack interrupts optimized code: together they cost a busy service 100 µs, not the 20
 * they take.
 */
const trackedPerPulse = 10;
/** … of a class that makes more than `busy` in a pulse. */
const trackedOfBusy = 5;
const busy = 200;
/** … and once some of a class are held: a slow leak among many healthy ones needs a closer look. */
const suspectedPerPulse = 50;
/** Streams in a pulse that are only followed, where not all are tracked (survivors.ts). They cost next to nothing … */
const followedPerPulse = 100;
/** … and in a suspect class a stack. */
const followedOfSuspect = 200;
/** A class is suspect after this many survivors, each of which counts half after a minute. */
const minSurvivors = 3;
const forgottenPerPulse = 1 - 0.5 ** (1 / 60);
/**
 * Files have to be known one by one, because a descriptor that is left open is told apart by who else uses it. A class
 * that opens more in a pulse is not known in full whatever is spent on it, and is like any other.
 */
const filesPerPulse = 100;

/** What becomes of a stream besides being counted. */
export const notSampled = 0;
export const toTrack = 1;
const toFollow = 2;

const never = 2 ** 30;

let random = 0x2545f491;

/** A random gap with the mean `every`: a fixed one would always meet the same of two lines that take turns. */
function gap(every: number): number {
  if (every === 1) return 1;
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return 1 + ((random >>> 0) % (2 * every - 1));
}

export class StreamClass {
  readonly name: string;
  readonly kind: Kind;
  readonly tallies = new Map<Creator, Tally>();
  created = 0;
  #createdInPulse = 0;
  #trackedInPulse = 0;
  #perPulse: number;
  #every = 1;
  /** Creations until the next one is tracked. */
  #countdown = 1;
  #followedEvery = never;
  /** Creations until the next one is followed. */
  #followCountdown = never;
  #survivors = 0;
  #isSuspect = false;

  constructor(name: string, kind: Kind) {
    this.name = name;
    this.kind = kind;
    this.#perPulse = this.#budget();
  }

  /** Counts a creation. When that one is to be tracked, `weigh()` has to come next. */
  count(): typeof notSampled | typeof toTrack | typeof toFollow {
    this.created++;
    this.#createdInPulse++;
    if (--this.#countdown <= 0) return toTrack;
    if (--this.#followCountdown > 0) return notSampled;
    this.#followCountdown = gap(this.#followedEvery);
    return toFollow;
  }

  /** How many creations the tracked one stands for, and how many held ones if it is held. */
  weigh(): { readonly weight: number; readonly heldWeight: number } {
    const { heldWeight } = this;
    const weight = this.#every;
    // Bursts are bounded within the pulse too: each time that the budget is used up, three of four are left out.
    if (++this.#trackedInPulse % this.#perPulse === 0) this.#every *= 4;
    this.#countdown = gap(this.#every);
    return { weight, heldWeight };
  }

  /** One of the followed streams is still there, and should not be. */
  suspect(): void {
    this.#survivors++;
  }

  /** Whether followed streams are wanted with their line. The same throughout a pulse. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /**
   * How many held ones a held one stands for, which was created now. In a suspect class it is known of those that are
   * tracked and of those that are followed.
   */
  get heldWeight(): number {
    if (!this.#isSuspect || this.#followedEvery === never) return this.#every;
    const tracked = 1 / this.#every;
    return 1 / (tracked + (1 - tracked) / this.#followedEvery);
  }

  /** Adapts to how busy the class was. */
  pulse(): void {
    this.#survivors -= this.#survivors * forgottenPerPulse;
    this.#isSuspect = this.#survivors >= minSurvivors;
    if (this.#createdInPulse === 0 && this.#every === 1) return;
    this.#perPulse = this.#budget();
    // Not at once down to what a quiet second asks for, or each burst of a busy class would begin tracked in full.
    const every = Math.max(1, Math.ceil(this.#createdInPulse / this.#perPulse), this.#every >> 1);
    if (every < this.#every && this.#countdown > every) this.#countdown = gap(every);
    this.#every = every;
    const followed = this.#isSuspect ? followedOfSuspect : followedPerPulse;
    this.#followedEvery = every === 1 ? never : Math.max(1, Math.ceil(this.#createdInPulse / followed));
    this.#followCountdown = every === 1 ? never : gap(this.#followedEvery);
    this.#createdInPulse = this.#trackedInPulse = 0;
  }

  /** By what the tracked streams came to. */
  #budget(): number {
    const isFile = this.kind === fileKind || this.kind === fileHandleKind;
    if (isFile && this.#createdInPulse <= filesPerPulse) return filesPerPulse;
    for (const tally of this.tallies.values()) {
      if (tally.held > tally.harmless) return suspectedPerPulse;
    }
    return this.#createdInPulse > busy ? trackedOfBusy : trackedPerPulse;
  }
}
