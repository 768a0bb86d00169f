/** This package itself: its version, where it lies, and which files on a stack are its own. */
import { resolve, sep } from 'node:path';

/** Of package.json, which the build does not copy. */
export const version: string = (require('../package.json') as { version: string }).version;

export const packageRoot = resolve(__dirname, '..');

/** With the separator: a neighbour's name may begin with ours. */
const ownCode = __dirname + sep;

/** Scripts of the self-test have names of this scheme. */
export const ownScheme = 'extmem:';

/** @param file a path, or the name of a script that was not read from a file. */
export function isOwnFile(file: string): boolean {
  return file.startsWith(ownCode) || file.startsWith(ownScheme);
}
