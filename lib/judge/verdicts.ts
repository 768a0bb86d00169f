/**
 * When a rule is found, clear or inconclusive, and which rule explains which. The ids stand in rules.ts, the numbers are
 * judged in lookback.ts, the words are in sentences.ts, and judge.ts carries states over time.
 */

import type { Suspect } from '../site.js';
import { MiB } from '../text.js';
import type { Work } from '../work.js';
import { isSustained, type Trend } from './growth.js';
import type { Lookback, OwnedSeries } from './lookback.js';
import { classes, type RssClass, type SeriesName } from './row.js';
import {
  type ClassRule,
  type CountRule,
  type CountSeries,
  type OwnSeries,
  type Rule,
  rules,
  type VerdictId,
} from './rules.js';
import type { Excuse, Track } from './track.js';

export type VerdictState = 'found' | 'clear' | 'inconclusive';

/** Why a verdict is in its state, as the sentences need it. */
export type Reason =
  | 'growing'
  | 'level'
  /** RSS grows, but not by this class. */
  | 'elsewhere'
  | 'too-few-samples'
  /** Passed the test, but not often enough in a row. */
  | 'confirming'
  | 'signal-missing'
  /** What JavaScript owns grows, but what survives collections does not. */
  | 'garbage'
  /** What JavaScript owns grows, and no major collection has shown what survives. */
  | 'no-collection'
  /** Mapped files: the kernel drops such pages when it needs memory. */
  | 'page-cache'
  /** More workers or threads explain it. */
  | 'under-threads'
  | Excuse;

/** One measured change behind a verdict. */
export interface Evidence {
  readonly metric: string;
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  readonly spanMs: number;
  /** Probability of such a rise without a trend. */
  readonly p: number;
}

export interface Verdict {
  readonly id: VerdictId;
  readonly state: VerdictState;
  readonly reason: Reason;
  /** Growth in bytes per hour with its 90 % interval, when found; `null` for counts that carry no RSS. */
  readonly bytesPerHour: readonly [low: number, mid: number, high: number] | null;
  /** When the growth that was found began to show, epoch ms. */
  readonly sinceMs: number | null;
  readonly evidence: readonly Evidence[];
  /** Class → its part of the growth of RSS; empty while RSS is not growing. */
  readonly shares: Readonly<Record<string, number>>;
  readonly suspects: readonly Suspect[];
  /** Time until the memory limit: [earliest, latest], capped at 24 h. */
  readonly etaMs: readonly [low: number, high: number] | null;
  readonly sentence: string;
  readonly next: string;
  readonly docs: string;
}

/** What one lookback says about one rule. */
export interface Decision {
  readonly state: VerdictState;
  readonly reason: Reason;
  readonly track: Track | null;
}

/** A class carries growth from this share on … */
const dominant = 0.5;
/** … and keeps the verdict down to this one, or two classes near one half would alternate. */
const staysDominant = 0.35;
/** A class that grows by itself is said from this share on: below, it is not why RSS grows. */
const worthSaying = 0.03;

/** Several classes carry growth when the smaller ones have this share: a large one alone has to be judged by its own rule. */
const worthMixing = 0.1;

/** Where no class is large enough to be told by itself, twice as much has to be lost: start-up is a bit of everything. */
const mixedFloor = 8 * MiB;
const mixedRatio = 0.04;

const retainedAlpha = 0.003;

/** Enough known values for a share. */
const knownPoints = 6;

const found = (track: Track): Decision => ({ state: 'found', reason: 'growing', track });
const clear = (reason: Reason): Decision => ({ state: 'clear', reason, track: null });
const inconclusive = (reason: Reason, track: Track | null = null): Decision => ({
  state: 'inconclusive',
  reason,
  track,
});

/** What all rules of one evaluation share. */
export interface Facts {
  readonly lookback: Lookback;
  readonly shares: Partial<Record<RssClass, number>>;
  /** What was said before this evaluation. */
  readonly before: Readonly<Record<VerdictId, VerdictState>>;
  readonly isKnown: (series: SeriesName) => boolean;
}

export function* factsOf(lookback: Lookback, before: Facts['before']): Work<Facts> {
  const rss = lookback.tracks.rss;
  const growing = rss.suspected || Object.values(lookback.tracks).some((track) => track.found);
  return {
    lookback,
    shares: growing ? yield* lookback.shares() : {},
    before,
    isKnown: (series) => lookback.window.series(series).values.length >= knownPoints,
  };
}

/** An unbelieved pass is no `clear`. An unfinished row of passes takes nothing back: most of them end by themselves. */
function undecided(track: Track, before: VerdictState): Decision | null {
  if (track.excuse !== null) return inconclusive(track.excuse, track);
  return track.suspected && !track.found && before !== 'clear' ? inconclusive('confirming', track) : null;
}

