/**
 * What the reader thread found, as named numbers. The addon fills one Float64Array in the order of its field table;
 * NaN there is "unknown".
 */
import type { Binding, PassNumbers } from './binding.js';

export type Pass = PassNumbers;

/**
 * The latest numbers under their names. Names are getters on one object per reader: filling a new object with some
 * fifty numbers would cost more than all the counters of V8 together. A Pass is thus valid until the next `read()`.
 */
export class PassReader {
  readonly #binding: Binding;
  readonly #numbers: Float64Array;
  readonly #pass: Pass;

  constructor(binding: Binding) {
    const numbers = new Float64Array(binding.passFields.length);
    const pass = {};
    binding.passFields.forEach((field, index) => {
      Object.defineProperty(pass, field, { get: () => numbers[index] });
    });
    this.#binding = binding;
    this.#numbers = numbers;
    this.#pass = pass as Pass;
  }

  /** Copies the numbers out of the addon; never waits for a pass. */
  read(): Pass {
    this.#binding.read(this.#numbers);
    return this.#pass;
  }
}

/** NaN to `null`. */
export function known(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** performance.now() runs on the same clock from another origin, and is read without a BigInt. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The clock of the addon's timestamps: CLOCK_MONOTONIC in milliseconds. */
export function monotonicMs(): number {
  return originMs + performance.now();
}
