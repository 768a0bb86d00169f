/**
 * The ids of verdicts: what each is about, which signal it needs, and in which order they take precedence. Data only;
 * verdicts.ts decides by it.
 */
import type { RssClass, SeriesName } from './row.js';
import type { Source } from './suspects.js';

interface RuleBase {
  readonly id: string;
  /** What grows, as the subject of a sentence. */
  readonly noun: string;
  /** Said when the signal is unknown throughout. */
  readonly missing: string;
  /** Whose sites tell the culprit; `null` where nobody's do. */
  readonly suspects: Source | null;
}

/** A part of RSS. */
export interface ClassRule extends RuleBase {
  readonly kind: 'class';
  readonly series: RssClass;
  /**
   * The series in which this class is judged by itself, where RSS as a whole hides it: what survives collections first.
   * Files and stacks are of interest only as parts of RSS.
   */
  readonly own: readonly SeriesName[];
  /** Workers and threads carry such memory themselves, so that their growth explains it. */
  readonly underThreads: boolean;
}

/** Something countable, beside RSS or carrying a part of it. */
export interface CountRule extends RuleBase {
  readonly kind: 'count';
  readonly series: SeriesName;
  /** The rise that pools and keep-alive connections stay under once they are warm: a number, and a part of the level. */
  readonly floor: number;
  readonly ratio: number;
  /** Whether RSS is what one loses by it. */
  readonly carriesRss: boolean;
}

/** RSS grows, and no class carries half of it. */
export interface MixedRule extends RuleBase {
  readonly kind: 'mixed';
}

export type Rule = ClassRule | CountRule | MixedRule;

const noLedger = 'the ledger of resident memory, which needs the addon and /proc/self/smaps';
const noAllocator = 'the counters of the C allocator';

/**
 * In order of precedence. More workers or threads explain growth of the JS heap, of malloc in use and of what the
 * allocator keeps, since each brings its own heap and arena; so they come first. Buffers, external and mapped memory
 * are counted for the sampling isolate or by name, and stand beside them.
 */
export const rules = [
  {
    id: 'workers',
    kind: 'count',
    series: 'workerCount',
    floor: 3,
    ratio: 0.05,
    carriesRss: true,
    noun: 'the number of worker threads',
    suspects: null,
    missing: 'a count of worker threads',
  },
  {
    id: 'threads',
    kind: 'count',
    series: 'threadCount',
    floor: 3,
    ratio: 0.05,
    carriesRss: true,
    noun: 'the number of threads',
    suspects: null,
    missing: 'a count of threads, which needs /proc/self/status',
  },
  {
    id: 'js-heap',
    kind: 'class',
    series: 'js-heap',
    own: ['oldHeapAfterGc', 'oldHeap', 'usedHeap'],
    underThreads: true,
    noun: 'the JavaScript heap',
    suspects: 'js-heap',
    missing: noLedger,
  },
  {
    id: 'array-buffers',
    kind: 'class',
    series: 'array-buffers',
    own: ['array-buffers'],
    underThreads: false,
    noun: 'memory of Buffers and ArrayBuffers',
    suspects: 'native',
    missing: noLedger,
  },
  {
    id: 'external',
    kind: 'class',
    series: 'external',
    own: ['external'],
    underThreads: false,
    noun: 'external memory (declared by addons and Node, external strings)',
    suspects: 'native',
    missing: noLedger,
  },
  {
    id: 'native',
    kind: 'class',
    series: 'native',
    own: ['native'],
    underThreads: true,
    noun: 'native memory (malloc in use that V8 does not know of)',
    suspects: 'native',
    missing: noAllocator,
  },
  {
    id: 'retained',
    kind: 'class',
    series: 'retained',
    own: ['retained'],
    underThreads: true,
    noun: 'memory that was freed but is kept by the C allocator',
    suspects: null,
    missing: noAllocator,
  },
  {
    id: 'wasm',
    kind: 'class',
    series: 'wasm',
    own: ['wasm'],
    underThreads: false,
    noun: 'memory of WebAssembly',
    suspects: 'native',
    missing: noLedger,
  },
  {
    id: 'mmap',
    kind: 'class',
    series: 'mmap',
    own: ['mmap'],
    underThreads: false,
    noun: 'memory mapped by addons or by allocators of their own',
    suspects: 'native',
    missing: noLedger,
  },
  {
    id: 'files',
    kind: 'class',
    series: 'files',
    own: [],
    underThreads: false,
    noun: 'memory of mapped files',
    suspects: null,
    missing: noLedger,
  },
  { id: 'mixed', kind: 'mixed', noun: 'RSS', suspects: 'native', missing: 'RSS' },
  {
    id: 'streams',
    kind: 'count',
    series: 'streams',
    floor: 10,
    ratio: 0.1,
    carriesRss: false,
    noun: 'the number of idle streams that were never destroyed',
    suspects: 'streams',
    missing: 'stream tracking, which is off',
  },
  {
    id: 'fds',
    kind: 'count',
    series: 'fds',
    floor: 10,
    ratio: 0.1,
    carriesRss: false,
    noun: 'the number of open file descriptors',
    suspects: 'streams',
    missing: 'a count of file descriptors, which needs /proc/self/fd',
  },
  {
    id: 'timers',
    kind: 'count',
    series: 'timers',
    floor: 20,
    ratio: 0.1,
    carriesRss: false,
    noun: 'the number of active timers',
    suspects: null,
    missing: 'a count of active timers',
  },
  {
    id: 'contexts',
    kind: 'count',
    series: 'contexts',
    floor: 3,
    ratio: 0.5,
    carriesRss: false,
    noun: 'the number of V8 contexts',
    suspects: 'js-heap',
    missing: 'V8 heap statistics',
  },
] as const satisfies readonly Rule[];

type Rules = (typeof rules)[number];
export type VerdictId = (typeof rules)[number]['id'];
export type OwnSeries = Extract<Rules, { kind: 'class' }>['own'][number];
export type CountSeries = Extract<Rules, { kind: 'count' }>['series'];
export const verdictIds: readonly VerdictId[] = rules.map((rule) => rule.id);
