/**
 * From samples to verdicts and alerts. A fold: the same samples in the same order give the same answers, which is how
 * `extmem check` agrees with what was said live. No clock, no I/O; time comes with the samples.
 */
import { hourMs } from '../text.js';
import { finish, type Work } from '../work.js';
import { type Alert, Alerts, longGrowthMs } from './alerts.js';
import { timeToLimit } from './eta.js';
import { median, type Trend } from './growth.js';
import { Lookback } from './lookback.js';
import { Peaks } from './peaks.js';
import { numberAt, type Row, readRow, type Sources, valueAt } from './row.js';
import { type Rule, rules, type VerdictId } from './rules.js';
import { nextOf, sentenceOf, type Words } from './sentences.js';
import { Suspects } from './suspects.js';
import {
  type Decision,
  decide,
  type Evidence,
  factsOf,
  rateTrend,
  type Verdict,
  type VerdictState,
} from './verdicts.js';
import { Window } from './window.js';

export interface JudgeOptions {
  readonly window: number;
  readonly confirmations: number;
}

/** What a sample brought about. */
export interface Judgement {
  /** Verdicts whose state changed. */
  readonly verdicts: readonly Verdict[];
  readonly alerts: readonly Alert[];
}

/** Rows of the long look-back are medians of this span; 120 of them are 6 hours. */
const longRowMs = 180_000;
const longRows = longGrowthMs / longRowMs;
/** Start-up is ignored: the first 2 minutes at 10 s, and the first quarter of an hour of the long look-back. */
const skipRows = 12;
const skipLongRows = 5;
/** 45 minutes each: the rise of a day lasts no longer than 10 hours, unless the load tells what it is due to. */
const extraWithoutLoad = 11;
/** A pause of so many usual intervals is no pause of the collector: what came before cannot be compared. */
const gapIntervals = 20;
/** After such a pause a process is warm, but has to settle. */
const skipAfterGap = 3;

/** The profiler takes some MiB itself, which must not become the evidence: less than this is no suspicion. */
const suspiciousShare = 0.5;

const nothing: Judgement = { verdicts: [], alerts: [] };

export class Judge {
  readonly #options: JudgeOptions;
  readonly #short: Lookback;
  readonly #long: Lookback;
  /** Rows of the long row that is being filled. */
  #filling: Window;
  readonly #peaks = new Peaks();
  readonly #suspects = new Suspects();
  #alerts = new Alerts();
  #sources: Sources = noSources();
  #states = initialStates();
  /** Ids of which something was said. */
  readonly #said = new Set<VerdictId>();
  #decisions: { short: Record<VerdictId, Decision>; long: Record<VerdictId, Decision> };
  #sample: unknown = null;
  #seq = Number.NEGATIVE_INFINITY;
  /** Time of the last sample as written, and on a clock that never steps back. */
  #writtenMs = Number.NaN;
  #nowMs = Number.NaN;
  /** The last intervals, for what is usual. */
  readonly #intervals: number[] = [];

  constructor(options: JudgeOptions) {
    this.#options = options;
    const { window: rows, confirmations } = options;
    this.#short = new Lookback({ rows, skip: skipRows, confirmations, confirmationsWithoutLoad: confirmations });
    const confirmationsWithoutLoad = confirmations + extraWithoutLoad;
    this.#long = new Lookback({ rows: longRows, skip: skipLongRows, confirmations, confirmationsWithoutLoad });
    this.#filling = new Window(1024);
    this.#decisions = finish(this.#decide());
  }

