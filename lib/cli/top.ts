/** `extmem top FILE`: a recording as a table, a row per sample, ending with what grew. */

import { compare } from '../compare.js';
import type { Sample } from '../sample.js';
import { paint, wantsColor } from './color.js';
import type { Command, ExitCode } from './command.js';
import { readRecording, recordingPath } from './input.js';
import { formatHeader, formatRow } from './table.js';

const rowsPerHeader = 20;

interface Seen {
  readonly first: Sample;
  last: Sample;
}

async function run(args: readonly string[]): Promise<ExitCode> {
  const path = recordingPath('top', args);
  const color = wantsColor(process.stdout);
  const processes = new Map<number, Seen>();
  let rows = 0;
  let shownPid: number | null = null;
  const otherLines = await readRecording(path, ({ timeMs, pid, msg, record }) => {
    if (record.kind !== 'sample') {
      console.log(paint('dim', `${new Date(timeMs).toTimeString().slice(0, 8)} pid ${pid}: ${msg}`, color));
      return;
    }
    const seen = processes.get(pid);
    if (shownPid !== pid && (processes.size > 1 || (processes.size === 1 && seen === undefined))) {
      console.log(paint('bold', `pid ${pid}`, color));
    }
    shownPid = pid;
    if (rows++ % rowsPerHeader === 0) console.log(formatHeader(color));
    console.log(formatRow(record, seen?.last ?? null, timeMs, color));
    if (seen === undefined) processes.set(pid, { first: record, last: record });
    else seen.last = record;
  });
  console.log('');
  for (const [pid, { first, last }] of processes) console.log(`pid ${pid}: ${compare(first, last).sentence}`);
  if (otherLines > 0) console.log(`${otherLines} lines were not of extmem, or cut off.`);
  console.log('Next: start from the class that grew most; docs/troubleshooting.md says what each one means.');
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
