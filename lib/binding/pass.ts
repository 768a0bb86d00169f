/** What the reader thread found, and the clock of its timestamps. */
import type { PassNumbers } from './binding.js';

/** NaN is "unknown". Valid until the next one is read. */
export type Pass = PassNumbers;

/** performance.now() runs on the same clock from another origin, and is read without a BigInt. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The clock of the addon's timestamps: CLOCK_MONOTONIC in milliseconds. */
export function monotonicMs(): number {
  return originMs + performance.now();
}
