/**
 * The words of a verdict, for a reader who was woken by it: what, how fast, since when, who; then one thing to do.
 * Prose only; whatever decides stands in verdicts.ts.
 */

import type { Suspect } from '../site.js';
import { formatBytes, formatPercent, formatSpan, hourMs } from '../text.js';
import type { Trend } from './growth.js';
import { numberAt } from './row.js';
import type { Rule, VerdictId } from './rules.js';
import type { Reason } from './verdicts.js';

/** What a sentence is made of. */
export interface Words {
  readonly rule: Rule;
  readonly reason: Reason;
  /** Growth of the class, or of the count. */
  readonly trend: Trend | null;
  readonly sinceMs: number | null;
  readonly shares: Readonly<Record<string, number>>;
  readonly suspects: readonly Suspect[];
  readonly etaMs: readonly [number, number] | null;
  /** The newest sample, for what only it can tell. */
  readonly sample: unknown;
  /** Rows seen and rows needed. */
  readonly progress: { readonly rows: number; readonly needed: number };
  /** Why the allocator's counters are missing, or `null`. */
  readonly mallocStopped: string | null;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** `14:02 UTC`, with the date when it matters. */
function clock(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? 'an unknown time' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

const rate = (bytesPerMs: number) => `${formatBytes(bytesPerMs * hourMs)}/h`;

function growth({ rule, trend, sinceMs, shares, suspects, etaMs, sample }: Words): string {
  const parts: string[] = [];
  const since = sinceMs === null ? '' : ` since ${clock(sinceMs)}`;
  if (trend === null) parts.push(`${capital(rule.noun)} grows${since}`);
  else if (rule.kind === 'count') {
    const perHour = Math.round(trend.slope * hourMs);
    parts.push(`${capital(rule.noun)} grows by ${perHour} an hour${since}, now ${Math.round(trend.end)}`);
  } else {
    parts.push(
      `${capital(rule.noun)} grows by ${rate(trend.slope)} (${rate(trend.low)} to ${rate(trend.high)})${since}`,
    );
  }
  if (rule.kind === 'class' && shares[rule.series] !== undefined) {
    parts.push(`${formatPercent(shares[rule.series] ?? 0)} of the growth of RSS`);
  } else if (rule.kind === 'mixed') {
    const list = Object.entries(shares).map(([name, share]) => `${name} ${formatPercent(share)}`);
    parts.push(`divided among ${list.length > 0 ? list.join(', ') : 'classes that are unknown here'}`);
  }
  if (rule.id === 'retained') parts.push(reclaimable(sample));
  const [first] = suspects;
  if (first !== undefined) {
    parts.push(`first suspect ${first.site}${first.module === null ? '' : ` in ${first.module}`}`);
  }
  const limit =
    etaMs === null ? '' : ` The memory limit is reached in ${formatSpan(etaMs[0])} to ${formatSpan(etaMs[1])}.`;
  return `${parts.join(', ')}.${limit}`;
}

function reclaimable(sample: unknown): string {
  const retained = numberAt(sample, 'malloc', 'retainedBytes');
  const bytes = numberAt(sample, 'malloc', 'reclaimableBytes');
  if (Number.isNaN(retained)) return 'how much is unknown';
  const now = `now ${formatBytes(retained)}`;
  return Number.isNaN(bytes) ? now : `${now}, of which a trim would give back about ${formatBytes(bytes)}`;
}

/** Sentences of states other than found, by reason. */
const other: Record<Exclude<Reason, 'growing'>, (words: Words) => string> = {
  level: ({ rule }) => `${capital(rule.noun)} does not grow.`,
  elsewhere: ({ rule }) => `RSS grows, but not by ${rule.noun}.`,
  'too-few-samples': ({ rule, progress }) =>
    `Nothing can be said of ${rule.noun} yet: ${progress.rows} of the ${progress.needed} samples that a judgement needs.`,
  confirming: ({ rule }) => `${capital(rule.noun)} rises, but not for long enough to call it growth.`,
  'signal-missing': ({ rule, mallocStopped }) =>
    `Nothing can be said of ${rule.noun}: missing is ${rule.missing}${mallocStopped === null ? '' : ` (${mallocStopped})`}.`,
  garbage: ({ rule }) =>
    `${capital(rule.noun)} grows between major collections, but what survives them does not: garbage, not a leak.`,
  'no-collection': ({ rule }) =>
    `${capital(rule.noun)} grows, but no major collection has shown yet what of it survives: missing is one or two of them.`,
  'page-cache': () =>
    'RSS grows by mapped files. Their pages are page cache: the kernel drops them when it needs memory, this is no leak.',
  'under-threads': ({ rule }) => `${capital(rule.noun)} cannot be judged while the number of threads grows.`,
  load: ({ rule }) => `${capital(rule.noun)} rises, but so does the load: missing is a time of level load.`,
  peak: ({ rule }) => `${capital(rule.noun)} rises, but RSS is below what the process held for long before.`,
};

export function sentenceOf(words: Words): string {
  return words.reason === 'growing' ? growth(words) : other[words.reason](words);
}

/** One action for an id that is found. */
const actions: Record<VerdictId, (words: Words) => string> = {
  'js-heap': ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: what keeps its objects reachable? If that does not tell, compare two heap snapshots.`
      : 'Compare two heap snapshots taken ten minutes apart, on an instance without traffic limits close by.',
  'array-buffers': ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: who keeps these Buffers, or small slices of them?`
      : 'Look for Buffers kept in maps, slices of large Buffers, and bodies or Blobs that are never consumed.',
  external: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: is what it creates closed or released?`
      : 'Look for zlib streams that are never closed, and for addon objects and long latin1 strings that are kept.',
  native: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: is what it creates closed or released?`
      : 'Switch native profiling on (EXTMEM_SAMPLE_BYTES=512KiB) to see which line allocates.',
  retained: (words) => remedy(words.sample),
  wasm: () =>
    'Look for WebAssembly.Memory objects that grow or are created again and again; their memory never shrinks.',
  mmap: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: is what it maps unmapped?`
      : 'Find the addon that maps this memory or embeds an allocator; trimming the C heap has no effect on it.',
  workers: () => 'Find where workers are started and terminate or reuse them; a pool bounds their number.',
  threads: () => 'Find which addon or library starts threads; a pool with a fixed size bounds their number.',
  files: () => 'Nothing.',
  mixed: ({ shares }) =>
    `Start with ${Object.keys(shares)[0] ?? 'the ledger'}, the largest share; look for one cause that has several kinds of memory.`,
  streams: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: consume or destroy() these streams, also when something fails.`
      : 'Consume or destroy() each stream, also when something fails; stream.pipeline() does it for you.',
  fds: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: destroy() or close what it opens, also when something fails.`
      : 'List /proc/PID/fd to see of which kind they are; close files, sockets and pipes on every path, errors included.',
  timers: () =>
    'Find setInterval() and setTimeout() calls without a clear on every path; each keeps what its callback uses.',
  contexts: ({ suspects }) =>
    suspects.length > 0
      ? `Read ${suspects[0]?.site}: what keeps referring to the contexts it creates?`
      : 'Look for vm contexts, test environments or windows that are created again and again and stay referred to.',
};

/** What helps against memory that an allocator keeps depends on where the holes are. */
function remedy(sample: unknown): string {
  const retained = numberAt(sample, 'malloc', 'retainedBytes');
  const givable = numberAt(sample, 'malloc', 'reclaimableBytes');
  const arenas = numberAt(sample, 'ledger', 'malloc', 'arenaBytes');
  const main = numberAt(sample, 'ledger', 'malloc', 'brkBytes');
  if (arenas > main)
    return 'Set MALLOC_ARENA_MAX=2 and restart: most of it lies in the arenas of threads. Fewer threads help too.';
  if (givable >= retained / 2) {
    return 'Nothing is leaked: a malloc_trim would return most of it. If the container needs it back, preload jemalloc.';
  }
  return 'Preload another allocator such as jemalloc: the holes are too small to give back, a trim would not help.';
}

/** What to do about a state that is not found; one action here too. */
const otherActions: Partial<Record<Reason, string>> = {
  'too-few-samples': 'Wait.',
  confirming: 'Wait for the next evaluations.',
  'signal-missing': 'Run extmem doctor to see what is missing here and why.',
  'no-collection': 'Wait for a major collection, or cause one on an instance that you can spare.',
  load: 'Wait until the load is level, or compare the same hour of two days.',
  peak: 'Wait: growth beyond the earlier level will be judged.',
  'under-threads': 'Bring the number of threads to a standstill first.',
};

export function nextOf(words: Words): string {
  if (words.reason === 'growing') return actions[words.rule.id as VerdictId](words);
  return otherActions[words.reason] ?? 'Nothing.';
}
