/**
 * The options, once: one table gives validation, the environment names, `--help` and docs/options.md.
 * Precedence: argument, then environment, then default.
 */
import type { Writable } from 'node:stream';
import { enabledVariable, flag } from './enabled.js';
import { describe, ExtmemError } from './errors.js';

/** A pino-like logger. A line's own fields arrive in the first argument. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** `'stderr'`, `'stdout'`, `'none'`, a file path or an fd; in code also a Writable, a function of a line, or a logger. */
export type Destination = string | number | Writable | ((line: string) => void) | Logger;

/** The options as a caller may write them. */
export interface Options {
  /** Kill switch: `false` makes `start()` a no-op session. */
  enabled?: boolean;
  /** Between samples: milliseconds, or `'500ms'`, `'10s'`, `'1m'`. */
  interval?: number | string;
  /** Where the lines go. */
  destination?: Destination;
  /** Mean bytes between sampled native allocations: bytes, or `'512KiB'`; 0 turns native profiling off. */
  sampleBytes?: number | string;
  /** Frames kept per sample. */
  stackDepth?: number;
  /** Track streams. */
  streams?: boolean;
  /** Samples that a verdict looks back on. */
  window?: number;
  /** Consecutive passes before a verdict says `found`. */
  confirmations?: number;
  /** What "time to limit" counts against, in bytes or `'512MiB'`; default is the limit of the container. */
  memoryLimit?: number | string | null;
  /** Signal on which a report is written, e.g. `'SIGUSR2'`. */
  signal?: string | null;
  /** Directory for reports. */
  reportDir?: string | null;
}

/** The options in force, each validated and in its base unit. */
export interface ResolvedOptions {
  readonly enabled: boolean;
  readonly intervalMs: number;
  readonly destination: Destination;
  readonly sampleBytes: number;
  readonly stackDepth: number;
  readonly streams: boolean;
  readonly window: number;
  readonly confirmations: number;
  readonly memoryLimitBytes: number | null;
  readonly signal: string | null;
  readonly reportDir: string | null;
}

interface OptionRow {
  readonly name: keyof Options;
  readonly resolvedName: keyof ResolvedOptions;
  readonly env: string;
  readonly fallback: unknown;
  /** What the value has to be, as it stands in the error sentence. */
  readonly expected: string;
  /** Returns the value in its base unit, or `undefined` when it is not acceptable. */
  readonly parse: (value: unknown) => unknown;
  readonly sentence: string;
}

const durationUnitsMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const sizeUnits: Record<string, number> = {
  b: 1,
  kb: 1e3,
  kib: 1024,
  mb: 1e6,
  mib: 1024 ** 2,
  gb: 1e9,
  gib: 1024 ** 3,
};

function quantity(value: unknown, units: Record<string, number>, low: number, high: number): number | undefined {
  let number: number | undefined;
  if (typeof value === 'number') number = value;
  else if (typeof value === 'string') {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value.trim());
    const unit = match?.[2]?.toLowerCase() ?? '';
    const factor = unit === '' ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (match && factor !== undefined) number = Number(match[1]) * factor;
  }
  if (number === undefined) return undefined;
  const rounded = Math.round(number);
  return rounded >= low && rounded <= high ? rounded : undefined;
}

const count = (low: number, high: number) => (value: unknown) => {
  const number = quantity(value, {}, low, high);
  return number !== undefined && Number(value) === number ? number : undefined;
};

function isLogger(value: object): value is Logger {
  return 'info' in value && typeof value.info === 'function' && 'warn' in value && typeof value.warn === 'function';
}

function destination(value: unknown): Destination | undefined {
  if (typeof value === 'string' && value !== '') return /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : undefined;
  if (typeof value === 'function') return value as (line: string) => void;
  if (typeof value !== 'object' || value === null) return undefined;
  const { Writable } = require('node:stream') as typeof import('node:stream');
  return value instanceof Writable || isLogger(value) ? value : undefined;
}

const sizeOrNull = (value: unknown) =>
  value === null ? null : quantity(value, sizeUnits, 1024, Number.MAX_SAFE_INTEGER);

function signal(value: unknown): string | null | undefined {
  if (value === null) return null;
  const { constants } = require('node:os') as typeof import('node:os');
  const usable = typeof value === 'string' && Object.hasOwn(constants.signals, value);
  return usable && value !== 'SIGKILL' && value !== 'SIGSTOP' ? value : undefined;
}

const path = (value: unknown) => (value === null || (typeof value === 'string' && value !== '') ? value : undefined);

