/**
 * Numbers cross the border as rows of a Float64Array, in the order of a table of the addon. Here they get their names
 * back: as getters, for filling a new object with some fifty numbers would cost more than all the counters of V8.
 */

import { ownOnly } from '../own-only.js';

/** @returns an object whose names read the row that begins at `row.start`. */
function named<Numbers>(
  names: readonly (keyof Numbers)[],
  row: { readonly numbers: Float64Array; readonly start: number },
): Numbers {
  const found = {};
  names.forEach((name, index) => {
    Object.defineProperty(found, name, ownOnly({ get: () => row.numbers[row.start + index] }));
  });
  return found as Numbers;
}

/** One row that is read again and again. What `read()` returns is valid until the next one. */
export class FieldReader<Numbers> {
  readonly #names: readonly (keyof Numbers)[];
  readonly #numbers: Float64Array;
  /** Made for the first reading: it takes a millisecond, which a process that ends before should not pay. */
  #named: Numbers | null = null;
  readonly #copy: (into: Float64Array) => void;
  /** What follows the row, as of the last reading. */
  readonly unnamed: Float64Array;

  /**
   * @param copy lets the addon write the row.
   * @param unnamed so many numbers follow it, whose names are not known beforehand.
   */
  constructor(names: readonly (keyof Numbers)[], copy: (into: Float64Array) => void, unnamed = 0) {
    this.#names = names;
    this.#numbers = new Float64Array(names.length + unnamed);
    this.unnamed = this.#numbers.subarray(names.length);
    this.#copy = copy;
  }

  read(): Numbers {
    this.#copy(this.#numbers);
    this.#named ??= named(this.#names, { numbers: this.#numbers, start: 0 });
    return this.#named;
  }
}

/** Each row in turn, valid until the next one. */
export function* rowsOf<Numbers>(names: readonly (keyof Numbers)[], numbers: Float64Array): Generator<Numbers> {
  const row = { numbers, start: 0 };
  const current = named<Numbers>(names, row);
  for (; row.start + names.length <= numbers.length; row.start += names.length) yield current;
}

/** NaN to `null`. */
export function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
