/** The one place where the CLI prints: whatever a line was made of, a terminal gets text and our own colors. */
import { printable } from '../text.js';
import { colorCode, wantsColor } from './color.js';

function lineFor(stream: { isTTY?: boolean }, line: string): string {
  if (!wantsColor(stream)) return printable(line);
  // Every other part is a code of ours.
  return line
    .split(colorCode)
    .map((part, index) => (index % 2 === 1 ? part : printable(part)))
    .join('');
}

const textFor = (stream: { isTTY?: boolean }, text: string) =>
  text
    .split('\n')
    .map((line) => lineFor(stream, line))
    .join('\n');

/** @param text lines of ours; what comes from outside has no line ends of its own, see `printable()`. */
export function print(text: string): void {
  console.log(textFor(process.stdout, text));
}

export function printError(text: string): void {
  console.error(textFor(process.stderr, text));
}
