/** Simulated services for the tests of the judge: what each look at them yields, in MiB and by the class that holds it. */
import type { Judge } from '../lib/judge/judge.js';
import type { Verdict } from '../lib/judge/verdicts.js';

const MiB = 2 ** 20;
/** Any moment will do; verdicts print times, so it is fixed. */
export const startMs = Date.UTC(2026, 0, 1);
export const intervalMs = 10_000;

/** MiB by class at the i-th sample; what is left out is constant. */
export interface Service {
  readonly jsHeap?: (i: number) => number;
  readonly buffers?: (i: number) => number;
  readonly external?: (i: number) => number;
  readonly native?: (i: number) => number;
  readonly retained?: (i: number) => number;
  readonly wasm?: (i: number) => number;
  readonly mmap?: (i: number) => number;
  readonly files?: (i: number) => number;
  readonly threads?: (i: number) => number;
  readonly workers?: (i: number) => number;
  readonly fds?: (i: number) => number;
  readonly timers?: (i: number) => number;
  readonly contexts?: (i: number) => number;
  readonly streams?: (i: number) => number;
  readonly requests?: (i: number) => number;
  /** Used heap after a major collection at this sample, or `null` when there was none. */
  readonly afterGc?: (i: number) => number | null;
  readonly limitMB?: number;
}

/** Noise that is the same on every run, within ±1. */
export function wobble(i: number): number {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}

/** A source of samples of a service; keeps in mind the last collection. */
export function sampler(service: Service): (i: number) => Record<string, unknown> {
  let collected: { at: number; bytes: number } | null = null;
  return (i) => {
    const at = (name: keyof Omit<Service, 'limitMB' | 'afterGc'>, otherwise: number) => service[name]?.(i) ?? otherwise;
    const bytes = (value: number) => Math.round(value * MiB);
    const heap = bytes(at('jsHeap', 20));
    const buffers = bytes(at('buffers', 5));
    const external = bytes(at('external', 1));
    const inUse = buffers + external + bytes(at('native', 5));
    const malloc = inUse + bytes(at('retained', 2));
    const leafBytes = {
      v8Heap: heap,
      v8Code: MiB,
      v8Other: MiB,
      resizableBuffers: 0,
      wasm: bytes(at('wasm', 0)),
      malloc,
      stacks: MiB,
      files: bytes(at('files', 35)),
      shared: 0,
      runtime: 0,
      mmap: 0,
      unattributed: bytes(at('mmap', 0)),
    };
    const rssBytes = Object.values(leafBytes).reduce((sum, leaf) => sum + leaf, 0);
    const after = service.afterGc?.(i) ?? null;
    if (after !== null) collected = { at: i, bytes: bytes(after) };
    return {
      seq: i,
      rssBytes: rssBytes + bytes(0.3 * wobble(i)),
      ledger: { ageMs: 0, rssBytes, leafBytes, malloc: { brkBytes: malloc, arenaBytes: 0, mmappedBytes: 0 } },
      malloc: {
        allocator: 'glibc',
        ageMs: 0,
        inUseBytes: inUse,
        retainedBytes: malloc - inUse,
        reclaimableBytes: Math.round((malloc - inUse) / 4),
        stopped: null,
      },
      external: {
        externalBytes: buffers,
        arrayBuffersBytes: buffers,
        declaredBytes: buffers + external,
        declaredByAddonsBytes: external,
      },
      v8: {
        heapUsedBytes: Math.round(0.8 * heap),
        heapLimitBytes: 2048 * MiB,
        nativeContexts: Math.round(at('contexts', 1)),
        detachedContexts: 0,
        spaces: {},
        afterMajorGc:
          collected === null ? null : { heapUsedBytes: collected.bytes, ageMs: (i - collected.at) * intervalMs },
      },
      process: {
        threads: Math.round(at('threads', 11)),
        workers: Math.round(at('workers', 0)),
        fdCount: Math.round(at('fds', 20)),
        timers: Math.round(at('timers', 3)),
      },
      streams: { open: 4, idle: Math.round(at('streams', 1)) },
      load: { requests: service.requests === undefined ? null : Math.round(service.requests(i)) },
      limit:
        service.limitMB === undefined
          ? { bytes: null, source: 'physical', usedBytes: null, usedRatio: null }
          : {
              bytes: service.limitMB * MiB,
              source: 'cgroup-v2',
              usedBytes: rssBytes,
              usedRatio: rssBytes / (service.limitMB * MiB),
            },
    };
  };
}

export interface Said {
  readonly at: number;
  readonly verdict: Verdict;
}

/** Feeds samples `from` to `to` and returns the verdicts that changed, with the number of the sample. */
export function feed(judge: Judge, service: Service, from: number, to: number): Said[] {
  const sampleAt = sampler(service);
  const said: Said[] = [];
  for (let i = from; i < to; i++) {
    for (const verdict of judge.push(startMs + i * intervalMs, sampleAt(i)).verdicts) said.push({ at: i + 1, verdict });
  }
  return said;
}

/** `id` and sample of the verdicts that were found, in order. */
export const foundIn = (said: readonly Said[]) =>
  said.filter(({ verdict }) => verdict.state === 'found').map(({ at, verdict }) => `${verdict.id} @${at}`);
