/**
 * From totals per stack to sites: the lines of source that hold native memory, with the error of each estimate.
 *
 * A sample of S bytes drawn at mean R stands for S/p bytes, p = 1 - exp(-S/R) (docs/sampling.md). Sums X of these are
 * unbiased, and V = sum of (S/p)^2 (1 - p) estimates their variance. The 95 % interval is the score interval of a
 * Poisson count in units of w = V/X bytes: it is lopsided when few samples are behind it, as the truth is, and closes
 * to X when everything was recorded exactly.
 */

import type { Binding, FrameKind, StackNumbers } from '../binding/binding.js';
import { known, rowsOf } from '../binding/fields.js';
import type { Site as AnySite, Frame } from '../judge/suspects.js';

/** One row of `profileTotals()`; no live sample is `null`. */
export type StackTotals = Omit<StackNumbers, 'oldestSecond'> & { readonly oldestSecond: number | null };

export interface StackFrame {
  readonly kind: FrameKind;
  /** Function; empty when it has none. */
  readonly name: string;
  /** Script of JavaScript, path of the module otherwise; empty when unknown. */
  readonly file: string;
  /** From 1; 0 when unknown. */
  readonly line: number;
  readonly column: number;
  /** Return address of native frames, else 0. */
  readonly pc: number;
  /** From the start of the function, or of the module when `name` is empty. */
  readonly offset: number;
}

/** What one place in the source holds outside the JS heap; `frames` are of the stack that holds most of it. */
export interface Site extends AnySite {
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

export function interval95(bytes: number, variance: number): [low: number, high: number] {
  if (bytes <= 0 || variance <= 0) return [Math.max(0, bytes), Math.max(0, bytes)];
  const half = ((variance / bytes) * z95 ** 2) / 2;
  const spread = Math.sqrt(z95 ** 2 * variance + half ** 2);
  return [Math.max(0, Math.round(bytes + half - spread)), Math.round(bytes + half + spread)];
}

export function readTotals(binding: Pick<Binding, 'stackFields' | 'profileTotals'>): StackTotals[] {
  const rows: StackTotals[] = [];
  for (const row of rowsOf<StackNumbers>(binding.stackFields, binding.profileTotals())) {
    rows.push({
      stack: row.stack,
      allocatedBytes: row.allocatedBytes,
      allocatedCount: row.allocatedCount,
      freedBytes: row.freedBytes,
      freedCount: row.freedCount,
      variance: row.variance,
      samples: row.samples,
      liveSamples: row.liveSamples,
      oldestSecond: known(row.oldestSecond),
    });
  }
  return rows;
}

/** Reads stacks from the binding, and names their addresses once. */
export class StackReader {
  readonly #binding: Binding;
  readonly #frames = new Map<number, StackFrame>();

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** Resolves what the given stacks need; addresses are looked up off this thread. */
  async resolve(stacks: Iterable<number>): Promise<void> {
    const pending: { id: number; pc: number; generation: number; kind: FrameKind }[] = [];
    for (const stack of stacks) {
      for (const id of this.#binding.profileStack(stack)) {
        if (this.#frames.has(id)) continue;
        const frame = this.#binding.profileFrame(id);
        if (frame === null) continue;
        const { kind, name, script, line, column, pc, generation } = frame;
        this.#frames.set(id, { kind, name, file: script, line, column, pc, offset: 0 });
        if (pc !== 0) pending.push({ id, pc, generation, kind });
      }
    }
    if (pending.length === 0) return;
    const rows = await this.#binding.profileSymbols(
      Float64Array.from(pending.flatMap(({ pc, generation }) => [pc, generation])),
    );
    for (const [i, { id, pc, kind }] of pending.entries()) {
      const [file = '', name = '', offset = 0] = rows[i] ?? [];
      const shown = kind === 'builtin' ? name.replace(/^Builtins_/, '') : name;
      this.#frames.set(id, { kind, name: shown, file, line: 0, column: 0, pc, offset });
    }
  }

