// Judges recorded lines as a user does, by `extmem check --json`: processes are told apart by their pid, so simulated
// ones need nothing but a pid that is made up.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

const require = createRequire(import.meta.url);
const manifest = require.resolve('extmem/package.json');

/** The file that `extmem` on the command line runs. */
export const commandLine = join(dirname(manifest), require(manifest).bin.extmem);

/** A line as a session writes it. @param record what stands under `extmem`, with its kind. */
export const lineOf = (pid, timeMs, record) =>
  `${JSON.stringify({ level: 30, time: timeMs, pid, name: 'extmem', extmem: { v: 1, ...record }, msg: '' })}\n`;

function* chunksOf(lines) {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < 2 ** 16) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}

/** What became of each process, in the order of their first lines. */
export async function check(lines) {
  const child = spawn(process.execPath, [commandLine, 'check', '--json', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), pipeline(Readable.from(chunksOf(lines)), child.stdin)]);
  return JSON.parse(output).processes;
}
