/**
 * The running stack as V8 tells it, by the two settings of `Error` that everybody shares: they are ours for the one
 * capture, and then again what they were, whether the program set them, made accessors of them, or deleted them.
 */
import { ownOnly } from './own-only.js';

type Setting = 'stackTraceLimit' | 'prepareStackTrace';

/** Node's own hook would build a string; the frames themselves are three times cheaper. */
function keepFrames(_error: unknown, frames: readonly NodeJS.CallSite[]): readonly NodeJS.CallSite[] {
  return frames;
}

/** A plain property is assigned to, which is what most programs have, and cheaper; an accessor's setter is theirs. */
function put(setting: Setting, value: unknown, was: PropertyDescriptor | undefined): void {
  if (was?.writable === true) Reflect.set(Error, setting, value);
  else Object.defineProperty(Error, setting, ownOnly({ value, writable: true, enumerable: true, configurable: true }));
}

function putBack(setting: Setting, was: PropertyDescriptor | undefined): void {
  if (was?.writable === true) Reflect.set(Error, setting, was.value);
  else if (was === undefined) Reflect.deleteProperty(Error, setting);
  else Object.defineProperty(Error, setting, ownOnly(was));
}

/** At most `depth` frames below the function `cut`, or `null` when `Error` cannot be set (`--frozen-intrinsics`). */
export function callSites(cut: unknown, depth: number): readonly NodeJS.CallSite[] | null {
  const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  try {
    put('stackTraceLimit', depth, limit);
    put('prepareStackTrace', keepFrames, prepare);
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder, cut as () => void);
    return Array.isArray(holder.stack) ? holder.stack : null;
  } catch {
    return null;
  } finally {
    try {
      putBack('stackTraceLimit', limit);
      putBack('prepareStackTrace', prepare);
    } catch {
      // Frozen: nothing was changed either.
    }
  }
}
