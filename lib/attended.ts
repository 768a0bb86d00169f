/** Whether somebody waits at a terminal for what is found, and would rather have a pause than no answer. */

/** Set by `extmem run` for the program that it starts. */
export const attendedVariable = 'EXTMEM_ATTENDED';

export function isAttended(): boolean {
  return process.env[attendedVariable] === '1';
}
