/**
 * One class of streams, and which of its streams are tracked: in quiet classes all, in busy ones a random part, so that
 * one tracked stream stands for `every` others. Of a busy class, a larger part is followed.
 */

import type { Creator } from './capture.js';
import { fileHandleKind, fileKind, type Kind } from './state.js';
import type { Tally } from './tally.js';

/** A class that makes no more than these in a pulse is tracked in full. */
const trackedInFull = 10;
/**
 * Tracked streams in a pulse of all busier classes together, while all of them end well, and the least of each class.
 * What is done this rarely finds nothing in the caches and is never optimized: in a busy service a stack and its first
 * look take 150 µs, not the 20 they take in a loop.
 */
const trackedPerPulse = 8;
const leastTracked = 2;
/** … and of a class once some of it are held: a slow leak among many healthy ones needs a closer look. */
const suspectedPerPulse = 50;
/** Streams in a pulse that are only followed (survivors.ts), of all busier classes together. They cost 3 to 10 µs … */
const followedPerPulse = 100;
/** … less when the one before has just been followed too, so they are in runs … */
const followedInRun = 8;
/** … and of a suspect class each takes a stack. */
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
  /** Tracked ones in this pulse at which the next budget is used up. */
  #limit: number;
  #every = 1;
  /** Creations until the next one is tracked. */
  #countdown = 1;
  #followedEvery = never;
  /** Creations until the next one is followed. */
  #followCountdown = never;
  /** How many of the run are to come. */
  #run = followedInRun;
  #survivors = 0;
  #isSuspect = false;

  constructor(name: string, kind: Kind) {
    this.name = name;
    this.kind = kind;
    this.#perPulse = this.#limit = this.#isFile ? filesPerPulse : trackedInFull;
  }

  /** Counts a creation. When that one is to be tracked, `weigh()` has to come next. */
  count(): typeof notSampled | typeof toTrack | typeof toFollow {
    this.created++;
    this.#createdInPulse++;
    if (--this.#countdown <= 0) return toTrack;
    if (--this.#followCountdown > 0) return notSampled;
    if (--this.#run > 0) this.#followCountdown = 1;
    else this.#beginRun();
    return toFollow;
  }

  /** How many creations the tracked one stands for, and how many held ones if it is held. */
  weigh(): { readonly weight: number; readonly heldWeight: number } {
    const { heldWeight } = this;
    const weight = this.#every;
    // Bursts are bounded within the pulse too: each time that a budget is used up, three of four are left out.
    if (++this.#trackedInPulse === this.#limit) {
      this.#every *= 4;
      this.#limit += leastTracked;
    }
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

  /** Whether it made too many since the last pulse to be tracked in full. */
  get isBusy(): boolean {
    return this.#createdInPulse > trackedInFull;
  }

  #beginRun(): void {
    this.#run = followedInRun;
    // The others of the run take its end nearer.
    this.#followCountdown = gap(followedInRun * this.#followedEvery - followedInRun + 1);
  }

  /** Adapts to how busy the class was, as one of `sharers` that are. */
  pulse(sharers: number): void {
    this.#survivors -= this.#survivors * forgottenPerPulse;
    this.#isSuspect = this.#survivors >= minSurvivors;
    if (this.#createdInPulse === 0 && this.#every === 1) return;
    this.#perPulse = this.#limit = this.#budget(sharers);
    // Not at once down to what a quiet second asks for, or each burst of a busy class would begin tracked in full.
    const every = Math.max(1, Math.ceil(this.#createdInPulse / this.#perPulse), this.#every >> 1);
    if (every < this.#every && this.#countdown > every) this.#countdown = gap(every);
    this.#every = every;
    if (every === 1) this.#followedEvery = this.#followCountdown = never;
    else {
      const followed = this.#isSuspect ? followedOfSuspect : followedPerPulse / sharers;
      this.#followedEvery = Math.max(1, Math.ceil(this.#createdInPulse / followed));
      this.#beginRun();
    }
    this.#createdInPulse = this.#trackedInPulse = 0;
  }

  /** By what the tracked streams came to. */
  #budget(sharers: number): number {
    if (this.#isFile && this.#createdInPulse <= filesPerPulse) return filesPerPulse;
    if (!this.isBusy) return trackedInFull;
    for (const tally of this.tallies.values()) {
      if (tally.held > tally.harmless) return suspectedPerPulse;
    }
    return Math.max(leastTracked, Math.floor(trackedPerPulse / sharers));
  }

  get #isFile(): boolean {
    return this.kind === fileKind || this.kind === fileHandleKind;
  }
}
