/** Samples as literals, for tests of pure functions. */
import type { LeafBytes, Sample } from '../lib/sample.js';

const quiet: LeafBytes = {
  v8Heap: 5_000_011,
  v8Code: 100_003,
  v8Other: 0,
  resizableBuffers: 0,
  wasm: 0,
  malloc: 3_000_017,
  stacks: 100_019,
  files: 38_000_009,
  shared: 0,
  runtime: 40_009,
  mmap: 0,
  unattributed: 8_011,
};

/** A sample of an idle process with some leaves replaced; RSS follows from them. */
export function sampleWith(leaves: Partial<LeafBytes>): Sample {
  const leafBytes = { ...quiet, ...leaves };
  const rssBytes = Object.values(leafBytes).reduce((total, bytes) => total + bytes, 0);
  return {
    seq: 0,
    rssBytes,
    ledger: {
      ageMs: 1,
      rssBytes,
      pssBytes: rssBytes,
      swapBytes: 0,
      mappings: 100,
      truncated: false,
      peekFailures: 0,
      leafBytes,
      files: { cleanBytes: leafBytes.files, dirtyBytes: 0, bssBytes: 0 },
      malloc: { brkBytes: leafBytes.malloc, arenaBytes: 0, mmappedBytes: 0 },
      stacks: { liveThreads: 6, cachedThreads: 0 },
    },
    malloc: {
      allocator: 'glibc',
      ageMs: 1,
      inUseBytes: leafBytes.malloc,
      systemBytes: leafBytes.malloc,
      retainedBytes: 0,
      reclaimableBytes: 0,
      reclaimableAgeMs: 1,
      untouchedBytes: 0,
      buffersBytes: 0,
      nativeBytes: [0, leafBytes.malloc],
      stopped: null,
    },
    v8: {
      heapUsedBytes: 4_000_037,
      heapTotalBytes: 5_000_011,
      heapPhysicalBytes: 5_000_011,
      heapLimitBytes: 4_345_298_944,
      mallocedBytes: 100_003,
      nativeContexts: 1,
      detachedContexts: 0,
      spaces: {},
      gc: null,
      afterMajorGc: null,
    },
    external: { externalBytes: 0, arrayBuffersBytes: 0, declaredBytes: 0, declaredByAddonsBytes: 0, anomalies: [] },
    isolates: [],
    streams: null,
    process: {
      threads: 7,
      workers: 0,
      fdCount: 20,
      fdsAgeMs: 0,
      fds: { files: 2, sockets: 1, pipes: 9, other: 8 },
      timers: 1,
      resources: { Timeout: 1 },
    },
    limit: { bytes: null, source: 'physical', usedBytes: null, usedRatio: null, etaMs: null },
    native: null,
    load: null,
    cost: { mainThreadUs: null, longestUs: null, offThreadUs: null, ledgerUs: null, ledgerSkipped: 0, ownBytes: null },
  };
}