function decideCount(rule: CountRule, id: VerdictId, facts: Facts): Decision {
  if (!facts.isKnown(rule.series)) return inconclusive('signal-missing');
  const track = facts.lookback.tracks[rule.series as CountSeries];
  if (!track.found) return undecided(track, facts.before[id]) ?? clear('level');
  // Contexts are objects: until a collection has run, they may be garbage.
  const answer = id === 'contexts' ? facts.lookback.survivors('contexts', rule.floor / 2) : 'rising';
  if (answer === 'level') return clear('garbage');
  return answer === 'unknown' && facts.before[id] !== 'found' ? inconclusive('no-collection', track) : found(track);
}

type ThreadsGrowth = 'grow' | 'may grow' | 'no';

function* decideClass(rule: ClassRule, id: VerdictId, facts: Facts, threads: ThreadsGrowth): Work<Decision> {
  const { lookback, shares } = facts;
  const rss = lookback.tracks.rss;
  const share = shares[rule.series] ?? 0;
  const own = ownTrack(rule, lookback);
  const stays = facts.before[id] === 'found';
  // A window that is bent by what has just ended divides into shares that explain nothing.
  const carries =
    rss.found &&
    (stays ? share >= staysDominant : share >= dominant && rss.passes > 0 && (yield* rises(rule.series, lookback)));
  // Freeing a cache retains memory too: that is of interest only where RSS grows by it.
  const matters = rule.series !== 'retained' || (share >= dominant && (yield* rises('retained', lookback)));
  const byItself = own?.found === true && matters && (!rss.found || share >= worthSaying);
  if (!carries && !byItself) {
    if (!facts.isKnown(rule.series)) return inconclusive('signal-missing');
    const undecidedOwn = own === null ? null : undecided(own, facts.before[id]);
    const undecidedRss = share >= dominant ? undecided(rss, facts.before[id]) : null;
    return undecidedRss ?? undecidedOwn ?? clear(rss.found ? 'elsewhere' : 'level');
  }
  if (rule.series === 'files') return clear('page-cache');
  if (threads === 'grow' && rule.underThreads) return inconclusive('under-threads');
  // They come first, so what they may explain waits for them.
  if (threads === 'may grow' && rule.underThreads && !stays) return inconclusive('confirming', rss);
  if (rule.series === 'js-heap' && !byItself && !(yield* holdsObjects(lookback))) return clear('garbage');
  const owned = ownedSeries[rule.series];
  if (owned !== undefined && !(rule.series === 'js-heap' && lookback.tracks.oldHeapAfterGc.found)) {
    const answer = lookback.survivors(owned);
    if (answer === 'level') return clear('garbage');
    // Growth that was confirmed once stays so: after a while no collection may fall into the window.
    if (answer === 'unknown' && facts.before[id] !== 'found' && !(yield* isUnseenByV8(rule.series, lookback))) {
      return inconclusive('no-collection', rss);
    }
  }
  return found(byItself && own !== null ? own : rss);
}

/** The part of the growth of V8's pages that its objects have to account for. */
const objectsRatio = 0.5;

/** Pages that V8 holds ready, or that are half empty, are no objects. */
function* holdsObjects(lookback: Lookback): Work<boolean> {
  const pages = (yield* lookback.trend('js-heap', knownPoints))?.rise ?? 0;
  const objects: (number | undefined)[] = [];
  for (const series of ['oldHeapAfterGc', 'oldHeap', 'usedHeap'] as const) {
    objects.push((yield* lookback.trend(series, knownPoints))?.rise);
  }
  // An old recording may not tell.
  return objects.every((rise) => rise === undefined) || objects.some((rise) => (rise ?? 0) >= objectsRatio * pages);
}

/** The counters of classes that the garbage collector frees. */
const ownedSeries: Partial<Record<RssClass, OwnedSeries>> = {
  'js-heap': 'oldHeap',
  'array-buffers': 'buffers',
  external: 'others',
  wasm: 'others',
};

/**
 * SharedArrayBuffers, the stores of Blobs and, in some versions, memories that grew are not declared to V8. It does not
 * collect on their account, so waiting for a collection would be waiting for ever.
 */
function* isUnseenByV8(series: RssClass, lookback: Lookback): Work<boolean> {
  if (series !== 'array-buffers') return series === 'wasm';
  const unseen = yield* lookback.trend('unseen');
  const buffers = yield* lookback.trend('buffers');
  return (unseen?.rise ?? 0) >= dominant * (buffers?.rise ?? 1 / 0);
}

/**
 * A class rises by itself as RSS does: a step at the end of a window makes it the largest share, not the cause. What
 * the allocator keeps levels off as a rule, and takes in one step what a collection frees, so it has to pass a test and
 * to reach 8 MiB and a tenth of RSS.
 */
