/**
 * The public API. ESM imports re-export this very file, so that both module systems share one session.
 *
 * Every child process inherits the preload, and most do next to nothing. So what is imported here, and by what is imported
 * here, is what a session needs to begin; the rest is required where it is first needed, after the first turn of the event
 * loop, and lies in files of its own (scripts/finish-lib.mjs).
 */

import { loadNative } from './binding/load.js';
import type { Comparison } from './compare.js';
import type { DoctorReport } from './doctor.js';
import { ExtmemError } from './errors.js';
import { type Options, resolveOptions } from './options.js';
import { version } from './package.js';
import { watchLimit } from './process/limit.js';
import { findRunning, letBeFound, type Running } from './running.js';
import type { Sample } from './sample.js';
import type { Sampler } from './sampler.js';
import { Session } from './session.js';

export type { Capabilities } from './capabilities.js';
export type { Change, Comparison } from './compare.js';
export type { Advice, DoctorReport } from './doctor.js';
export type { ErrorCode } from './errors.js';
export type { Alert } from './judge/alerts.js';
export type { VerdictId } from './judge/rules.js';
export type { Excuse } from './judge/track.js';
export type { Evidence, Reason, Verdict, VerdictState } from './judge/verdicts.js';
export type {
  AlertRecord,
  LineRecord,
  SampleRecord,
  StartRecord,
  StopRecord,
  VerdictRecord,
} from './log/line.js';
export type { Destination, Logger, Options } from './options.js';
export type { NativeProfile } from './profile/reader.js';
export type { NativeSite } from './profile/sites.js';
export type * from './sample.js';
export type { SessionEvents } from './session.js';
export type { Frame, Place, Site, SiteHeap, StreamSite, StreamState, Suspect } from './site.js';
export type { StreamsReport } from './streams/report.js';
export type { ListenerWarning } from './streams/warnings.js';
export type { Session };
export { ExtmemError };

let lone: Sampler | null = null;
/** A typo in the environment is worth one warning, however often a session starts. */
const warned = new Set<string>();

/**
 * Starts sampling this process, or joins the session of the process when called in another isolate.
 * Without options, a second call returns the running session.
 *
 * @throws ExtmemError `ERR_EXTMEM_OPTION_UNKNOWN`, `ERR_EXTMEM_OPTION_INVALID`, `ERR_EXTMEM_DESTINATION`, and
 * `ERR_EXTMEM_RUNNING` when options are given while a session runs, or another version of extmem runs one. Malformed
 * `EXTMEM_*` variables only warn.
 */
export function start(options?: Options): Session;
/** @internal `preloaded`, see Session; for the preload only. */
export function start(options: Options | undefined, preloaded: boolean): Session;
export function start(options?: Options, preloaded = false): Session {
  const running = findRunning();
  if (running !== null) return join(running, options);
  const resolution = resolveOptions(options);
  for (const problem of resolution.problems) {
    if (warned.has(problem.message)) continue;
    warned.add(problem.message);
    process.emitWarning(problem.message, { type: 'ExtmemWarning', code: problem.code });
  }
  let stopBeingFound = () => {};
  const session = new Session(resolution.options, loadNative(), preloaded, () => stopBeingFound());
  stopBeingFound = letBeFound(session);
  return session;
}

/** Whoever asked for nothing in particular gets what runs; a session of another version may lack what the caller calls. */
function join({ session, version: theirs, packageRoot }: Running, options: Options | undefined): Session {
  if (theirs !== version) {
    throw new ExtmemError(
      'ERR_EXTMEM_RUNNING',
      `Expected no running session, received one of extmem ${theirs} in ${packageRoot} while this is ${version}; use one version in a process.`,
    );
  }
  if (options === undefined) return session;
  throw new ExtmemError(
    'ERR_EXTMEM_RUNNING',
    'Expected no running session, received options while one runs; call stop() on it first, or start() without options to get it.',
  );
}

/**
 * One sample, now, on the calling thread: about 12 ms per GiB of RSS. Needs no session and writes nothing.
 * `v8.gc` is `null`: collections are counted by sessions only.
 */
export function snapshot(): Sample {
  if (lone === null) {
    const { Sampler } = require('./sampler.js') as typeof import('./sampler.js');
    const { binding } = loadNative();
    lone = new Sampler(binding, watchLimit(binding), null, null);
  }
  return lone.takeNow();
}

/** What changed between two samples of one process, the largest first. */
export function compare(before: Sample, after: Sample): Comparison {
  return (require('./compare.js') as typeof import('./compare.js')).compare(before, after);
}

/** What works in this process and why the rest does not, with advice on its configuration. */
export function doctor(): DoctorReport {
  return (require('./doctor.js') as typeof import('./doctor.js')).doctor();
}
