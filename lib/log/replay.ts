/**
 * Judges a recording as it was judged live: the same judge, fed with the lines of each process. Lines of several
 * processes may be interleaved, and a log shipper may have changed their order a little.
 */
import type { Alert } from '../judge/alerts.js';
import { Judge, type JudgeOptions } from '../judge/judge.js';
import { numberAt, valueAt } from '../judge/row.js';
import type { Verdict } from '../judge/verdicts.js';
import { optionTable } from '../options.js';
import { hourMs } from '../text.js';
import type { RecordedLine } from './recording.js';

/** A verdict that changed, and when. */
export interface StateChange {
  readonly timeMs: number;
  readonly verdict: Verdict;
}

/** One session of one process, replayed. */
export interface Run {
  readonly pid: number;
  /** Until growth can be found, with the window and the confirmations of this session. */
  readonly samplesNeeded: number;
  samples: number;
  firstMs: number | null;
  lastMs: number | null;
  readonly changes: StateChange[];
  readonly alerts: { readonly timeMs: number; readonly alert: Alert }[];
  /** `id:state` of the verdict lines in the recording, for comparison with what the replay says. */
  readonly said: string[];
  verdicts: Verdict[];
}

/** Processes that are judged at once: a judge holds some 200 KiB, and a file may name any number of processes. */
const judgesAtOnce = 128;
/** Sessions that one recording tells of; each leaves what was said of it. */
const mostRuns = 2048;
/** Verdicts and alerts that are kept of a session: one that says more is not ours. */
const mostKept = 10_000;

/** Processes that are named of those that were not judged. */
const mostNamed = 5;

/** A clock that went further is another one, or a number that is none: what lies behind is judged afresh. */
const longestBackMs = 60_000;
const longestGapMs = 24 * hourMs;

/** Lines that are held back so that late ones find their place. */
const heldLines = 32;

interface Open {
  readonly options: JudgeOptions;
  run: Run;
  judge: Judge;
  /** Ascending by `seq`, then by time. */
  readonly held: RecordedLine[];
}

/** The options in force, as the start line tells them; a rotated recording may have lost it. */
function optionsOf(record: unknown): JudgeOptions {
  const option = (name: keyof JudgeOptions) => {
    const row = optionTable.find((candidate) => candidate.name === name);
    return (row?.parse(valueAt(record, 'options', name)) ?? row?.parse(row.fallback)) as number;
  };
  return { window: option('window'), confirmations: option('confirmations') };
}

export class Replay {
  readonly runs: Run[] = [];
  /** Samples that no judge was left for, of processes that the file holds too many of. */
  unjudgedSamples = 0;
  /** The first of their processes. */
  readonly unjudgedPids = new Set<number>();
  /** The one that was quiet for longest comes first. */
  readonly #open = new Map<number, Open>();
  /** Judged to an end for want of room, so that what follows under the pid has lost its beginning. */
  readonly #closed = new Set<number>();

  push(line: RecordedLine): void {
    const { record, pid } = line;
    if (record.kind === 'start') {
      this.#begin(pid, optionsOf(record));
      return;
    }
    const open = this.#openOf(pid);
    if (open === null) {
      if (record.kind === 'sample') this.#leave(pid);
    } else if (record.kind === 'verdict') {
      keep(open.run.said, `${String(valueAt(record, 'id'))}:${String(valueAt(record, 'state'))}`);
    } else if (record.kind === 'sample') {
      if (startsAgain(open.held, line)) this.#flush(open, 0);
      insert(open.held, line);
      this.#flush(open, heldLines);
    }
  }

  /** The end of the recording. */
  end(): readonly Run[] {
    for (const pid of [...this.#open.keys()]) this.#close(pid);
    return this.runs.filter((run) => run.samples > 0);
  }

  /** The judge of a line; it is now the last that would be closed for want of room. */
  #openOf(pid: number): Open | null {
    const open = this.#open.get(pid);
    if (open === undefined) return this.#closed.has(pid) ? null : this.#begin(pid, optionsOf(null));
    this.#open.delete(pid);
    this.#open.set(pid, open);
    return open;
  }

  #begin(pid: number, options: JudgeOptions): Open | null {
    this.#close(pid);
    if (this.runs.length >= mostRuns) {
      this.#closed.add(pid);
      return null;
    }
    this.#closed.delete(pid);
    if (this.#open.size >= judgesAtOnce) {
      const [quiet] = this.#open.keys();
      this.#close(quiet as number);
      this.#closed.add(quiet as number);
    }
    const open = { options, ...this.#judged(pid, options), held: [] };
    this.#open.set(pid, open);
    return open;
  }

  #judged(pid: number, options: JudgeOptions): { run: Run; judge: Judge } {
    const judge = new Judge(options);
    const run: Run = {
      pid,
      samplesNeeded: judge.samplesNeeded,
      samples: 0,
      firstMs: null,
      lastMs: null,
      changes: [],
      alerts: [],
      said: [],
      verdicts: [],
    };
    this.runs.push(run);
    return { run, judge };
  }

  #close(pid: number): void {
    const open = this.#open.get(pid);
    if (open === undefined) return;
    this.#flush(open, 0);
    open.run.verdicts = open.judge.verdicts();
    this.#open.delete(pid);
  }

  #leave(pid: number): void {
    this.unjudgedSamples++;
    if (this.unjudgedPids.size < mostNamed) this.unjudgedPids.add(pid);
  }

  #flush(open: Open, remaining: number): void {
    while (open.held.length > remaining) {
      const { timeMs, record, pid } = open.held.shift() as RecordedLine;
      const { lastMs } = open.run;
      if (lastMs !== null && (timeMs < lastMs - longestBackMs || timeMs > lastMs + longestGapMs)) {
        if (this.runs.length >= mostRuns) {
          this.#leave(pid);
          continue;
        }
        open.run.verdicts = open.judge.verdicts();
        Object.assign(open, this.#judged(pid, open.options));
      }
      const { run, judge } = open;
      run.samples++;
      run.firstMs ??= timeMs;
      run.lastMs = timeMs;
      const { verdicts, alerts } = judge.push(timeMs, record);
      for (const verdict of verdicts) keep(run.changes, { timeMs, verdict });
      for (const alert of alerts) keep(run.alerts, { timeMs, alert });
    }
  }
}

function keep<T>(kept: T[], one: T): void {
  if (kept.length < mostKept) kept.push(one);
}

const seqOf = (line: RecordedLine) => numberAt(line.record, 'seq');

/** A later line with an earlier number: another session under the same pid, whose start line is lost. */
function startsAgain(held: readonly RecordedLine[], line: RecordedLine): boolean {
  const newest = held.at(-1);
  return newest !== undefined && seqOf(line) < seqOf(newest) && line.timeMs > newest.timeMs;
}

function insert(held: RecordedLine[], line: RecordedLine): void {
  const seq = seqOf(line);
  let at = held.length;
  while (at > 0 && seqOf(held[at - 1] as RecordedLine) > seq) at--;
  held.splice(at, 0, line);
}