/** In the order of the documentation. `npm run docs` writes docs/options.md from it. */
export const optionTable: readonly OptionRow[] = [
  {
    name: 'enabled',
    resolvedName: 'enabled',
    env: enabledVariable,
    fallback: true,
    expected: 'true, false, 1 or 0',
    parse: flag,
    sentence: 'Kill switch; when off, start() returns a session that does nothing.',
  },
  {
    name: 'interval',
    resolvedName: 'intervalMs',
    env: 'EXTMEM_INTERVAL',
    fallback: '10s',
    expected: "a duration from 10ms to 24h such as 500, '500ms', '10s' or '1m'",
    parse: (value) => quantity(value, durationUnitsMs, 10, 86_400_000),
    sentence: 'Time between samples; a plain number is milliseconds.',
  },
  {
    name: 'destination',
    resolvedName: 'destination',
    env: 'EXTMEM_DEST',
    fallback: 'stderr',
    expected: "'stderr', 'stdout', 'none', a file path, an fd, a Writable, a function or a logger",
    parse: destination,
    sentence: 'Where the lines go. A Writable, a function of a line, and a pino-like logger are accepted in code only.',
  },
  {
    name: 'sampleBytes',
    resolvedName: 'sampleBytes',
    env: 'EXTMEM_SAMPLE_BYTES',
    fallback: '512KiB',
    expected: "a size such as 524288, '512KiB' or 0",
    parse: (value) => quantity(value, sizeUnits, 0, 2 ** 40),
    sentence: 'Mean bytes between sampled native allocations; 0 turns native profiling off.',
  },
  {
    name: 'stackDepth',
    resolvedName: 'stackDepth',
    env: 'EXTMEM_STACK_DEPTH',
    fallback: 64,
    expected: 'an integer from 1 to 128',
    parse: count(1, 128),
    sentence: 'Frames kept per sampled allocation.',
  },
  {
    name: 'streams',
    resolvedName: 'streams',
    env: 'EXTMEM_STREAMS',
    fallback: true,
    expected: 'true, false, 1 or 0',
    parse: flag,
    sentence: 'Track streams that are never destroyed.',
  },
  {
    name: 'window',
    resolvedName: 'window',
    env: 'EXTMEM_WINDOW',
    fallback: 120,
    expected: 'an integer from 30 to 1000',
    parse: count(30, 1000),
    sentence: 'Samples that a verdict looks back on.',
  },
  {
    name: 'confirmations',
    resolvedName: 'confirmations',
    env: 'EXTMEM_CONFIRMATIONS',
    fallback: 3,
    expected: 'an integer from 1 to 20',
    parse: count(1, 20),
    sentence: 'Consecutive passes of the growth test before a verdict says found.',
  },
  {
    name: 'memoryLimit',
    resolvedName: 'memoryLimitBytes',
    env: 'EXTMEM_MEMORY_LIMIT',
    fallback: null,
    expected: "a size of at least 1KiB such as 536870912 or '512MiB'",
    parse: sizeOrNull,
    sentence: 'What "time to limit" counts against; by default the limit that the container or the machine sets.',
  },
  {
    name: 'signal',
    resolvedName: 'signal',
    env: 'EXTMEM_SIGNAL',
    fallback: null,
    expected: "the name of a signal that can be caught, such as 'SIGUSR2'",
    parse: signal,
    sentence: 'Write a report when the process receives this signal.',
  },
  {
    name: 'reportDir',
    resolvedName: 'reportDir',
    env: 'EXTMEM_REPORT_DIR',
    fallback: null,
    expected: 'a directory path',
    parse: path,
    sentence: 'Directory where reports go.',
  },
];

/** Levenshtein distance, for "did you mean". Short names only, so the plain quadratic form does. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitute, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** The name in `known` with the smallest edit distance to `name`. */
export function nearest(name: string, known: readonly string[]): string {
  const lower = name.toLowerCase();
  return known.reduce((best, next) =>
    distance(lower, next.toLowerCase()) < distance(lower, best.toLowerCase()) ? next : best,
  );
}

function invalid(source: string, row: OptionRow, value: unknown): ExtmemError {
  return new ExtmemError(
    'ERR_EXTMEM_OPTION_INVALID',
    `Expected ${source} to be ${row.expected}, received ${describe(value)}; see docs/options.md.`,
  );
}

export interface Resolution {
  readonly options: ResolvedOptions;
  /** Malformed environment variables; each fell back to its default. */
  readonly problems: readonly ExtmemError[];
}

/**
 * Merges arguments, environment and defaults. A bad argument throws; a bad environment variable is returned as a
 * problem, since a deployment's typo must not stop the service.
 */
export function resolveOptions(given: Options = {}, env: NodeJS.ProcessEnv = process.env): Resolution {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ExtmemError(
      'ERR_EXTMEM_OPTION_INVALID',
      `Expected options to be an object, received ${describe(given)}; pass { interval: '10s' } or nothing.`,
    );
  }
  const names = optionTable.map((row) => row.name as string);
  for (const key of Object.keys(given)) {
    if (!names.includes(key)) {
      throw new ExtmemError(
        'ERR_EXTMEM_OPTION_UNKNOWN',
        `Expected an option of extmem, received ${describe(key)}; did you mean ${describe(nearest(key, names))}?`,
      );
    }
  }
  const problems: ExtmemError[] = [];
  const resolved: Record<string, unknown> = {};
  for (const row of optionTable) {
    const argument = given[row.name];
    const variable = env[row.env];
    let value = row.parse(row.fallback);
    if (argument !== undefined) {
      value = row.parse(argument);
      if (value === undefined) throw invalid(`option '${row.name}'`, row, argument);
    } else if (variable !== undefined && variable !== '') {
      const parsed = row.parse(variable);
      if (parsed === undefined) problems.push(invalid(row.env, row, variable));
      else value = parsed;
    }
    resolved[row.resolvedName] = value;
  }
  for (const key of Object.keys(env)) {
    if (key.startsWith('EXTMEM_') && key !== 'EXTMEM_PREBUILD' && !optionTable.some((row) => row.env === key)) {
      const close = nearest(
        key,
        optionTable.map((row) => row.env),
      );
      problems.push(
        new ExtmemError(
          'ERR_EXTMEM_OPTION_UNKNOWN',
          `Expected an environment variable of extmem, received ${key}; did you mean ${close}?`,
        ),
      );
    }
  }
  return { options: resolved as unknown as ResolvedOptions, problems };
}
