/** The recording that a command is given: a path or `-`, read line by line. */
import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { ExtmemError, messageOf } from '../errors.js';
import { parseLine, type RecordedLine } from '../log/recording.js';
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

/**
 * Hands every line of ours to `onLine`, in order. Returns how many others there were, blank ones aside.
 * @throws ExtmemError `ERR_EXTMEM_INPUT` when the file cannot be read, or holds no sample at all.
 */
export async function readRecording(path: string, onLine: (line: RecordedLine) => void): Promise<number> {
  let otherLines = 0;
  let samples = 0;
  try {
    for await (const text of readLines(path === '-' ? process.stdin : createReadStream(path))) {
      const line = parseLine(text);
      if (line === null) otherLines += Number(text.trim() !== '');
      else {
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
  if (samples > 0) return otherLines;
  throw new ExtmemError(
    'ERR_EXTMEM_INPUT',
    `Expected sample lines of extmem in ${path}, received ${otherLines} other lines; record with \`extmem run --destination FILE app.js\`.`,
  );
}
