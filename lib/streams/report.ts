/** What is said of streams: in a sample, in a report, and as one line for a person. */

import type { StreamsSample } from '../sample.js';
import type { StreamSite } from '../site.js';
import { formatBytes, formatCount, formatSpan, hourMs } from '../text.js';
import type { Details } from './population.js';
import type { Tally } from './tally.js';
import type { ListenerWarning } from './warnings.js';

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

const nothingOpen: Details = { states: new Map(), handles: new Map(), descriptors: 0, oldestMs: 0 };

/** One line that a person understands. */
function sentenceOf(tally: Tally, { states, handles, descriptors, oldestMs }: Details): string {
  const created = tally.site.ofProgram ? `created at ${tally.site.site}` : tally.site.site;
  const estimated = tally.createdVariance > 0 ? 'about ' : '';
  const parts: string[] = [];
  if (tally.open > 0) {
    const listed = [...states].sort(([, a], [, b]) => b - a).map(([state, count]) => `${count} ${state}`);
    const details = [`oldest ${formatSpan(oldestMs)}`];
    if (tally.bufferedBytes > 0) details.unshift(`${formatBytes(tally.bufferedBytes)} buffered`);
    if (descriptors > 0) details.push(formatCount(descriptors, 'open descriptor'));
    for (const [handle, count] of handles) details.push(formatCount(count, `${handle} handle`));
    parts.push(`${estimated}${tally.open} ${tally.className} not closed: ${listed.join(', ')} (${details.join(', ')})`);
  }
  if (tally.lost > 0) {
    const files = tally.lost === 1 ? 'its file is' : 'their files are';
    parts.push(`${tally.lost} ${tally.className} collected without being destroyed, ${files} still open`);
  }
  if (tally.unclosed > 0) {
    const whose = tally.unclosed === 1 ? 'its' : 'their';
    parts.push(
      `${estimated}${tally.unclosed} ${tally.className} never closed, ${whose} memory outside the heap was left to the garbage collector`,
    );
  }
  const dropped = tally.dropped - tally.lost - tally.unclosed;
  if (dropped > 0) parts.push(`${estimated}${dropped} ${tally.className} dropped before they ended, and collected`);
  if (parts.length === 0) parts.push(`${estimated}${tally.created} ${tally.className}, none left open`);
  return `${parts.join('; ')}; ${created}`;
}

/** @param details of its open streams, if it has some. */
export function describeTally(tally: Tally, details: Details = nothingOpen, intervalMs: number): StreamSite {
  return {
    className: tally.className,
    site: tally.site.site,
    frames: tally.site.frames,
    module: tally.site.module,
    created: tally.created,
    createdError: errorOf(tally.createdVariance),
    open: tally.open,
    openError: errorOf(tally.openVariance),
    idle: tally.idle,
    held: tally.held,
    lost: tally.lost,
    dropped: tally.dropped,
    unclosed: tally.unclosed,
    bufferedBytes: tally.bufferedBytes,
    descriptors: details.descriptors + tally.lost,
    oldestMs: details.oldestMs,
    states: Object.fromEntries(details.states),
    handles: Object.fromEntries(details.handles),
    growing: tally.leaks || tally.litters,
    perHour: Math.round((tally.perSample * hourMs) / intervalMs),
    sentence: sentenceOf(tally, details),
  };
}
