/** `extmem top FILE`: a recording as a table, a row per sample, ending with what grew. */

import { compare } from '../compare.js';
import type { Sample } from '../sample.js';
import { formatCount } from '../text.js';
import { paint, wantsColor } from './color.js';
import type { Command, ExitCode } from './command.js';
import { readRecording, recordingPath, refusedSentence } from './input.js';
import { print } from './print.js';
import { formatHeader, formatRow } from './table.js';

const rowsPerHeader = 20;

/** Processes whose first and last sample are kept: a file may name any number. */
const mostSummed = 1024;

interface Seen {
  readonly first: Sample;
  last: Sample;
}

async function run(args: readonly string[]): Promise<ExitCode> {
  const path = recordingPath('top', args);
  const color = wantsColor(process.stdout);
  const processes = new Map<number, Seen>();
  let rows = 0;
  let unsummed = 0;
  let shownPid: number | null = null;
  const refusals = await readRecording(path, ({ timeMs, pid, msg, record }) => {
    if (record.kind !== 'sample') {
      print(paint('dim', `${new Date(timeMs).toTimeString().slice(0, 8)} pid ${pid}: ${msg}`, color));
      return;
    }
    const seen = processes.get(pid);
    if (shownPid !== pid && (processes.size > 1 || (processes.size === 1 && seen === undefined))) {
      print(paint('bold', `pid ${pid}`, color));
    }
    shownPid = pid;
    if (rows++ % rowsPerHeader === 0) print(formatHeader(color));
    print(formatRow(record, seen?.last ?? null, timeMs, color));
    if (seen !== undefined) seen.last = record;
    else if (processes.size < mostSummed) processes.set(pid, { first: record, last: record });
    else unsummed++;
  });
  print('');
  for (const [pid, { first, last }] of processes) print(`pid ${pid}: ${compare(first, last).sentence}`);
  if (unsummed > 0) print(`Shown, and not summed up: ${formatCount(unsummed, 'sample')} of further processes.`);
  const refused = refusedSentence(refusals);
  if (refused !== null) print(refused);
  print('Next: start from the class that grew most; docs/troubleshooting.md says what each one means.');
  return 0;
}

export const topCommand: Command = {
  name: 'top',
  usage: 'extmem top FILE.ndjson',
  sentence: 'Shows a recording as a table, a row per sample, and what grew.',
  details:
    '`-` reads standard input: `node --require extmem/register app.js 2>&1 | extmem top -` shows a live process.',
  run,
};
