/** What works here and why the rest does not, with the advice that follows from the configuration. */
import { loadNative, type Native } from './binding/load.js';
import { type Capabilities, findCapabilities } from './capabilities.js';
import { version } from './package.js';
import { heapCounters } from './process/heap-counters.js';
import { findLimit, readLimit, readText } from './process/limit.js';
import { NativeProfiler } from './profile/profiler.js';
import type { Limit } from './sample.js';
import { whatIsMissing } from './streams/tracker.js';
import { formatBytes, MiB } from './text.js';

export interface Advice {
  readonly topic: 'heap-limit' | 'arenas' | 'allocator';
  readonly sentence: string;
}

export interface DoctorReport {
  readonly versions: {
    readonly extmem: string;
    readonly node: string;
    readonly v8: string;
    readonly glibc: string | null;
  };
  readonly platform: string;
  /** Path of the addon, or `null`; the reason is in `capabilities.addon`. */
  readonly addon: string | null;
  readonly allocator: string;
  readonly heapLimitBytes: number;
  readonly limit: Limit;
  readonly capabilities: Capabilities;
  readonly advice: readonly Advice[];
}

/** The heap may take this much of a container before Buffers, addons and stacks have no room left. */
const heapShareHigh = 0.8;
/** Below this the heap runs out long before the container does. */
const heapShareLow = 0.25;

function heapAdvice(heapLimitBytes: number, limit: Limit): Advice[] {
  if (limit.bytes === null) return [];
  const share = heapLimitBytes / limit.bytes;
  const relation = `V8 may grow its heap to ${formatBytes(heapLimitBytes)} of a limit of ${formatBytes(limit.bytes)} (${limit.source})`;
  const proposed = Math.round((limit.bytes * 0.75) / MiB);
  if (share > heapShareHigh) {
    return [
      {
        topic: 'heap-limit',
        sentence: `${relation}, which leaves too little for Buffers and native memory; set --max-old-space-size=${proposed}.`,
      },
    ];
  }
  if (share < heapShareLow && limit.source !== 'physical') {
    return [
      {
        topic: 'heap-limit',
        sentence: `${relation}, so the heap ends long before the container does; if it needs more, set --max-old-space-size=${proposed}.`,
      },
    ];
  }
  return [];
}

/** Allocators that people preload, by what stands in the library's name. */
const preloadable = ['jemalloc', 'tcmalloc', 'mimalloc'] as const;

function allocatorAdvice(allocator: string, env: NodeJS.ProcessEnv): Advice[] {
  const advice: Advice[] = [];
  const wanted = preloadable.find((name) => env.LD_PRELOAD?.includes(name));
  if (wanted !== undefined && wanted !== allocator) {
    advice.push({
      topic: 'allocator',
      sentence: `LD_PRELOAD asks for ${wanted}, but the process runs on ${allocator}; check that the library exists and that no supervisor drops the variable.`,
    });
  }
  if (allocator === 'glibc' && !env.MALLOC_ARENA_MAX && !env.GLIBC_TUNABLES?.includes('arena_max')) {
    advice.push({
      topic: 'arenas',
      sentence:
        'MALLOC_ARENA_MAX is not set, so glibc may keep up to 8 arenas per core; if malloc.retainedBytes grows with threads or workers, set MALLOC_ARENA_MAX=2 (it does not help against holes in the main arena).',
    });
  }
  return advice;
}

function glibcVersion(): string | null {
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  if (report === undefined) return null;
  const before = report.excludeNetwork;
  try {
    // Without this the report resolves the names of all peers, which can take seconds.
    report.excludeNetwork = true;
    const { header } = report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime ?? null;
  } finally {
    if (before === undefined) delete report.excludeNetwork;
    else report.excludeNetwork = before;
  }
}

/** Intercepts the allocator for a moment, which is the only way to know. A session that runs keeps its own. */
function tryProfiler(native: Native): Capabilities {
  const profiler = new NativeProfiler(native.binding, { sampleBytes: 2 ** 30, stackDepth: 1 });
  profiler.testStacks();
  profiler.hurryTest();
  profiler.stop();
  return profiler.tellCapabilities();
}

/** What works in this process and why the rest does not, with advice on its configuration. */
export function doctor(): DoctorReport {
  const native = loadNative();
  const source = findLimit(readText);
  const limit = { ...readLimit(source, source.files.map(readText), null, null), etaMs: null };
  const allocator = native.binding?.allocator() ?? 'unknown';
  const { heapLimitBytes } = heapCounters(native.binding).read();
  return {
    versions: { extmem: version, node: process.version, v8: process.versions.v8, glibc: glibcVersion() },
    platform: `${process.platform}-${process.arch}`,
    addon: native.path,
    allocator,
    heapLimitBytes,
    limit,
    capabilities: findCapabilities(native, source, whatIsMissing().join(' ') || true, tryProfiler(native)),
    advice: [...heapAdvice(heapLimitBytes, limit), ...allocatorAdvice(allocator, process.env)],
  };
}