  /** Innermost first. Empty when the table of stacks was full. */
  frames(stack: number): StackFrame[] {
    const frames: StackFrame[] = [];
    for (const id of this.#binding.profileStack(stack)) {
      const frame = this.#frames.get(id);
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }
}

/** Node's own frames, and ours: kept in the stack, but nobody's site. */
export function isInternal(frame: StackFrame): boolean {
  const { kind, file } = frame;
  return kind !== 'javascript' || file.startsWith('node:') || file.startsWith('extmem:') || file.startsWith(__dirname);
}

/** Paths below `root` are shown from there. */
export function shortFile(file: string, root: string): string {
  const path = file.startsWith('file://') ? decodeURIComponent(file.slice('file://'.length)) : file;
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);

export function describeFrame(frame: StackFrame, root: string): string {
  switch (frame.kind) {
    case 'javascript': {
      const line = frame.line > 0 ? `:${frame.line}:${frame.column}` : '';
      return `${frame.name || '(anonymous)'} (${shortFile(frame.file, root) || '<anonymous>'}${line})`;
    }
    case 'unreadable':
      return '(JavaScript, not decoded)';
    case 'mapping':
      return '(mmap)';
    default: {
      const place = frame.file === '' ? 'generated code' : baseName(frame.file);
      return frame.name !== '' ? `${frame.name} [${place}]` : `[${place}+0x${frame.offset.toString(16)}]`;
    }
  }
}

function shownFrame(frame: StackFrame, root: string): Frame {
  if (frame.kind === 'javascript') {
    const known = frame.line > 0;
    return {
      function: frame.name || '(anonymous)',
      file: frame.file === '' ? null : shortFile(frame.file, root),
      line: known ? frame.line : null,
      column: known ? frame.column : null,
    };
  }
  const named = frame.name !== '' || frame.kind === 'unreadable' || frame.kind === 'mapping';
  return {
    function: named ? frame.name || describeFrame(frame, root) : `+0x${frame.offset.toString(16)}`,
    file: frame.file === '' ? null : baseName(frame.file),
    line: null,
    column: null,
  };
}

/** Allocation helpers under everybody's feet: they are the means, not the place. */
const runtimeModule = /^(libc|libstdc\+\+|libgcc_s|libm|libpthread|ld-linux[^/]*|ld-musl[^/]*)[.-]/;

export function moduleOf(frames: readonly StackFrame[], executable: string): string | null {
  const natives = frames.filter((frame) => frame.kind === 'native' && frame.file !== '');
  const first = natives.find((frame) => !runtimeModule.test(baseName(frame.file)));
  if (first === undefined) return null;
  return first.file === executable ? 'node' : baseName(first.file);
}

export function siteOf(frames: readonly StackFrame[], root: string): string {
  const frame =
    frames.find((candidate) => !isInternal(candidate)) ??
    frames.find(({ kind }) => kind === 'javascript') ??
    frames.find(({ kind, file, name }) => kind === 'native' && name !== '' && !runtimeModule.test(baseName(file))) ??
    frames.find(({ kind }) => kind === 'native');
  return frame === undefined ? '(stack not kept)' : describeFrame(frame, root);
}

export interface SiteInput {
  readonly totals: StackTotals;
  readonly frames: readonly StackFrame[];
}

export interface SiteView {
  /** Directory that paths are shown from. */
  readonly root: string;
  /** Path of the executable, which is shown as `node`. */
  readonly executable: string;
  readonly nowSecond: number;
  /** Live bytes by site and module at the previous look. */
  readonly previous?: ReadonlyMap<string, number>;
}

export const siteKey = (site: Pick<Site, 'site' | 'module'>) => `${site.site}\n${site.module ?? ''}`;

/** Joins the stacks of each site, most live bytes first. */
export function groupSites(stacks: readonly SiteInput[], view: SiteView): Site[] {
  const groups = new Map<string, SiteInput[]>();
  for (const stack of stacks) {
    const key = siteKey({ site: siteOf(stack.frames, view.root), module: moduleOf(stack.frames, view.executable) });
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [stack]);
    else group.push(stack);
  }
  return [...groups.values()].map((group) => summarize(group, view)).sort((a, b) => b.liveBytes - a.liveBytes);
}

function summarize(group: readonly SiteInput[], view: SiteView): Site {
  const live = ({ totals }: SiteInput) => totals.allocatedBytes - totals.freedBytes;
  const sum = (value: (totals: StackTotals) => number) => group.reduce((total, { totals }) => total + value(totals), 0);
  const largest = group.reduce((best, stack) => (live(stack) > live(best) ? stack : best));
  const liveBytes = sum((totals) => totals.allocatedBytes - totals.freedBytes);
  const range = interval95(
    liveBytes,
    sum((totals) => totals.variance),
  );
  const seconds = group.flatMap(({ totals }) => (totals.oldestSecond === null ? [] : [totals.oldestSecond]));
  const name = { site: siteOf(largest.frames, view.root), module: moduleOf(largest.frames, view.executable) };
  return {
    heap: 'native',
    ...name,
    frames: largest.frames.map((frame) => shownFrame(frame, view.root)),
    liveBytes,
    liveBytesRange: range,
    errorBytes: Math.round((range[1] - range[0]) / 2),
    count: Math.round(sum((totals) => totals.allocatedCount - totals.freedCount)),
    allocatedBytes: sum((totals) => totals.allocatedBytes),
    freedBytes: sum((totals) => totals.freedBytes),
    growthBytes: view.previous === undefined ? null : liveBytes - (view.previous.get(siteKey(name)) ?? 0),
    oldestMs: seconds.length === 0 ? null : Math.max(0, view.nowSecond - Math.min(...seconds)) * 1000,
    samples: sum((totals) => totals.samples),
  };
}
