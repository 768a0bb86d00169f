#!/usr/bin/env node
/** The command line: finds the command, runs it, prints errors as one sentence, exits. */
import { ExtmemError, messageOf } from '../errors.js';
import { nearest } from '../options.js';
import { version } from '../package.js';
import { printable } from '../text.js';
import { checkCommand } from './check.js';
import { type Command, exitUsage } from './command.js';
import { doctorCommand } from './doctor.js';
import { print, printError } from './print.js';
import { runCommand } from './run.js';
import { topCommand } from './top.js';

const commands: readonly Command[] = [runCommand, topCommand, checkCommand, doctorCommand];

function overview(): string {
  const rows = commands.map((command) => `  ${command.usage.padEnd(42)} ${command.sentence}`);
  return [
    'extmem explains the memory of a Node.js process outside the V8 heap.',
    '',
    'Usage:',
    ...rows,
    '',
    'Exit codes: 0 fine, 2 wrong use or bad input; `check` adds 1 for a leak found and 3 for inconclusive; `run` passes',
    'on those of the program.',
    'Next: `extmem doctor` tells what works here, `extmem COMMAND --help` what a command takes.',
  ].join('\n');
}

function help(command: Command): string {
  return [`Usage: ${command.usage}`, '', command.sentence, '', command.details].join('\n');
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(overview());
    return name === undefined ? exitUsage : 0;
  }
  if (name === '--version' || name === '-v') {
    print(version);
    return 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const names = commands.map((candidate) => candidate.name);
    throw new ExtmemError(
      'ERR_EXTMEM_USAGE',
      `Expected a command (${names.join(', ')}), received ${JSON.stringify(name)}; did you mean "${nearest(name, names)}"?`,
    );
  }
  // Flags before the program are ours; what follows it is not.
  const own = rest.slice(
    0,
    Math.max(
      0,
      rest.findIndex((argument) => /\.[cm]?[jt]s$/.test(argument)),
    ) || rest.length,
  );
  if (own.includes('--help') || own.includes('-h')) {
    print(help(command));
    return 0;
  }
  return command.run(rest);
}

// `extmem top FILE | head` closes our stdout: the reader has what it wanted, so that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  printError(`extmem: Expected standard output to take what is shown, received "${printable(error.message)}".`);
  process.exit(exitUsage);
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const code = error instanceof ExtmemError ? error.code : 'ERR_EXTMEM_INPUT';
    printError(`extmem: ${printable(messageOf(error))} [${code}]`);
    process.exitCode = exitUsage;
  },
);
