/**
 * From totals per stack to sites: the lines of source that hold native memory, with the error of each estimate.
 *
 * A sample of S bytes drawn at mean R stands for S/p bytes, p = 1 - exp(-S/R) (docs/sampling.md). Sums X of these are
 * unbiased, and V = sum of (S/p)^2 (1 - p) estimates their variance. The 95 % interval is the score interval of a
 * Poisson count in units of w = V/X bytes: it is lopsided when few samples are behind it, as the truth is, and closes
 * to X when everything was recorded exactly.
 */

import type { Binding, FrameKind, StackNumbers } from '../binding/binding.js';
import { orNull, rowsOf } from '../binding/fields.js';
import { isOwnFile } from '../package.js';
import { type Frame, frameAt, frameText, originOf, placeKey, type Site } from '../site.js';
import type { Work } from '../work.js';

/** One row of `profileTotals()`; no live sample is `null`. */
export type StackTotals = Omit<StackNumbers, 'oldestSecond'> & { readonly oldestSecond: number | null };

export interface StackFrame {
  readonly kind: FrameKind;
  /** Function; empty when it has none. */
  readonly name: string;
  /** Path of the source of JavaScript, of the module otherwise; empty when unknown. */
  readonly file: string;
  /** From 1; 0 when unknown. */
  readonly line: number;
  readonly column: number;
  /** Return address of native frames, from the base of the module where that is known; else 0. */
  readonly pc: number;
  /** From the start of the function, or of the module when `name` is empty. */
  readonly offset: number;
}

/** What one place in the source holds outside the JS heap; `frames` are of the stack that holds most of it. */
export interface NativeSite extends Site {
  readonly heap: 'native';
  /** 95 % interval; `errorBytes` is half of its width. */
  readonly liveBytesRange: readonly [low: number, high: number];
  readonly allocatedBytes: number;
  readonly freedBytes: number;
  /** Change of `liveBytes` since the previous look; `null` at the first. */
  readonly growthBytes: number | null;
  readonly oldestMs: number | null;
  readonly samples: number;
}

const z95 = 1.959964;

/** Between two places to put the work down: some 50 µs. */
const rowsAtOnce = 16;

export function interval95(bytes: number, variance: number): [low: number, high: number] {
  if (bytes <= 0 || variance <= 0) return [Math.max(0, bytes), Math.max(0, bytes)];
  const half = ((variance / bytes) * z95 ** 2) / 2;
  const spread = Math.sqrt(z95 ** 2 * variance + half ** 2);
  return [Math.max(0, Math.round(bytes + half - spread)), Math.round(bytes + half + spread)];
}

/** @param numbers of `profileTotals()`. */
export function* readTotals({ stackFields }: Pick<Binding, 'stackFields'>, numbers: Float64Array): Work<StackTotals[]> {
  const rows: StackTotals[] = [];
  for (const row of rowsOf<StackNumbers>(stackFields, numbers)) {
    rows.push({
      stack: row.stack,
      allocatedBytes: row.allocatedBytes,
      allocatedCount: row.allocatedCount,
      freedBytes: row.freedBytes,
      freedCount: row.freedCount,
      variance: row.variance,
      samples: row.samples,
      liveSamples: row.liveSamples,
      oldestSecond: orNull(row.oldestSecond),
    });
    if (rows.length % rowsAtOnce === 0) yield;
  }
  return rows;
}

/** An address that nobody has named yet. */
export interface Unnamed {
  readonly id: number;
  readonly pc: number;
  readonly kind: FrameKind;
}

