/**
 * Which streams of busy classes stay: where only few are tracked, a slow leak would slip through.
 *
 * A larger random part of such a class is followed, by a weak reference that lets its stream die young: without a stack
 * that takes under a microsecond, and most are gone at the next look. Those that major collections leave open make their
 * class suspect. From then on the line is captured of those that are followed, and whoever stays of them is tracked.
 */
import type { Binding } from '../binding/binding.js';
import { loadNative } from '../binding/load.js';
import type { Population } from './population.js';
import { lookAt } from './state.js';
import type { StreamClass } from './stream-class.js';
import type { Tally } from './tally.js';

/** About 200 B each. */
const maxFollowed = 10_000;

interface Followed {
  readonly slot: number;
  readonly cls: StreamClass;
  /** Major collections at its creation. */
  readonly epoch: number;
  /** `null`: not captured. */
  readonly tally: Tally | null;
  readonly heldWeight: number;
  readonly born: number;
}

export class Survivors {
  readonly #binding: Binding | null = loadNative().binding;
  readonly #population: Population;
  #followed: Followed[] = [];

  constructor(population: Population) {
    this.#population = population;
  }

  add(object: object, cls: StreamClass, tally: Tally | null, now: number): void {
    if (this.#binding === null) return;
    const slot = this.#followed.length < maxFollowed ? this.#binding.weakAdd(object) : -1;
    if (slot === -1) {
      // Without a line nothing was to be said of it.
      if (tally !== null) this.#population.overflowed++;
      return;
    }
    const epoch = this.#population.collections;
    this.#followed.push({ slot, cls, epoch, tally, heldWeight: cls.heldWeight, born: now });
  }

  pulse(): void {
    const binding = this.#binding;
    if (binding === null) return;
    const left: Followed[] = [];
    for (const followed of this.#followed) {
      const object = binding.weakGet(followed.slot);
      if (object !== undefined && followed.epoch > this.#population.provenEpoch) {
        left.push(followed);
        continue;
      }
      binding.weakRemove(followed.slot);
      if (object !== undefined) this.#stays(object, followed);
    }
    this.#followed = left;
  }

  #stays(object: object, { cls, tally, heldWeight, born }: Followed): void {
    const look = lookAt(cls.kind, object);
    if (look === null || look.settled) return;
    // One that only waits for a silent peer may be of a pool.
    if (look.state !== 'waiting') cls.suspect();
    if (tally === null) return;
    this.#population.add(object, { kind: cls.kind, tally, weight: 0, heldWeight, born, ownsFile: false });
  }

  addTalliesTo(tallies: Set<Tally>): void {
    for (const { tally } of this.#followed) if (tally !== null) tallies.add(tally);
  }

  forget(): void {
    for (const { slot } of this.#followed) this.#binding?.weakRemove(slot);
    this.#followed = [];
  }
}
