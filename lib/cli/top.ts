/** `extmem top FILE`: a recording as a table, a row per sample, ending with what grew. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { paint, wantsColor } from '../color.js';
import { compare } from '../compare.js';
import { ExtmemError, messageOf } from '../errors.js';
import { formatHeader, formatRow } from '../ledger-text.js';
import { parseLine } from '../recording.js';
import type { Sample } from '../sample.js';
import type { Command } from './command.js';

const rowsPerHeader = 20;

interface Seen {
  readonly first: Sample;
  last: Sample;
}

async function run(args: readonly string[]): Promise<number> {
  const [path, ...rest] = args;
  if (path === undefined || rest.length > 0 || (path.startsWith('-') && path !== '-')) {
    throw new ExtmemError(
      'ERR_EXTMEM_USAGE',
      `Expected one recording, received ${args.length === 0 ? 'nothing' : JSON.stringify(args.join(' '))}; call \`extmem top FILE.ndjson\`, or \`-\` for standard input.`,
    );
  }
  const color = wantsColor(process.stdout);
  const processes = new Map<number, Seen>();
  let rows = 0;
  let otherLines = 0;
  let shownPid: number | null = null;
  const input = path === '-' ? process.stdin : createReadStream(path);
  try {
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    // readline swallows the error of its input.
    const failed = new Promise<never>((_, reject) => input.once('error', reject));
    const reading = (async () => {
      for await (const line of lines) {
        const parsed = parseLine(line);
        if (parsed === null) {
          if (line.trim() !== '') otherLines++;
          continue;
        }
        if (parsed.record.kind !== 'sample') {
          console.log(
            paint(
              'dim',
              `${new Date(parsed.timeMs).toTimeString().slice(0, 8)} pid ${parsed.pid}: ${parsed.msg}`,
              color,
            ),
          );
          continue;
        }
        const sample = parsed.record;
        const seen = processes.get(parsed.pid);
        if (shownPid !== parsed.pid && (processes.size > 1 || (processes.size === 1 && seen === undefined))) {
          console.log(paint('bold', `pid ${parsed.pid}`, color));
        }
        shownPid = parsed.pid;
        if (rows++ % rowsPerHeader === 0) console.log(formatHeader(color));
        console.log(formatRow(sample, seen?.last ?? null, parsed.timeMs, color));
        if (seen === undefined) processes.set(parsed.pid, { first: sample, last: sample });
        else seen.last = sample;
      }
    })();
    await Promise.race([reading, failed]);
  } catch (error) {
    throw new ExtmemError(
      'ERR_EXTMEM_INPUT',
      `Expected a readable recording, received "${messageOf(error)}"; give the file that --destination named.`,
    );
  }
  if (processes.size === 0) {
    throw new ExtmemError(
      'ERR_EXTMEM_INPUT',
      `Expected sample lines of extmem in ${path}, received ${otherLines} other lines; record with \`extmem run --destination FILE app.js\`.`,
    );
  }
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
