/**
 * The ids of verdicts: what each is about, which signal it needs, and in which order they take precedence. Data only;
 * verdicts.ts decides by it.
 */
import type { RssClass } from './numbers.js';
import type { CountMetric } from './scope.js';

interface RuleBase {
  readonly id: string;
  /** What grows, as the subject of a sentence. */
  readonly noun: string;
  /** Said when the signal is unknown throughout. */
  readonly missing: string;
}

/** A part of RSS. */
export interface ClassRule extends RuleBase {
  readonly kind: 'class';
  readonly metric: RssClass;
  /** Workers and threads carry such memory themselves, so that their growth explains it. */
  readonly underThreads: boolean;
}

/** Something countable, beside RSS or carrying a part of it. */
export interface CountRule extends RuleBase {
  readonly kind: 'count';
  readonly metric: CountMetric;
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
    metric: 'workerCount',
    carriesRss: true,
    noun: 'the number of worker threads',
    missing: 'a count of worker threads',
  },
  {
    id: 'threads',
    kind: 'count',
    metric: 'threadCount',
    carriesRss: true,
    noun: 'the number of threads',
    missing: 'a count of threads, which needs /proc/self/status',
  },
  {
    id: 'js-heap',
    kind: 'class',
    metric: 'js-heap',
    underThreads: true,
    noun: 'the JavaScript heap',
    missing: noLedger,
  },
  {
    id: 'array-buffers',
    kind: 'class',
    metric: 'array-buffers',
    underThreads: false,
    noun: 'memory of Buffers and ArrayBuffers',
    missing: noLedger,
  },
  {
    id: 'external',
    kind: 'class',
    metric: 'external',
    underThreads: false,
    noun: 'external memory (declared by addons and Node, external strings)',
    missing: noLedger,
  },
  {
    id: 'native',
    kind: 'class',
    metric: 'native',
    underThreads: true,
    noun: 'native memory (malloc in use that V8 does not know of)',
    missing: noAllocator,
  },
  {
    id: 'retained',
    kind: 'class',
    metric: 'retained',
    underThreads: true,
    noun: 'memory that was freed but is kept by the C allocator',
    missing: noAllocator,
  },
  {
    id: 'wasm',
    kind: 'class',
    metric: 'wasm',
    underThreads: false,
    noun: 'memory of WebAssembly',
    missing: noLedger,
  },
  {
    id: 'mmap',
    kind: 'class',
    metric: 'mmap',
    underThreads: false,
    noun: 'memory mapped by addons or by allocators of their own',
    missing: noLedger,
  },
  {
    id: 'files',
    kind: 'class',
    metric: 'files',
    underThreads: false,
    noun: 'memory of mapped files',
    missing: noLedger,
  },
  { id: 'mixed', kind: 'mixed', noun: 'RSS', missing: 'RSS' },
  {
    id: 'streams',
    kind: 'count',
    metric: 'streams',
    carriesRss: false,
    noun: 'the number of idle streams that were never destroyed',
    missing: 'stream tracking, which is off',
  },
  {
    id: 'fds',
    kind: 'count',
    metric: 'fds',
    carriesRss: false,
    noun: 'the number of open file descriptors',
    missing: 'a count of file descriptors, which needs /proc/self/fd',
  },
  {
    id: 'timers',
    kind: 'count',
    metric: 'timers',
    carriesRss: false,
    noun: 'the number of active timers',
    missing: 'a count of active timers',
  },
  {
    id: 'contexts',
    kind: 'count',
    metric: 'contexts',
    carriesRss: false,
    noun: 'the number of V8 contexts',
    missing: 'V8 heap statistics',
  },
] as const satisfies readonly Rule[];

export type VerdictId = (typeof rules)[number]['id'];
export const verdictIds: readonly VerdictId[] = rules.map((rule) => rule.id);