  /** Whether the JS heap is suspected of growth, so that its sites are worth sampling. Not before the first evaluation. */
  *suspectsJsHeap(): Work<boolean> {
    if (!this.#short.evaluated) return false;
    const { rss, usedHeap, oldHeap, oldHeapAfterGc, contexts } = this.#short.tracks;
    if ([usedHeap, oldHeap, oldHeapAfterGc, contexts].some((track) => track.suspected)) return true;
    if (this.#states['js-heap'] === 'found' || this.#states.contexts === 'found') return true;
    return rss.suspected && ((yield* this.#short.shares())['js-heap'] ?? 0) >= suspiciousShare;
  }

  /** Samples, from the first one on, until growth can be found at the earliest. */
  get samplesNeeded(): number {
    return this.#short.rowsToFind;
  }

  /** The look-back is due for an evaluation with the next sample: sites are worth reading now. */
  get evaluatesNext(): boolean {
    return this.#short.evaluatesNext;
  }

  /** Takes the next sample, at once. */
  push(writtenMs: number, sample: unknown): Judgement {
    return finish(this.take(writtenMs, sample));
  }

  /**
   * Takes the next sample. Until that is done nothing else may be asked.
   * @param writtenMs the `time` of its line.
   * @param sample what stands under `extmem` there; of any shape.
   */
  *take(writtenMs: number, sample: unknown): Work<Judgement> {
    if (!Number.isFinite(writtenMs) || typeof sample !== 'object' || sample === null) return nothing;
    const seq = numberAt(sample, 'seq');
    if (seq <= this.#seq) {
      // The same line twice, or one that arrived late. A process that started again counts from 0, later in time.
      if (seq === this.#seq || writtenMs <= this.#writtenMs) return nothing;
      this.#restart();
    }
    const timeMs = this.#advance(writtenMs);
    if (timeMs === null) return nothing;
    if (!Number.isNaN(seq)) this.#seq = seq;
    this.#sample = sample;
    this.#suspects.push(timeMs, sample);
    const row = readRow(timeMs, sample, this.#sources);
    row.load /= this.#intervals.at(-1) ?? Number.NaN;
    yield;
    const longDue = yield* this.#fill(timeMs, row);
    const shortDue = yield* this.#short.push(timeMs, row, this.#peaks.before(this.#short.window.startMs));
    const verdicts = shortDue || longDue ? yield* this.#evaluate(longDue) : [];
    return { verdicts, alerts: this.#alerts.check(timeMs, sample, this.#growsForLong()) };
  }

  /** All verdicts as they stand. */
  verdicts(): Verdict[] {
    return rules.map((rule) => finish(this.#compose(rule)));
  }

  /** Time until a limit, of the newest sample if not given, at the growth found; `null` without found growth. */
  etaMs(limit: unknown = valueAt(this.#sample, 'limit')): readonly [number, number] | null {
    const trend = this.#growingLookback()?.tracks.rss.trend ?? null;
    return trend === null ? null : timeToLimit(trend, numberAt(limit, 'bytes'), numberAt(limit, 'usedBytes'));
  }

  /** Advances the clock; `null` when the line tells no new moment. */
  #advance(writtenMs: number): number | null {
    const passedMs = writtenMs - this.#writtenMs;
    const first = Number.isNaN(this.#writtenMs);
    if (passedMs === 0) return null;
    this.#writtenMs = writtenMs;
    if (first) {
      this.#nowMs = writtenMs;
      return writtenMs;
    }
    // The clock was set back: nobody knows by how much, so the usual interval is assumed.
    const stepMs = passedMs > 0 ? passedMs : this.#intervals.length === 0 ? 1 : this.#usualInterval();
    this.#nowMs += stepMs;
    if (this.#isGap(stepMs)) {
      this.#short.reset(skipAfterGap);
      if (stepMs > gapIntervals * longRowMs) this.#long.reset(skipAfterGap);
      this.#filling.clear();
      this.#intervals.length = 0;
      this.#decisions = finish(this.#decide());
    } else {
      this.#intervals.push(stepMs);
      if (this.#intervals.length > 9) this.#intervals.shift();
    }
    return this.#nowMs;
  }

  #usualInterval(): number {
    return median(Float64Array.from(this.#intervals));
  }

  /** Asked on each tick, so most answers take a look at the shortest interval only. */
  #isGap(stepMs: number): boolean {
    if (this.#intervals.length < 3 || !(stepMs > gapIntervals * Math.min(...this.#intervals))) return false;
    return stepMs > gapIntervals * this.#usualInterval();
  }

  /** Collects rows into a long row; `true` when that completed an evaluation. */
  *#fill(timeMs: number, row: Row): Work<boolean> {
    const startMs = this.#filling.startMs;
    let due = false;
    if (timeMs - startMs >= longRowMs) {
      const endMs = this.#filling.endMs;
      const medians = yield* this.#filling.medians();
      due = yield* this.#long.push(endMs, medians, this.#peaks.before(this.#long.window.startMs));
      this.#peaks.push(endMs, medians.rss);
      this.#filling.clear();
    }
    this.#filling.push(timeMs, row);
    return due;
  }

  #restart(): void {
    this.#short.reset(skipRows);
    this.#long.reset(skipLongRows);
    this.#filling.clear();
    this.#peaks.clear();
    this.#suspects.clear();
    this.#alerts = new Alerts();
    this.#sources = noSources();
    this.#states = initialStates();
    this.#said.clear();
    this.#intervals.length = 0;
    this.#writtenMs = Number.NaN;
    this.#decisions = finish(this.#decide());
  }

  *#decide(): Work<{ short: Record<VerdictId, Decision>; long: Record<VerdictId, Decision> }> {
    const short = yield* decide(yield* factsOf(this.#short, this.#states));
    const long = yield* decide(yield* factsOf(this.#long, this.#states));
    return { short, long };
  }

  /** Decides anew and returns the verdicts to be said. */
  *#evaluate(longDue: boolean): Work<Verdict[]> {
    const { long } = this.#decisions;
    this.#decisions = longDue
      ? yield* this.#decide()
      : { short: yield* decide(yield* factsOf(this.#short, this.#states)), long };
    const changed: Verdict[] = [];
    for (const rule of rules) {
      const before = this.#states[rule.id];
      const { decision } = this.#decisionOf(rule.id);
      this.#states[rule.id] = decision.state;
      // Nothing was ever wrong, or nothing is certain yet: no news.
      const firstClear = before === 'inconclusive' && decision.state === 'clear' && !this.#said.has(rule.id);
      const wavers = decision.reason === 'confirming' && before !== 'found';
      if (decision.state === before || firstClear || wavers) continue;
      this.#said.add(rule.id);
      changed.push(yield* this.#compose(rule));
      yield;
    }
    return changed;
  }

  /** The long look-back only adds growth that the short one cannot see. */
  #decisionOf(id: VerdictId): { readonly decision: Decision; readonly lookback: Lookback } {
    const { short, long } = this.#decisions;
    const explained =
      short[id].reason === 'under-threads' ||
      (id === 'mixed' && rules.some((rule) => rule.kind === 'class' && short[rule.id].state === 'found'));
    return short[id].state !== 'found' && long[id].state === 'found' && !explained
      ? { decision: long[id], lookback: this.#long }
      : { decision: short[id], lookback: this.#short };
  }

  #growingLookback(): Lookback | null {
    if (this.#short.tracks.rss.found) return this.#short;
    return this.#long.tracks.rss.found ? this.#long : null;
  }

  #growsForLong(): boolean {
    const { window, tracks } = this.#long;
    const growing = tracks.rss.found || tracks.rss.passes >= this.#options.confirmations;
    return growing && window.endMs - window.startMs >= longGrowthMs - 2 * longRowMs;
  }

  *#compose(rule: Rule & { readonly id: VerdictId }): Work<Verdict> {
    const { decision, lookback } = this.#decisionOf(rule.id);
    const isFound = decision.state === 'found';
    const trend = isFound ? yield* trendOfRule(rule, lookback) : null;
    const carriesRss = rule.kind !== 'count' || rule.carriesRss;
    const shares = isFound && carriesRss ? yield* lookback.shares() : {};
    const suspects = isFound && rule.suspects !== null ? this.#suspects.rank(rule.suspects) : [];
    const stopped = valueAt(this.#sample, 'malloc', 'stopped');
    const words: Words = {
      rule,
      reason: decision.reason,
      trend,
      sinceMs: isFound ? (decision.track?.sinceMs ?? null) : null,
      shares,
      suspects,
      etaMs: isFound && carriesRss ? this.etaMs() : null,
      sample: this.#sample,
      progress: lookback.progress,
      mallocStopped: typeof stopped === 'string' ? stopped : null,
    };
    return {
      id: rule.id,
      state: decision.state,
      reason: decision.reason,
      bytesPerHour: isFound ? perHour(yield* rateTrend(rule, lookback)) : null,
      sinceMs: words.sinceMs,
      evidence: isFound ? yield* evidenceOf(rule, lookback) : [],
      shares,
      suspects,
      etaMs: words.etaMs,
      sentence: sentenceOf(words),
      next: nextOf(words),
      docs: `docs/verdicts.md#${rule.id}`,
    };
  }
}

const noSources = (): Sources => ({
  rowMs: Number.NaN,
  ledgerMs: -1 / 0,
  mallocMs: -1 / 0,
  gcMs: -1 / 0,
  gcIsYoung: false,
});

function initialStates(): Record<VerdictId, VerdictState> {
  return Object.fromEntries(rules.map((rule) => [rule.id, 'inconclusive'])) as Record<VerdictId, VerdictState>;
}

function* trendOfRule(rule: Rule, lookback: Lookback): Work<Trend | null> {
  return yield* rule.kind === 'mixed' ? lookback.trend('rss') : lookback.trend(rule.series, 6);
}

function perHour(trend: Trend | null): readonly [number, number, number] | null {
  if (trend === null) return null;
  return [Math.round(trend.low * hourMs), Math.round(trend.slope * hourMs), Math.round(trend.high * hourMs)];
}

function* evidenceOf(rule: Rule, lookback: Lookback): Work<Evidence[]> {
  const all = rule.kind === 'mixed' ? (['rss'] as const) : ([rule.series, 'rss'] as const);
  const evidence: Evidence[] = [];
  for (const series of all) {
    const trend = yield* lookback.trend(series, 6);
    if (trend === null) continue;
    evidence.push({
      metric: series,
      from: Math.round(trend.end - trend.rise),
      to: Math.round(trend.end),
      samples: trend.points,
      spanMs: Math.round(trend.spanMs),
      p: Number(trend.p.toPrecision(2)),
    });
  }
  return evidence;
}
