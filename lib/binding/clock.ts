/** The clock of the addon's timestamps, CLOCK_MONOTONIC in milliseconds, and how old they are. */

/** performance.now() runs on the same clock from another origin, and is read without a BigInt. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function monotonicMs(): number {
  return originMs + performance.now();
}

/** Whole milliseconds from `atMs` to `nowMs`; NaN when `atMs` is unknown. */
export function ageMs(atMs: number, nowMs: number): number {
  return Math.max(0, Math.round(nowMs - atMs));
}
