/** `extmem run`: a program with the preload, otherwise as it would run without us. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { attendedVariable } from '../attended.js';
import { ExtmemError } from '../errors.js';
import { nearest, optionTable, resolveOptions } from '../options.js';
import { printable } from '../text.js';
import type { Command } from './command.js';
import { printError } from './print.js';

const register = resolve(__dirname, '..', 'register.js');

const toFlag = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const flags = optionTable.map((row) => ({ flag: toFlag(row.name), row }));

interface Invocation {
  readonly env: Record<string, string>;
  readonly program: readonly string[];
}

/** Our flags end at the first argument that is none: the program and all that follows are not ours to read. */
function parse(args: readonly string[]): Invocation {
  const env: Record<string, string> = {};
  let index = 0;
  for (; index < args.length && args[index]?.startsWith('-'); index++) {
    const argument = args[index] ?? '';
    if (argument === '--') {
      index++;
      break;
    }
    const [name = '', inline] = argument.split(/=(.*)/s, 2);
    const known = flags.find(({ flag }) => flag === name);
    if (known === undefined) {
      const close = nearest(
        name,
        flags.map(({ flag }) => flag),
      );
      throw new ExtmemError(
        'ERR_EXTMEM_USAGE',
        `Expected an option of extmem before the program, received ${JSON.stringify(name)}; did you mean ${close}? Options for node go into NODE_OPTIONS.`,
      );
    }
    const value = inline ?? args[++index];
    if (value === undefined || value === '') {
      throw new ExtmemError(
        'ERR_EXTMEM_USAGE',
        `Expected a value after ${name}, received nothing; give ${known.row.expected}.`,
      );
    }
    if (known.row.parse(value) === undefined) {
      throw new ExtmemError(
        'ERR_EXTMEM_OPTION_INVALID',
        `Expected ${name} to be ${known.row.expected}, received ${JSON.stringify(value)}; see extmem run --help.`,
      );
    }
    env[known.row.env] = value;
  }
  return { env, program: args.slice(index) };
}

/** Signals that a supervisor or a terminal sends to end or steer a program: the child decides what they do. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

async function run(args: readonly string[]): Promise<number> {
  const { env, program } = parse(args);
  const [script, ...rest] = program;
  if (script === undefined) {
    throw new ExtmemError('ERR_EXTMEM_USAGE', 'Expected a program to run, received nothing; call `extmem run app.js`.');
  }
  // A typo in a flag stops here, before anything runs; in the program it would only be a warning.
  const { problems, options } = resolveOptions({}, { ...process.env, ...env });
  if (problems[0] !== undefined) throw problems[0];

  const child = spawn(process.execPath, ['--require', register, script, ...rest], {
    stdio: 'inherit',
    env: { ...process.env, ...env, [attendedVariable]: '1' },
  });
  // A terminal signals the whole group, the program included: passed on, it would come twice.
  const fromTerminal = new Set<string>(
    process.stdin.isTTY ? ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH', 'SIGCONT'] : [],
  );
  for (const signal of forwarded) {
    process.on(signal, () => {
      if (!fromTerminal.has(signal)) child.kill(signal);
    });
  }
  return new Promise((done, fail) => {
    child.on('error', (error) =>
      fail(new ExtmemError('ERR_EXTMEM_USAGE', `Expected to start ${process.execPath}, received "${error.message}".`)),
    );
    child.on('exit', (code, signal) => {
      if (typeof options.destination === 'string' && !['stderr', 'stdout', 'none'].includes(options.destination)) {
        printError(`extmem: next: extmem top ${printable(options.destination)}`);
      } else {
        printError(`extmem: next: record to a file with --destination leak.ndjson, then extmem top leak.ndjson`);
      }
      if (signal === null) return done(code ?? 0);
      // Die of the same signal, so that a supervisor sees what it would have seen without us.
      for (const name of forwarded) process.removeAllListeners(name);
      process.kill(process.pid, signal);
      // Reached when the signal does not end us, e.g. SIGQUIT blocked by a parent: the shell's convention then.
      setTimeout(() => done(128 + (constants.signals[signal] ?? 0)), 100);
    });
  });
}

export const runCommand: Command = {
  name: 'run',
  usage: 'extmem run [options] app.js [args]',
  sentence: 'Runs a program with extmem preloaded.',
  details: [
    'Options (each also as a variable):',
    ...flags.flatMap(({ flag, row }) => [
      `  ${flag.padEnd(18)} ${row.env.padEnd(22)} ${row.fallback === null ? '' : `default ${String(row.fallback)}`}`,
      `      ${row.sentence}`,
    ]),
    '',
    "The program's exit code and signals are passed through.",
  ].join('\n'),
  run,
};
