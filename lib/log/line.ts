/** The line format: one JSON object per line, shaped as pino's, with everything of ours under `extmem`. */
import { hostname } from 'node:os';
import type { Native } from '../binding/load.js';
import type { Capabilities } from '../capabilities.js';
import type { Alert } from '../judge/alerts.js';
import type { Verdict } from '../judge/verdicts.js';
import type { ResolvedOptions } from '../options.js';
import { version } from '../package.js';
import type { Sample } from '../sample.js';
import { formatBytes, printable } from '../text.js';
import { finish, type Work } from '../work.js';
import type { Sink } from './destination.js';

/** Version of the format. Keys are only added under the same version; readers ignore keys that they do not know. */
export const formatVersion = 1;

export interface StartRecord {
  readonly kind: 'start';
  readonly versions: { readonly extmem: string; readonly node: string; readonly v8: string };
  readonly platform: string;
  readonly allocator: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly capabilities: Capabilities;
}

export type SampleRecord = Sample & { readonly kind: 'sample' };

export interface StopRecord {
  readonly kind: 'stop';
  readonly samples: number;
}

/** A verdict whose state changed. */
export type VerdictRecord = Verdict & { readonly kind: 'verdict' };

/** A threshold that was crossed. */
export type AlertRecord = Alert & { readonly kind: 'alert' };

export type LineRecord = StartRecord | SampleRecord | VerdictRecord | AlertRecord | StopRecord;

const level = { info: 30, warn: 40 } as const;

/** The sentence of a sample line. */
export function describeSample({ rssBytes, ledger, v8 }: Sample): string {
  const rss = rssBytes === null ? 'rss unknown' : `rss ${formatBytes(rssBytes)}`;
  const parts = `${rss}, heap used ${formatBytes(v8.heapUsedBytes)}`;
  if (ledger === null) return `${parts}, no ledger`;
  const { malloc, unattributed } = ledger.leafBytes;
  return `${parts}, malloc ${formatBytes(malloc)}, unattributed ${formatBytes(unattributed)}`;
}

/** What the first line says: what runs here, how it is configured, and what is missing and why. */
export function startRecord(options: ResolvedOptions, native: Native, capabilities: Capabilities): StartRecord {
  return {
    kind: 'start',
    versions: { extmem: version, node: process.version, v8: process.versions.v8 },
    platform: `${process.platform}-${process.arch}`,
    allocator: native.binding?.allocator() ?? 'unknown',
    options: printableOptions(options),
    capabilities,
  };
}

/** A destination that lives in code has no text; its type says enough. */
function printableOptions(options: ResolvedOptions): Record<string, unknown> {
  const { destination } = options;
  const text = typeof destination === 'object' || typeof destination === 'function' ? typeof destination : destination;
  return { ...options, destination: text };
}

/**
 * The text of JSON.stringify, a little at a time: with sites and their frames a line has tens of KB.
 */
function* objectText(record: object): Work<string> {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(record)) {
    if (value === undefined) continue;
    const text = Array.isArray(value) ? yield* arrayText(value) : JSON.stringify(value);
    parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${parts.join(',')}}`;
}

function* arrayText(values: readonly unknown[]): Work<string> {
  const parts: string[] = [];
  for (const value of values) {
    parts.push(JSON.stringify(value));
    yield;
  }
  return `[${parts.join(',')}]`;
}

/** Writes records as lines. `lostLines` on each line is the count since the start, so that a gap shows afterwards. */
export class Log {
  readonly #sink: Sink;
  readonly #hostname = JSON.stringify(hostname());

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(record: LineRecord, msg: string, lineLevel: keyof typeof level = 'info', timeMs = Date.now()): void {
    finish(this.writing(record, msg, lineLevel, timeMs));
  }

  /** The same, which may be put down while the line is made, and before it is written. */
  *writing(record: LineRecord, msg: string, lineLevel: keyof typeof level, timeMs: number): Work<void> {
    const extmem = { v: formatVersion, ...record, lostLines: this.#sink.lostLines };
    const fields = { level: level[lineLevel], msg: printable(msg), extmem };
    const line =
      `{"level":${fields.level},"time":${timeMs},"pid":${process.pid},"hostname":${this.#hostname},"name":"extmem",` +
      `"extmem":${yield* objectText(extmem)},"msg":${JSON.stringify(fields.msg)}}`;
    yield;
    this.#sink.write(line, fields);
  }

  close(): void {
    this.#sink.close();
  }
}