/** Reads stacks from the binding, and names their addresses once. */
export class StackReader {
  readonly #binding: Binding;
  readonly #frames = new Map<number, StackFrame>();
  readonly #stacks = new Map<number, Float64Array>();

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** Reads what the given stacks need and is not known. Returns the addresses among it, for `name()`. */
  *look(stacks: Iterable<number>): Work<Unnamed[]> {
    const unnamed: Unnamed[] = [];
    const looked = new Set<number>();
    for (const stack of stacks) {
      yield;
      looked.add(stack);
      const ids = this.#binding.profileStack(stack);
      this.#stacks.set(stack, ids);
      for (const id of ids) {
        const known = this.#frames.get(id);
        // The line of a frame in a large script may be found later (native/v8/lines.h).
        if (known !== undefined && (known.kind !== 'javascript' || known.line > 0)) continue;
        const frame = this.#binding.profileFrame(id);
        if (frame === null) continue;
        const { kind, name, script, line, column, pc } = frame;
        this.#frames.set(id, { kind, name, ...originOf({ file: script, line, column }), pc, offset: 0 });
        if (pc !== 0) unnamed.push({ id, pc, kind });
        yield;
      }
    }
    if (this.#stacks.size > 2 * looked.size) yield* this.#keep(looked);
    return unnamed;
  }

  /** Code that comes and goes has any number of stacks and frames, of which those alive are few. */
  *#keep(stacks: ReadonlySet<number>): Work<void> {
    const frames = new Set<number>();
    for (const [stack, ids] of this.#stacks) {
      yield;
      if (!stacks.has(stack)) this.#stacks.delete(stack);
      else for (const id of ids) frames.add(id);
    }
    for (const id of this.#frames.keys()) {
      if (!frames.has(id)) this.#frames.delete(id);
    }
  }

  /** Looks addresses up, off this thread: a text for `name()`. */
  async lookUp(unnamed: readonly Unnamed[]): Promise<string> {
    if (unnamed.length === 0) return '';
    return this.#binding.profileSymbols(Float64Array.from(unnamed, ({ id }) => id));
  }

  /** Takes over what was looked up. */
  *name(unnamed: readonly Unnamed[], text: string): Work<void> {
    let at = 0;
    const next = () => {
      const end = text.indexOf('\0', at);
      const part = text.slice(at, end);
      at = end + 1;
      return part;
    };
    for (const [i, { id, pc, kind }] of unnamed.entries()) {
      const [file, name, offset] = [next(), next(), Number(next())];
      const shown = kind === 'builtin' ? name.replace(/^Builtins_/, '') : name;
      this.#frames.set(id, { kind, name: shown, file, line: 0, column: 0, pc, offset });
      if (i % rowsAtOnce === 0) yield;
    }
  }

  /**
   * Innermost first, as they were when the stack was looked at: its number may be another one's by now. Empty when it was
   * not kept; one that lacks a frame would show another line in its place.
   */
  frames(stack: number): StackFrame[] {
    const frames: StackFrame[] = [];
    for (const id of this.#stacks.get(stack) ?? []) {
      const frame = this.#frames.get(id);
      if (frame === undefined) return [];
      frames.push(frame);
    }
    return frames;
  }
}

/** Of JavaScript the script is known even where the function is not. */
function isScript({ kind, file }: StackFrame): boolean {
  return kind === 'javascript' || (kind === 'unreadable' && file !== '');
}

