/** Color on a terminal that wants it. `util.styleText` would do, but it came after Node 20.9. */

import { printable } from '../text.js';

const codes = { bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], dim: [2, 22] } as const;

/** Splits a line at the codes that `paint()` writes, and at no other. */
export const colorCode = new RegExp(`(\u001b\\[(?:${Object.values(codes).flat().join('|')})m)`);

/** @param text may come from outside: what it has of codes is shown, not obeyed. */
export function paint(style: keyof typeof codes, text: string, enabled: boolean): string {
  const [open, close] = codes[style];
  return enabled ? `\u001b[${open}m${printable(text)}\u001b[${close}m` : text;
}

/** Only a terminal gets color, and not if NO_COLOR (no-color.org) is set. */
export function wantsColor(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR;
}
