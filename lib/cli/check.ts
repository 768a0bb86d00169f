/** `extmem check FILE`: was there a leak? Judges a recording as it was judged live; made for scripts and for CI. */

import type { Verdict } from '../judge/verdicts.js';
import { Replay, type Run } from '../log/replay.js';
import { formatSpan } from '../text.js';
import type { Command, ExitCode } from './command.js';
import { type Refusals, readRecording, recordingPath, refusedSentence } from './input.js';
import { print } from './print.js';

const exitFound = 1;
const exitInconclusive = 3;

/** A missing signal is no reason to fail a build for ever; anything else that kept a judgement back is. */
const isOpen = ({ state, reason }: Verdict) => state === 'inconclusive' && reason !== 'signal-missing';

/** A line of ours that was left out may be the one that tells; what is foreign or cut off is usual. */
const hasLostLines = (refusals: Refusals) => [...refusals.keys()].some((reason) => reason !== 'foreign');

/** @param isWhole all that the recording holds was judged: else nothing can be called clear. */
function exitCodeOf(runs: readonly Run[], isWhole: boolean): ExitCode {
  const verdicts = runs.flatMap((run) => run.verdicts);
  if (verdicts.some((verdict) => verdict.state === 'found')) return exitFound;
  return !isWhole || verdicts.some(isOpen) ? exitInconclusive : 0;
}

const clock = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');

/** Whether the replay says what the lines of the recording say. */
const agrees = (run: Run) =>
  run.said.join() === run.changes.map(({ verdict }) => `${verdict.id}:${verdict.state}`).join();

function tell(run: Run): void {
  const spanMs = (run.lastMs ?? 0) - (run.firstMs ?? 0);
  print(`pid ${run.pid}: ${run.samples} samples over ${formatSpan(spanMs)}`);
  for (const { timeMs, verdict } of run.changes) {
    print(`  ${clock(timeMs)}  ${verdict.id} ${verdict.state}: ${verdict.sentence}`);
  }
  for (const { timeMs, alert } of run.alerts) print(`  ${clock(timeMs)}  alert ${alert.id}: ${alert.sentence}`);
  const found = run.verdicts.filter((verdict) => verdict.state === 'found');
  const open = run.verdicts.filter(isOpen);
  const missing = run.verdicts.filter((verdict) => verdict.reason === 'signal-missing');
  for (const { id, sentence, next, docs, suspects } of found) {
    print(`  FOUND ${id}: ${sentence}`);
    for (const suspect of suspects.slice(0, 3)) print(`    ${suspect.site}`);
    print(`    ${next} (${docs})`);
  }
  if (found.length === 0 && open.length > 0) print(`  INCONCLUSIVE: ${open[0]?.sentence} ${open[0]?.next}`);
  else if (found.length === 0) print('  CLEAR: nothing grows at the end of the recording.');
  if (missing.length > 0) print(`  Not judged for lack of a signal: ${missing.map(({ id }) => id).join(', ')}.`);
  if (!agrees(run))
    print('  The lines of the recording say otherwise: lines are missing, or another version wrote it.');
}

/** What to do about a recording that tells too little. Processes may have run with windows of their own. */
function nextOfInconclusive(runs: readonly Run[]): string {
  const short = runs.filter((run) => run.verdicts.some(isOpen) && run.samples < run.samplesNeeded);
  if (short.length === 0) return 'Next: do what stands behind INCONCLUSIVE, and record for longer.';
  const needs = [...new Set(short.map((run) => run.samplesNeeded))];
  if (needs.length === 1) return `Next: record for longer; a judgement needs ${needs[0]} samples.`;
  const pidsOf = (needed: number) => new Set(short.filter((run) => run.samplesNeeded === needed).map(({ pid }) => pid));
  const each = needs.map((needed) => `${needed} of pid ${[...pidsOf(needed)].join(' and ')}`);
  return `Next: record for longer; samples that a judgement needs: ${each.join(', ')}.`;
}

const nextOfPartial = 'Next: give each process a file of its own, written by one version of extmem, and check each.';

async function run(args: readonly string[]): Promise<ExitCode> {
  const json = args.includes('--json');
  const path = recordingPath(
    'check',
    args.filter((argument) => argument !== '--json'),
  );
  const replayed = new Replay();
  const refusals = await readRecording(path, (line) => replayed.push(line));
  const runs = replayed.end();
  const isWhole = replayed.unjudgedSamples === 0 && !hasLostLines(refusals);
  const code = exitCodeOf(runs, isWhole);
  if (json) {
    const processes = runs.map((each) => ({ ...each, agreesWithLines: agrees(each) }));
    const { unjudgedSamples } = replayed;
    const unjudgedPids = [...replayed.unjudgedPids];
    const otherLines = [...refusals.values()].reduce((sum, count) => sum + count, 0);
    const refusedLines = Object.fromEntries(refusals);
    print(JSON.stringify({ exitCode: code, otherLines, refusedLines, unjudgedSamples, unjudgedPids, processes }));
    return code;
  }
  for (const each of runs) tell(each);
  const refused = refusedSentence(refusals);
  if (refused !== null) print(refused);
  if (replayed.unjudgedSamples > 0) {
    const pids = [...replayed.unjudgedPids].join(', ');
    print(`Too many processes in one file: ${replayed.unjudgedSamples} samples were not judged, first of pid ${pids}.`);
  }
  const next = {
    0: 'Next: nothing to do. Record for longer to find slower leaks.',
    [exitFound]: 'Next: do what stands below FOUND; docs/verdicts.md explains each verdict.',
    [exitInconclusive]: isWhole ? nextOfInconclusive(runs) : nextOfPartial,
  };
  print(next[code as keyof typeof next]);
  return code;
}

export const checkCommand: Command = {
  name: 'check',
  usage: 'extmem check FILE.ndjson [--json]',
  sentence: 'Judges a recording: does memory grow, which kind, how fast, and who.',
  details: [
    'Exit codes: 0 nothing grows at the end, 1 growth was found, 3 inconclusive.',
    '`-` reads standard input. `--json` prints one object for scripts.',
  ].join('\n'),
  run,
};
