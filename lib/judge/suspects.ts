/**
 * Who grows: sites that allocate or create, ranked by how fast what they hold rises. Three sources, one format: V8's
 * sampling heap profiler for objects on the JS heap, the native profile for what is allocated outside of it, and the
 * streams that are never closed.
 *
 * A reading is a list of sites on a sample. A site's growth is the difference of two readings as far apart as possible,
 * with the error of both: a site that is merely large is no suspect, a pool that is full does not grow. Streams are
 * listed only once they grow, by a history of their own.
 */
import { type Place, placeKey, type Site, type SiteHeap, type Suspect } from '../site.js';
import { hourMs } from '../text.js';
import { numberAt, valueAt } from './row.js';

/** What tells of sites. */
export type Source = SiteHeap | 'streams';

const mostSuspects = 10;
const readingsKept = 8;

interface Reading {
  readonly timeMs: number;
  /** How long the profiler had run. */
  readonly observedMs: number;
  readonly sites: ReadonlyMap<string, Site>;
}

const isText = (value: unknown) => typeof value === 'string';
const isAmount = (value: unknown) => typeof value === 'number' && value >= 0 && value < 2 ** 50;

/** Recordings are data from elsewhere: a site that is not one is left out. */
function isPlace(value: unknown): value is Place {
  const frames = valueAt(value, 'frames');
  const module = valueAt(value, 'module');
  return (
    isText(valueAt(value, 'site')) &&
    (module === null || isText(module)) &&
    Array.isArray(frames) &&
    frames.every((frame) => isText(valueAt(frame, 'function')))
  );
}

function isSite(value: unknown): value is Site {
  return (
    isPlace(value) &&
    ['js-heap', 'native'].includes(valueAt(value, 'heap') as string) &&
    ['liveBytes', 'errorBytes', 'count'].every((key) => isAmount(valueAt(value, key)))
  );
}

/** The streams of one line, as a suspect; `null` for what is no such row. */
function streamSuspect(row: unknown): Suspect | null {
  if (!isPlace(row)) return null;
  const { site, frames, module } = row;
  const amount = (key: string) => Math.max(0, numberAt(row, key) || 0);
  return {
    site,
    frames,
    module,
    liveBytes: amount('bufferedBytes'),
    errorBytes: 0,
    count: amount('held') + amount('lost'),
    growthBytesPerHour: null,
    errorBytesPerHour: null,
    countPerHour: amount('perHour'),
  };
}

export class Suspects {
  readonly #readings: Record<SiteHeap, Reading[]> = { 'js-heap': [], native: [] };
  /** The newest streams that grow. */
  #streams: Suspect[] = [];

  /** Takes the sites of a sample, if it carries any. */
  push(timeMs: number, sample: unknown): void {
    const growing = valueAt(sample, 'streams', 'suspects');
    // A list that is empty for a moment, while collections decide on the streams, clears nobody.
    if (Array.isArray(growing) && growing.length > 0) {
      this.#streams = growing.map(streamSuspect).filter((suspect) => suspect !== null);
    }
    const listed = valueAt(sample, 'sites');
    if (!Array.isArray(listed)) return;
    const sites = listed.filter(isSite);
    for (const heap of ['js-heap', 'native'] as const) {
      const own = sites.filter((site) => site.heap === heap);
      if (own.length > 0) this.#add(this.#readings[heap], timeMs, own);
    }
  }

  #add(readings: Reading[], timeMs: number, sites: readonly Site[]): void {
    const observed = sites[0]?.observedMs;
    const observedMs = isAmount(observed) ? (observed as number) : timeMs;
    // The profiler was started anew, so that what it had seen before seems to be gone.
    if (observedMs < (readings.at(-1)?.observedMs ?? 0)) readings.length = 0;
    readings.push({ timeMs, observedMs, sites: new Map(sites.map((site) => [placeKey(site), site])) });
    // The second oldest goes: the oldest gives the longest span, the newest the present.
    if (readings.length > readingsKept) readings.splice(1, 1);
  }

  /** At most ten suspects, the fastest growing first; those whose growth may be chance come last. */
  rank(source: Source): Suspect[] {
    return source === 'streams' ? this.#streams.slice(0, mostSuspects) : rankSites(this.#readings[source]);
  }

  /** The process that the readings belong to is another one now. */
  clear(): void {
    this.#readings['js-heap'] = [];
    this.#readings.native = [];
    this.#streams = [];
  }
}

function rankSites(readings: readonly Reading[]): Suspect[] {
  const newest = readings.at(-1);
  const oldest = readings[0];
  if (newest === undefined || oldest === undefined) return [];
  const hours = (newest.timeMs - oldest.timeMs) / hourMs;
  const rate = (amount: number) => (hours > 0 ? Math.round(amount / hours) : 0);
  const suspects = [...newest.sites.values()].map(({ heap: _, observedMs: __, ...site }) => {
    const before = oldest.sites.get(placeKey(site));
    return {
      ...site,
      growthBytesPerHour: rate(site.liveBytes - (before?.liveBytes ?? 0)),
      errorBytesPerHour: rate(Math.hypot(site.errorBytes, before?.errorBytes ?? 0)),
      countPerHour: rate(site.count - (before?.count ?? 0)),
    };
  });
  const certain = (suspect: (typeof suspects)[number]) => suspect.growthBytesPerHour > suspect.errorBytesPerHour;
  return suspects
    .filter((suspect) => suspect.liveBytes > 0)
    .sort(
      (a, b) =>
        Number(certain(b)) - Number(certain(a)) ||
        b.growthBytesPerHour - a.growthBytesPerHour ||
        b.liveBytes - a.liveBytes ||
        (a.site < b.site ? -1 : 1),
    )
    .slice(0, mostSuspects);
}
