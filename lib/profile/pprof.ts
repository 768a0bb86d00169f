/** A native profile in the format of pprof, and as collapsed stacks. Pure: from stacks and totals to bytes and text. */
import type { Location, Mapping, Function as PprofFunction } from 'pprof-format';
import { frameText } from '../site.js';
import { type SiteInput, type StackFrame, shownFrame } from './sites.js';

export interface ProfileTime {
  readonly startedMs: number;
  readonly takenMs: number;
  /** Mean bytes between samples when the profile was taken. */
  readonly sampleBytes: number;
}

/** Ids start at 1: pprof reads 0 as "none". */
class Numbering<Value> {
  readonly values: Value[] = [];
  readonly #ids = new Map<string, number>();

  id(key: string, make: (id: number) => Value): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.values.length + 1;
    this.#ids.set(key, id);
    this.values.push(make(id));
    return id;
  }
}

const valueTypes = [
  ['alloc_objects', 'count'],
  ['alloc_space', 'bytes'],
  ['inuse_objects', 'count'],
  ['inuse_space', 'bytes'],
] as const;

/** Gzipped `profile.proto`, as `go tool pprof` reads it; it shows `inuse_space` unless told otherwise. */
export function toPprof(stacks: readonly SiteInput[], time: ProfileTime): Buffer {
  // Loaded when somebody asks for a profile: a session that is never asked does not pay for it.
  const { gzipSync } = require('node:zlib') as typeof import('node:zlib');
  const pprof = require('pprof-format') as typeof import('pprof-format');
  const strings = new pprof.StringTable();
  const functions = new Numbering<PprofFunction>();
  const locations = new Numbering<Location>();
  const mappings = new Numbering<Mapping>();

  const locationOf = (frame: StackFrame) =>
    locations.id(`${frame.kind}|${frame.name}|${frame.file}|${frame.line}|${frame.column}|${frame.pc}`, (id) => {
      const name = frame.name || frameText(shownFrame(frame));
      const functionId = functions.id(
        `${name}|${frame.file}`,
        (number) =>
          new pprof.Function({
            id: number,
            name: strings.dedup(name),
            systemName: strings.dedup(name),
            filename: strings.dedup(frame.file),
          }),
      );
      const mappingId =
        frame.kind === 'native' && frame.file !== ''
          ? mappings.id(
              frame.file,
              (number) => new pprof.Mapping({ id: number, filename: strings.dedup(frame.file), hasFunctions: true }),
            )
          : 0;
      return new pprof.Location({
        id,
        mappingId,
        address: frame.pc,
        line: [new pprof.Line({ functionId, line: frame.line })],
      });
    });

  const sample = stacks.map(
    ({ totals, frames }) =>
      new pprof.Sample({
        locationId: frames.map(locationOf),
        value: [
          Math.round(totals.allocatedCount),
          totals.allocatedBytes,
          Math.max(0, Math.round(totals.allocatedCount - totals.freedCount)),
          Math.max(0, totals.allocatedBytes - totals.freedBytes),
        ],
      }),
  );
  const typeOf = ([type, unit]: readonly [string, string]) =>
    new pprof.ValueType({ type: strings.dedup(type), unit: strings.dedup(unit) });
  const profile = new pprof.Profile({
    sampleType: valueTypes.map(typeOf),
    sample,
    mapping: mappings.values,
    location: locations.values,
    function: functions.values,
    periodType: typeOf(['space', 'bytes']),
    period: time.sampleBytes,
    timeNanos: BigInt(Math.round(time.takenMs)) * 1_000_000n,
    durationNanos: BigInt(Math.round(time.takenMs - time.startedMs)) * 1_000_000n,
    defaultSampleType: strings.dedup('inuse_space'),
    stringTable: strings,
  });
  return gzipSync(profile.encode());
}

/** One line a stack, outermost first, with its live bytes: the input of flame graph tools. */
export function toCollapsed(stacks: readonly SiteInput[]): string {
  const lines = new Map<string, number>();
  for (const { totals, frames } of stacks) {
    const bytes = totals.allocatedBytes - totals.freedBytes;
    if (bytes <= 0) continue;
    const names = frames.map((frame) => frameText(shownFrame(frame)).replaceAll(';', ':').replaceAll('\n', ' '));
    const line = names.reverse().join(';') || '(stack not kept)';
    lines.set(line, (lines.get(line) ?? 0) + bytes);
  }
  return [...lines].map(([line, bytes]) => `${line} ${Math.round(bytes)}\n`).join('');
}
