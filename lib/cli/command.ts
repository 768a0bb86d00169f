/** What a command of the CLI is. Only main.ts prints errors and exits. */

/** 0 fine, 1 a leak was found, 2 wrong use or bad input, 3 inconclusive. */
export type ExitCode = number;

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly sentence: string;
  /** Printed below the usage by `--help`. */
  readonly details: string;
  run(args: readonly string[]): Promise<ExitCode>;
}

/** Exit code of wrong use and bad input. */
export const exitUsage = 2;
