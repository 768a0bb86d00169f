/**
 * Work that may be put down at each `yield` and taken up later. Who does it decides when: a live session in slices that
 * no request has to wait for (slices.ts), everybody else in one go. Either way the same steps in the same order.
 */
export type Work<Result> = Generator<void, Result, void>;

/** Does all of it, or all that is left of it. */
export function finish<Result>(work: Work<Result>): Result {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}
