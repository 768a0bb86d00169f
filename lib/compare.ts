/** The difference between two samples: what grew, largest first. */
import { describe, ExtmemError } from './errors.js';
import type { LeafBytes, Sample } from './sample.js';
import { formatBytes, formatChange, MiB } from './text.js';

export interface Change {
  /** A leaf of the ledger, e.g. `malloc`. */
  readonly leaf: keyof LeafBytes;
  readonly changeBytes: number;
  /** Part of the change of RSS, signed; `null` when RSS did not change. */
  readonly share: number | null;
}

export interface Comparison {
  /** `null` when RSS is unknown on one side. */
  readonly rssChangeBytes: number | null;
  /** All leaves by falling change. Empty when one of the samples has no ledger. */
  readonly changes: readonly Change[];
  readonly heapUsedChangeBytes: number;
  readonly externalChangeBytes: number;
  readonly arrayBuffersChangeBytes: number | null;
  /** `null` when one side does not know. */
  readonly mallocInUseChangeBytes: number | null;
  readonly fdChange: number | null;
  /** One sentence for a person. */
  readonly sentence: string;
}

function difference(after: number | null | undefined, before: number | null | undefined): number | null {
  return after === null || after === undefined || before === null || before === undefined ? null : after - before;
}

/** Changes smaller than this are noise of the runtime and are not named in the sentence. */
const worthNamingBytes = MiB;

/**
 * Pure: `after` minus `before`. Both come from `snapshot()`, a session or a recording of the same process.
 * @throws ExtmemError `ERR_EXTMEM_INPUT` when one of them is no sample.
 */
export function compare(before: Sample, after: Sample): Comparison {
  for (const sample of [before, after]) {
    if (typeof sample?.v8 !== 'object') {
      throw new ExtmemError(
        'ERR_EXTMEM_INPUT',
        `Expected two samples, received ${describe(sample)}; pass what snapshot() returned.`,
      );
    }
  }
  const ledgers =
    before.ledger !== null && after.ledger !== null ? { before: before.ledger, after: after.ledger } : null;
  const rssChangeBytes = ledgers
    ? ledgers.after.rssBytes - ledgers.before.rssBytes
    : difference(after.rssBytes, before.rssBytes);
  const changes: Change[] = [];
  if (ledgers) {
    for (const leaf of Object.keys(ledgers.after.leafBytes) as (keyof LeafBytes)[]) {
      const changeBytes = ledgers.after.leafBytes[leaf] - (ledgers.before.leafBytes[leaf] ?? 0);
      changes.push({ leaf, changeBytes, share: rssChangeBytes ? changeBytes / rssChangeBytes : null });
    }
    changes.sort((a, b) => b.changeBytes - a.changeBytes);
  }
  const named = changes.filter((change) => Math.abs(change.changeBytes) >= worthNamingBytes);
  const detail = named.map((change) => `${change.leaf} ${formatChange(change.changeBytes)}`).join(', ');
  const rss =
    rssChangeBytes === null || after.rssBytes === null
      ? 'RSS is unknown'
      : `RSS ${formatChange(rssChangeBytes)} to ${formatBytes(after.rssBytes)}`;
  return {
    rssChangeBytes,
    changes,
    heapUsedChangeBytes: after.v8.heapUsedBytes - before.v8.heapUsedBytes,
    externalChangeBytes: after.external.externalBytes - before.external.externalBytes,
    arrayBuffersChangeBytes: difference(after.external.arrayBuffersBytes, before.external.arrayBuffersBytes),
    mallocInUseChangeBytes: difference(after.malloc?.inUseBytes, before.malloc?.inUseBytes),
    fdChange: difference(after.process.fdCount, before.process.fdCount),
    sentence: detail === '' ? `${rss}; no class changed by 1 MiB.` : `${rss}: ${detail}.`,
  };
}
