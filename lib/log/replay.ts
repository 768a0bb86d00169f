/**
 * Judges a recording as it was judged live: the same judge, fed with the lines of each process. Lines of several
 * processes may be interleaved, and a log shipper may have changed their order a little.
 */
import type { Alert } from '../judge/alerts.js';
import { Judge, type JudgeOptions } from '../judge/judge.js';
import { numberAt, valueAt } from '../judge/row.js';
import type { Verdict } from '../judge/verdicts.js';
import { optionTable } from '../options.js';
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

/** Lines that are held back so that late ones find their place. */
const heldLines = 32;

interface Open {
  readonly run: Run;
  readonly judge: Judge;
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
  readonly #open = new Map<number, Open>();

  push(line: RecordedLine): void {
    const { record, pid } = line;
    if (record.kind === 'start') {
      this.#begin(pid, optionsOf(record));
      return;
    }
    const open = this.#open.get(pid) ?? this.#begin(pid, optionsOf(null));
    if (record.kind === 'verdict') {
      open.run.said.push(`${String(valueAt(record, 'id'))}:${String(valueAt(record, 'state'))}`);
    } else if (record.kind === 'sample') {
      if (startsAgain(open.held, line)) this.#flush(open, 0);
      insert(open.held, line);
      this.#flush(open, heldLines);
    }
  }

  /** The end of the recording. */
  end(): readonly Run[] {
    for (const open of this.#open.values()) this.#close(open);
    this.#open.clear();
    return this.runs.filter((run) => run.samples > 0);
  }

  #begin(pid: number, options: JudgeOptions): Open {
    const before = this.#open.get(pid);
    if (before !== undefined) this.#close(before);
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
    const open = { run, judge, held: [] };
    this.runs.push(run);
    this.#open.set(pid, open);
    return open;
  }

  #close(open: Open): void {
    this.#flush(open, 0);
    open.run.verdicts = open.judge.verdicts();
  }

  #flush({ run, judge, held }: Open, keep: number): void {
    while (held.length > keep) {
      const { timeMs, record } = held.shift() as RecordedLine;
      run.samples++;
      run.firstMs ??= timeMs;
      run.lastMs = timeMs;
      const { verdicts, alerts } = judge.push(timeMs, record);
      for (const verdict of verdicts) run.changes.push({ timeMs, verdict });
      for (const alert of alerts) run.alerts.push({ timeMs, alert });
    }
  }
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
