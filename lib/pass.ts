/**
 * What the reader thread found, as named numbers. The addon fills one Float64Array in the order of its field table;
 * NaN there is "unknown".
 */
import type { Binding, PassNumbers } from './binding.js';

export type Pass = PassNumbers;

/**
 * A copy of the latest numbers, under their names. Names are getters on a class made once per reader: naming some fifty
 * numbers by filling an object would cost more than all the counters of V8 together.
 */
export class PassReader {
  readonly #binding: Binding;
  readonly #Named: new (
    numbers: Float64Array,
  ) => Pass;

  constructor(binding: Binding) {
    this.#binding = binding;
    class Named {
      readonly numbers: Float64Array;
      constructor(numbers: Float64Array) {
        this.numbers = numbers;
      }
    }
    binding.passFields.forEach((field, index) => {
      Object.defineProperty(Named.prototype, field, {
        get(this: Named) {
          return this.numbers[index];
        },
      });
    });
    this.#Named = Named as unknown as new (numbers: Float64Array) => Pass;
  }

  /** Never waits for a pass. */
  read(): Pass {
    const numbers = new Float64Array(this.#binding.passFields.length);
    this.#binding.read(numbers);
    return new this.#Named(numbers);
  }
}

/** NaN to `null`. */
export function known(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** The clock of the addon's timestamps: CLOCK_MONOTONIC in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
