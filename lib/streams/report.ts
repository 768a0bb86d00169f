/** What is said of streams: in a sample, in a report, and as one line for a person. */

import type { StreamFrame } from './capture.js';
import type { Details } from './population.js';
import type { StreamState } from './state.js';
import type { Row } from './tally.js';
import type { ListenerWarning } from './warnings.js';

/** Streams of one class that one line of code created. Counts are estimates where `createdError` is not 0. */
export interface StreamSite {
  readonly className: string;
  /** `function (file:line:column)`. */
  readonly site: string;
  readonly frames: readonly StreamFrame[];
  /** Package of the innermost frame, or `null` for the application. */
  readonly module: string | null;
  /** Since the session began. Errors are half the width of a 95 % interval. */
  readonly created: number;
  readonly createdError: number;
  /** Not closed when they were last looked at. */
  readonly open: number;
  readonly openError: number;
  /** Of these, unchanged for three intervals. */
  readonly idle: number;
  /** Of these, certainly kept by something: they survived major collections, or an open handle refers to them. */
  readonly held: number;
  /** Collected without being destroyed, while their descriptor is verified to be still open. */
  readonly lost: number;
  /** Collected before it had ended or was destroyed: careless, but its memory is free again. */
  readonly dropped: number;
  /** Collected without being closed: memory outside the heap, of zlib, that only the garbage collector released. */
  readonly unclosed: number;
  readonly bufferedBytes: number;
  readonly descriptors: number;
  readonly oldestMs: number;
  readonly states: Readonly<Partial<Record<StreamState, number>>>;
  readonly handles: Readonly<Record<string, number>>;
  /** `held` and `lost` keep rising, or `unclosed` does, without slowing down. */
  readonly growing: boolean;
  readonly perHour: number;
  readonly sentence: string;
}

/** The `streams` part of a sample. */
export interface StreamsSample {
  /** Exact, since the session began. */
  readonly created: number;
  readonly open: number;
  readonly openError: number;
  readonly held: number;
  /** The held ones that do not merely wait for a silent peer, and the lost ones: what the verdict `streams` goes by. */
  readonly idle: number;
  /** Idle, but not proven to be held: no two major collections came since. */
  readonly unproven: number;
  readonly lost: number;
  readonly bufferedBytes: number;
  /** Major collections seen since the session began. */
  readonly collections: number;
  /** Streams under observation. In busy classes one of these stands for many. */
  readonly tracked: number;
  /** Streams and sites that did not fit into the tables. Above 0, the figures are lower bounds. */
  readonly overflowed: number;
  /** Sites whose forgotten streams keep rising, at most 10: first those that hold them, the fastest first. */
  readonly suspects: readonly StreamSite[];
}

/** All that is known, on request. */
export interface StreamsReport extends Omit<StreamsSample, 'suspects'> {
  /** The most held first. */
  readonly sites: readonly StreamSite[];
  readonly listenerWarnings: readonly ListenerWarning[];
  /** What cannot be seen here, one sentence each. */
  readonly missing: readonly string[];
}

const z95 = 1.96;

/** Half the width of a 95 % interval. */
export function errorOf(variance: number): number {
  return Math.round(z95 * Math.sqrt(variance));
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function duration(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

function bytes(count: number): string {
  if (count < 10_000) return `${count} B`;
  return count < 10_000_000 ? `${Math.round(count / 1000)} KB` : `${Math.round(count / 1e6)} MB`;
}

const nothingOpen: Details = { states: new Map(), handles: new Map(), descriptors: 0, oldestMs: 0 };

/** One line that a person understands. */
function sentenceOf(row: Row, { states, handles, descriptors, oldestMs }: Details): string {
  const created = row.site.ofProgram ? `created at ${row.site.site}` : row.site.site;
  const estimated = row.createdVariance > 0 ? 'about ' : '';
  const parts: string[] = [];
  if (row.open > 0) {
    const listed = [...states].sort(([, a], [, b]) => b - a).map(([state, count]) => `${count} ${state}`);
    const details = [`oldest ${duration(oldestMs)}`];
    if (row.bufferedBytes > 0) details.unshift(`${bytes(row.bufferedBytes)} buffered`);
    if (descriptors > 0) details.push(plural(descriptors, 'open descriptor'));
    for (const [handle, count] of handles) details.push(plural(count, `${handle} handle`));
    parts.push(`${estimated}${row.open} ${row.className} not closed: ${listed.join(', ')} (${details.join(', ')})`);
  }
  if (row.lost > 0) {
    const files = row.lost === 1 ? 'its file is' : 'their files are';
    parts.push(`${row.lost} ${row.className} collected without being destroyed, ${files} still open`);
  }
  if (row.unclosed > 0) {
    const whose = row.unclosed === 1 ? 'its' : 'their';
    parts.push(
      `${estimated}${row.unclosed} ${row.className} never closed, ${whose} memory outside the heap was left to the garbage collector`,
    );
  }
  const dropped = row.dropped - row.lost - row.unclosed;
  if (dropped > 0) parts.push(`${estimated}${dropped} ${row.className} dropped before they ended, and collected`);
  if (parts.length === 0) parts.push(`${estimated}${row.created} ${row.className}, none left open`);
  return `${parts.join('; ')}; ${created}`;
}

/** @param details of its open streams, if it has some. */
export function describeRow(row: Row, details: Details = nothingOpen, intervalMs: number): StreamSite {
  return {
    className: row.className,
    site: row.site.site,
    frames: row.site.frames,
    module: row.site.module,
    created: row.created,
    createdError: errorOf(row.createdVariance),
    open: row.open,
    openError: errorOf(row.openVariance),
    idle: row.idle,
    held: row.held,
    lost: row.lost,
    dropped: row.dropped,
    unclosed: row.unclosed,
    bufferedBytes: row.bufferedBytes,
    descriptors: details.descriptors + row.lost,
    oldestMs: details.oldestMs,
    states: Object.fromEntries(details.states),
    handles: Object.fromEntries(details.handles),
    growing: row.leaks || row.litters,
    perHour: Math.round((row.perSample * 3_600_000) / intervalMs),
    sentence: sentenceOf(row, details),
  };
}
