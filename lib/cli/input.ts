/** The recording that a command is given: a path or `-`, read line by line. */
import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { ExtmemError, messageOf } from '../errors.js';
import { parseLine, type RecordedLine, type Refusal } from '../log/recording.js';
import { MiB } from '../text.js';

/** No line of ours comes near it; a longer one is skipped instead of held. */
const longestLine = 16 * MiB;

/** @throws ExtmemError `ERR_EXTMEM_USAGE` unless there is exactly one path. */
export function recordingPath(command: string, args: readonly string[]): string {
  const [path, ...rest] = args;
  if (path !== undefined && rest.length === 0 && (path === '-' || !path.startsWith('-'))) return path;
  throw new ExtmemError(
    'ERR_EXTMEM_USAGE',
    `Expected one recording, received ${args.length === 0 ? 'nothing' : JSON.stringify(args.join(' '))}; call \`extmem ${command} FILE.ndjson\`, or \`-\` for standard input.`,
  );
}

async function* readLines(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let skips = false;
  for await (const chunk of input) {
    const parts = decoder.write(chunk).split('\n');
    parts[0] = rest + parts[0];
    rest = parts.pop() ?? '';
    for (const line of parts) {
      // The end of a line that was too long counts as one line that is not ours.
      yield skips ? 'too long' : line;
      skips = false;
    }
    if (rest.length > longestLine) {
      skips = true;
      rest = '';
    }
  }
  rest += decoder.end();
  if (rest !== '' || skips) yield skips ? 'too long' : rest;
}

/** Lines that were not handed on, by reason; blank ones aside. */
export type Refusals = ReadonlyMap<Refusal, number>;

const reasons: Readonly<Record<Refusal, string>> = {
  foreign: 'were not of extmem, or cut off',
  version: 'were of another version of the format',
  time: 'had a time that cannot be',
  pid: 'had a pid that cannot be',
  shape: 'had fields that cannot be',
};

/** One sentence, or `null` when every line was read. */
export function refusedSentence(refusals: Refusals): string | null {
  if (refusals.size === 0) return null;
  return `${[...refusals].map(([reason, count]) => `${count} lines ${reasons[reason]}`).join('; ')}.`;
}

/**
 * Hands every line of ours to `onLine`, in order. Returns what was left out.
 * @throws ExtmemError `ERR_EXTMEM_INPUT` when the file cannot be read, or holds no sample at all.
 */
export async function readRecording(path: string, onLine: (line: RecordedLine) => void): Promise<Refusals> {
  const refusals = new Map<Refusal, number>();
  let samples = 0;
  try {
    for await (const text of readLines(path === '-' ? process.stdin : createReadStream(path))) {
      if (text.trim() === '') continue;
      const line = parseLine(text, (reason) => refusals.set(reason, (refusals.get(reason) ?? 0) + 1));
      if (line !== null) {
        samples += Number(line.record.kind === 'sample');
        onLine(line);
      }
    }
  } catch (error) {
    throw new ExtmemError(
      'ERR_EXTMEM_INPUT',
      `Expected a readable recording, received "${messageOf(error)}"; give the file that --destination named.`,
    );
  }
  if (samples > 0) return refusals;
  const others = [...refusals.values()].reduce((sum, count) => sum + count, 0);
  const why = others > 0 ? ` (${refusedSentence(refusals)?.slice(0, -1)})` : '';
  throw new ExtmemError(
    'ERR_EXTMEM_INPUT',
    `Expected sample lines of extmem in ${path}, received ${others} other lines${why}; record with \`extmem run --destination FILE app.js\`.`,
  );
}
