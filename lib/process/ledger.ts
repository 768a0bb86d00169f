/** The ledger of one pass: every resident byte on exactly one leaf. */

import type { PassNumbers } from '../binding/binding.js';
import { ageMs } from '../binding/clock.js';
import { orNull } from '../binding/fields.js';
import type { LeafBytes, Ledger } from '../sample.js';

/** @returns `null` before the first pass and where /proc/self/smaps cannot be read. */
export function composeLedger(pass: PassNumbers, nowMs: number): Ledger | null {
  if (Number.isNaN(pass.ledgerRssBytes)) return null;
  const leafBytes: LeafBytes = {
    v8Heap: pass.leafV8Heap,
    v8Code: pass.leafV8Code,
    v8Other: pass.leafV8Other,
    resizableBuffers: pass.leafResizableBuffers,
    wasm: pass.leafWasm,
    malloc: pass.leafMalloc,
    stacks: pass.leafStacks,
    files: pass.leafFiles,
    shared: pass.leafShared,
    runtime: pass.leafRuntime,
    mmap: pass.leafMmap,
    unattributed: pass.leafUnattributed,
  };
  return {
    ageMs: ageMs(pass.ledgerAtMs, nowMs),
    rssBytes: pass.ledgerRssBytes,
    pssBytes: pass.ledgerPssBytes,
    swapBytes: pass.ledgerSwapBytes,
    mappings: pass.ledgerMappings,
    truncated: pass.ledgerTruncated > 0,
    peekFailures: pass.ledgerPeekFailures,
    leafBytes,
    files: { cleanBytes: pass.filesCleanBytes, dirtyBytes: pass.filesDirtyBytes, bssBytes: pass.filesBssBytes },
    malloc: {
      brkBytes: pass.mallocBrkBytes,
      arenaBytes: pass.mallocArenaBytes,
      mmappedBytes: pass.mallocMmappedBytes,
    },
    stacks: { liveThreads: orNull(pass.stacksLiveThreads), cachedThreads: orNull(pass.stacksCachedThreads) },
  };
}