/** Node's own frames, and ours: kept in the stack, but nobody's site. */
function isInternal(frame: StackFrame): boolean {
  return !isScript(frame) || frame.file.startsWith('node:') || isOwnFile(frame.file);
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** A frame as everybody shows it. */
export function shownFrame(frame: StackFrame): Frame {
  if (frame.kind === 'javascript') return frameAt(frame.name, { ...frame, file: frame.file || '<anonymous>' });
  if (isScript(frame)) return frameAt(unnamed.unreadable, frame);
  const file = frame.file === '' ? null : baseName(frame.file);
  const nameless = frame.kind === 'native' && file !== null ? `+0x${frame.offset.toString(16)}` : unnamed[frame.kind];
  return { function: frame.name || nameless, file, line: null, column: null };
}

/** What a frame without a name and a module is. */
const unnamed: Readonly<Record<Exclude<FrameKind, 'javascript'>, string>> = {
  native: '(generated code)',
  builtin: '(builtin of V8)',
  unreadable: '(JavaScript, not decoded)',
  mapping: '(mmap)',
  unread: '(further out: not read)',
};

/** Allocation helpers under everybody's feet: they are the means, not the place. */
const runtimeModule = /^(libc|libstdc\+\+|libgcc_s|libm|libpthread|ld-linux[^/]*|ld-musl[^/]*)[.-]/;

export function moduleOf(frames: readonly StackFrame[], executable: string): string | null {
  const natives = frames.filter((frame) => frame.kind === 'native' && frame.file !== '');
  const first = natives.find((frame) => !runtimeModule.test(baseName(frame.file)));
  if (first === undefined) return null;
  return first.file === executable ? 'node' : baseName(first.file);
}

export function siteOf(frames: readonly StackFrame[]): string {
  const line = frames.find((candidate) => !isInternal(candidate));
  // What was read is Node's own; the line that called it is among the rest.
  if (line === undefined && frames.at(-1)?.kind === 'unread') return '(stack not read to its end)';
  const frame =
    line ??
    frames.find(isScript) ??
    frames.find(({ kind, file, name }) => kind === 'native' && name !== '' && !runtimeModule.test(baseName(file))) ??
    frames.find(({ kind }) => kind === 'native');
  return frame === undefined ? '(stack not kept)' : frameText(shownFrame(frame));
}

export interface SiteInput {
  readonly totals: StackTotals;
  readonly frames: readonly StackFrame[];
}

export interface SiteView {
  /** Path of the executable, which is shown as `node`. */
  readonly executable: string;
  readonly nowSecond: number;
  /** Live bytes by site and module at the previous look. */
  readonly previous?: ReadonlyMap<string, number>;
}

const liveBytesOf = ({ totals }: SiteInput) => totals.allocatedBytes - totals.freedBytes;

interface Group {
  readonly stacks: SiteInput[];
  liveBytes: number;
}

/** Joins the stacks of each site, and tells the `most` sites that hold most, most live bytes first. */
export function* groupSites(
  stacks: Iterable<SiteInput>,
  view: SiteView,
  most = Number.POSITIVE_INFINITY,
): Work<NativeSite[]> {
  const groups = new Map<string, Group>();
  for (const stack of stacks) {
    yield;
    const key = placeKey({ site: siteOf(stack.frames), module: moduleOf(stack.frames, view.executable) });
    const group = groups.get(key) ?? { stacks: [], liveBytes: 0 };
    group.stacks.push(stack);
    group.liveBytes += liveBytesOf(stack);
    groups.set(key, group);
  }
  const largest = [...groups.values()].sort((a, b) => b.liveBytes - a.liveBytes);
  const sites: NativeSite[] = [];
  for (const group of largest.slice(0, most)) {
    yield;
    sites.push(summarize(group.stacks, view));
  }
  return sites;
}

function summarize(group: readonly SiteInput[], view: SiteView): NativeSite {
  const sum = (value: (totals: StackTotals) => number) => group.reduce((total, { totals }) => total + value(totals), 0);
  const largest = group.reduce((best, stack) => (liveBytesOf(stack) > liveBytesOf(best) ? stack : best));
  const liveBytes = sum((totals) => totals.allocatedBytes - totals.freedBytes);
  const range = interval95(
    liveBytes,
    sum((totals) => totals.variance),
  );
  const seconds = group.flatMap(({ totals }) => (totals.oldestSecond === null ? [] : [totals.oldestSecond]));
  const name = { site: siteOf(largest.frames), module: moduleOf(largest.frames, view.executable) };
  return {
    heap: 'native',
    ...name,
    frames: largest.frames.map(shownFrame),
    liveBytes,
    liveBytesRange: range,
    errorBytes: Math.round((range[1] - range[0]) / 2),
    count: Math.round(sum((totals) => totals.allocatedCount - totals.freedCount)),
    allocatedBytes: sum((totals) => totals.allocatedBytes),
    freedBytes: sum((totals) => totals.freedBytes),
    growthBytes: view.previous === undefined ? null : liveBytes - (view.previous.get(placeKey(name)) ?? 0),
    oldestMs: seconds.length === 0 ? null : Math.max(0, view.nowSecond - Math.min(...seconds)) * 1000,
    samples: sum((totals) => totals.samples),
  };
}
