/**
 * The kill switch, in a file of its own: the preload asks before it loads anything else, since every child process
 * inherits it and most are short.
 */

export const enabledVariable = 'EXTMEM_ENABLED';

/** `undefined` for what is neither yes nor no. */
export function flag(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value === '1' || value === 'true' || value === 1) return true;
  if (value === '0' || value === 'false' || value === 0) return false;
  return undefined;
}