function* rises(series: RssClass, lookback: Lookback): Work<boolean> {
  const trend = yield* lookback.trend(series, knownPoints);
  if (trend === null || trend.low <= 0 || !isSustained(trend)) return false;
  if (series !== 'retained') return true;
  const level = (yield* lookback.trend('rss'))?.level ?? 0;
  return trend.p < retainedAlpha && trend.rise >= Math.max(8 * MiB, 0.1 * level);
}

/** The track of a class by itself: the first of its series that is found, or else the last. */
function ownTrack({ own }: ClassRule, { tracks }: Lookback): Track | null {
  const list = own.map((series) => tracks[series as OwnSeries]);
  return list.find((track) => track.found) ?? list.at(-1) ?? null;
}

/** A worker is a thread, and its event loop needs descriptors. */
const broughtByWorkers: ReadonlySet<string> = new Set(['threads', 'fds']);

function stateOf(series: CountSeries, decision: Decision | undefined, lookback: Lookback): ThreadsGrowth {
  if (decision?.state === 'found') return 'grow';
  return lookback.tracks[series].suspected ? 'may grow' : 'no';
}

/** All rules on one lookback. */
export function* decide(facts: Facts): Work<Record<VerdictId, Decision>> {
  const decisions = {} as Record<VerdictId, Decision>;
  const { lookback } = facts;
  for (const rule of rules) {
    yield;
    if (!lookback.evaluated) {
      decisions[rule.id] = inconclusive('too-few-samples');
    } else if (rule.kind === 'count') {
      const workers = broughtByWorkers.has(rule.id) ? stateOf('workerCount', decisions.workers, lookback) : 'no';
      const own = decideCount(rule, rule.id, facts);
      const waits = workers === 'may grow' && own.state === 'found' && facts.before[rule.id] !== 'found';
      if (workers === 'grow') decisions[rule.id] = inconclusive('under-threads');
      else decisions[rule.id] = waits ? inconclusive('confirming', own.track) : own;
    } else if (rule.kind === 'class') {
      const states = [
        stateOf('workerCount', decisions.workers, lookback),
        stateOf('threadCount', decisions.threads, lookback),
      ];
      const threads = (['grow', 'may grow'] as const).find((state) => states.includes(state)) ?? 'no';
      decisions[rule.id] = yield* decideClass(rule, rule.id, facts, threads);
    }
  }
  if (lookback.evaluated) decisions.mixed = yield* decideMixed(facts, decisions);
  return decisions;
}

/** Reasons that account for growth of RSS without being `found`. */
const accounts: readonly Reason[] = ['garbage', 'no-collection', 'page-cache', 'under-threads'];

function* decideMixed(facts: Facts, decisions: Readonly<Record<VerdictId, Decision>>): Work<Decision> {
  const { rss } = facts.lookback.tracks;
  if (!rss.found) return undecided(rss, facts.before.mixed) ?? clear('level');
  if (rss.passes === 0 && facts.before.mixed !== 'found') return inconclusive('confirming', rss);
  const named = rules.some((rule) => {
    if (rule.kind === 'mixed' || (rule.kind === 'count' && !rule.carriesRss)) return false;
    const { state, reason } = decisions[rule.id];
    return state === 'found' || accounts.includes(reason);
  });
  if (named) return clear('elsewhere');
  return (yield* isDivided(facts)) ? found(rss) : inconclusive('confirming', rss);
}

/**
 * Several classes rise and carry half of the growth together, none of them alone. Without a ledger there are no classes
 * to divide by, and growth of RSS has to be said all the same.
 */
function* isDivided({ shares, lookback, isKnown }: Facts): Work<boolean> {
  if (!isKnown('files')) return true;
  const rss = yield* lookback.trend('rss');
  if (rss === null || rss.rise < Math.max(mixedFloor, mixedRatio * rss.level)) return false;
  const parts: number[] = [];
  for (const series of classes) {
    if (series === 'files' || !(yield* rises(series, lookback))) continue;
    if (series !== 'js-heap' || (yield* holdsObjects(lookback))) parts.push(shares[series] ?? 0);
  }
  if ((shares.unsplit ?? 0) >= dominant || (shares.threads ?? 0) >= dominant) return true;
  const largest = Math.max(...parts, 0);
  const all = parts.reduce((sum, part) => sum + part, 0);
  return largest < dominant && all >= dominant && all - largest >= worthMixing;
}

/** The series whose slope is the rate of a rule. */
export function* rateTrend(rule: Rule, lookback: Lookback): Work<Trend | null> {
  if (rule.kind === 'class') return yield* lookback.trend(rule.series, knownPoints);
  return rule.kind === 'mixed' || rule.carriesRss ? yield* lookback.trend('rss') : null;
}
