/** `extmem check FILE`: was there a leak? Judges a recording as it was judged live; made for scripts and for CI. */

import type { Verdict } from '../judge/verdicts.js';
import { Replay, type Run } from '../log/replay.js';
import { formatSpan } from '../text.js';
import type { Command, ExitCode } from './command.js';
import { readRecording, recordingPath } from './input.js';

const exitFound = 1;
const exitInconclusive = 3;

/** A missing signal is no reason to fail a build for ever; anything else that kept a judgement back is. */
const isOpen = ({ state, reason }: Verdict) => state === 'inconclusive' && reason !== 'signal-missing';

function exitCodeOf(runs: readonly Run[]): ExitCode {
  const verdicts = runs.flatMap((run) => run.verdicts);
  if (verdicts.some((verdict) => verdict.state === 'found')) return exitFound;
  return verdicts.some(isOpen) ? exitInconclusive : 0;
}

const clock = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');

/** Whether the replay says what the lines of the recording say. */
const agrees = (run: Run) =>
  run.said.join() === run.changes.map(({ verdict }) => `${verdict.id}:${verdict.state}`).join();

function print(run: Run): void {
  const spanMs = (run.lastMs ?? 0) - (run.firstMs ?? 0);
  console.log(`pid ${run.pid}: ${run.samples} samples over ${formatSpan(spanMs)}`);
  for (const { timeMs, verdict } of run.changes) {
    console.log(`  ${clock(timeMs)}  ${verdict.id} ${verdict.state}: ${verdict.sentence}`);
  }
  for (const { timeMs, alert } of run.alerts) console.log(`  ${clock(timeMs)}  alert ${alert.id}: ${alert.sentence}`);
  const found = run.verdicts.filter((verdict) => verdict.state === 'found');
  const open = run.verdicts.filter(isOpen);
  const missing = run.verdicts.filter((verdict) => verdict.reason === 'signal-missing');
  for (const { id, sentence, next, docs, suspects } of found) {
    console.log(`  FOUND ${id}: ${sentence}`);
    for (const suspect of suspects.slice(0, 3)) console.log(`    ${suspect.site}`);
    console.log(`    ${next} (${docs})`);
  }
  if (found.length === 0 && open.length > 0) console.log(`  INCONCLUSIVE: ${open[0]?.sentence} ${open[0]?.next}`);
  else if (found.length === 0) console.log('  CLEAR: nothing grows at the end of the recording.');
  if (missing.length > 0) console.log(`  Not judged for lack of a signal: ${missing.map(({ id }) => id).join(', ')}.`);
  if (!agrees(run))
    console.log('  The lines of the recording say otherwise: lines are missing, or another version wrote it.');
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

async function run(args: readonly string[]): Promise<ExitCode> {
  const json = args.includes('--json');
  const path = recordingPath(
    'check',
    args.filter((argument) => argument !== '--json'),
  );
  const replayed = new Replay();
  const otherLines = await readRecording(path, (line) => replayed.push(line));
  const runs = replayed.end();
  const code = exitCodeOf(runs);
  if (json) {
    const processes = runs.map((each) => ({ ...each, agreesWithLines: agrees(each) }));
    console.log(JSON.stringify({ exitCode: code, otherLines, processes }));
    return code;
  }
  for (const each of runs) print(each);
  if (otherLines > 0) console.log(`${otherLines} lines were not of extmem, or cut off.`);
  const next = {
    0: 'Next: nothing to do. Record for longer to find slower leaks.',
    [exitFound]: 'Next: do what stands below FOUND; docs/verdicts.md explains each verdict.',
    [exitInconclusive]: nextOfInconclusive(runs),
  };
  console.log(next[code as keyof typeof next]);
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
