/**
 * Text and numbers for people, once. Sizes are in KiB and MiB, powers of two, and say so: what limits a process (a container's
 * `512Mi`, `--max-old-space-size`) is counted in these, while "MB" means 10^6 to half of the readers.
 */

/** Controls of both sets, line and paragraph separators, halves of a pair, and what turns the direction of text. */
const obeyed = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * Text from outside as one line that a terminal shows and does not obey. What it would obey stands there as JSON writes
 * it, `\u001b`: left out, two names would look like one, and in a text of JSON it is still the same value.
 */
export function printable(text: string): string {
  // Nearly all text is, and the classes of characters above take three milliseconds to compile.
  if (/^[ -~]*$/.test(text)) return text;
  return text.replace(obeyed, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export const MiB = 2 ** 20;
const KiB = 2 ** 10;
const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;

/** `213.4 MiB`, `64 KiB`, `512 B`; signed when the number is negative. */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  if (size >= MiB) return `${(bytes / MiB).toFixed(1)} MiB`;
  return size >= KiB ? `${Math.round(bytes / KiB)} KiB` : `${Math.round(bytes)} B`;
}

/** `+1.2 MiB`, `-300 KiB`. */
export function formatChange(bytes: number): string {
  return `${bytes < 0 ? '' : '+'}${formatBytes(bytes)}`;
}

/** `90 s`, `12 min`, `3.5 h`. */
export function formatSpan(ms: number): string {
  if (ms < 2 * minuteMs) return `${Math.round(ms / 1000)} s`;
  return ms < 2 * hourMs ? `${Math.round(ms / minuteMs)} min` : `${(ms / hourMs).toFixed(1)} h`;
}

/** `84 %` of a ratio of 0.84. */
export function formatPercent(ratio: number): string {
  return `${Math.round(100 * ratio)} %`;
}

/** `1 file`, `2 files`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
