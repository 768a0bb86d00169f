/**
 * Who grows: sites that allocate, ranked by how fast their live bytes rise. Two sources, one format: V8's sampling heap
 * profiler for objects on the JS heap, the native profile for what is allocated outside of it.
 *
 * A reading is a list of sites on a sample. A site's growth is the difference of two readings as far apart as possible,
 * with the error of both: a site that is merely large is no suspect, a pool that is full does not grow.
 */
import { valueAt } from './numbers.js';

/** Where a site's memory lives. */
export type SiteHeap = 'js-heap' | 'native';

/** One frame of a stack, innermost first. Lines and columns count from 1. */
export interface Frame {
  readonly function: string;
  /** Path or URL of the script, or the module of a native frame; `null` when unknown. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/** Live bytes of one allocation site, as a sample carries them. */
export interface Site {
  readonly heap: SiteHeap;
  /** The frame that a person should look at, as text: `function (file:line:column)`. Identifies the site. */
  readonly site: string;
  readonly frames: readonly Frame[];
  /** The package, addon or library that asked for the memory; `null` for the program itself. */
  readonly module: string | null;
  readonly liveBytes: number;
  /** Half width of the 95 % interval of `liveBytes`. */
  readonly errorBytes: number;
  /** Live allocations. */
  readonly count: number;
}

/** A site as a verdict names it. */
export interface Suspect extends Omit<Site, 'heap'> {
  readonly growthBytesPerHour: number;
  /** Half width of the 95 % interval of the growth. */
  readonly errorBytesPerHour: number;
}

const mostSuspects = 10;
const readingsKept = 8;
const hourMs = 3_600_000;

interface Reading {
  readonly timeMs: number;
  readonly sites: ReadonlyMap<string, Site>;
}

const isText = (value: unknown) => typeof value === 'string';
const isAmount = (value: unknown) => typeof value === 'number' && value >= 0 && value < 2 ** 50;

/** Recordings are data from elsewhere: a site that is not one is left out. */
function isSite(value: unknown): value is Site {
  const frames = valueAt(value, 'frames');
  return (
    isText(valueAt(value, 'site')) &&
    ['js-heap', 'native'].includes(valueAt(value, 'heap') as string) &&
    Array.isArray(frames) &&
    frames.every((frame) => isText(valueAt(frame, 'function'))) &&
    isAmount(valueAt(value, 'liveBytes')) &&
    isAmount(valueAt(value, 'errorBytes')) &&
    isAmount(valueAt(value, 'count'))
  );
}

export class Suspects {
  readonly #readings: Record<SiteHeap, Reading[]> = { 'js-heap': [], native: [] };

  /** Takes the sites of a sample, if it carries any. */
  push(timeMs: number, sample: unknown): void {
    const listed = valueAt(sample, 'sites');
    if (!Array.isArray(listed)) return;
    const sites = listed.filter(isSite);
    for (const heap of ['js-heap', 'native'] as const) {
      const own = sites.filter((site) => site.heap === heap);
      if (own.length === 0) continue;
      const readings = this.#readings[heap];
      readings.push({ timeMs, sites: new Map(own.map((site) => [site.site, site])) });
      // The second oldest goes: the oldest gives the longest span, the newest the present.
      if (readings.length > readingsKept) readings.splice(1, 1);
    }
  }

  /** At most ten suspects of a heap, the fastest growing first; those whose growth may be chance come last. */
  rank(heap: SiteHeap): Suspect[] {
    const readings = this.#readings[heap];
    const newest = readings.at(-1);
    const oldest = readings[0];
    if (newest === undefined || oldest === undefined) return [];
    const hours = (newest.timeMs - oldest.timeMs) / hourMs;
    const suspects = [...newest.sites.values()].map(({ heap: _, ...site }): Suspect => {
      const before = oldest.sites.get(site.site);
      const grown = site.liveBytes - (before?.liveBytes ?? 0);
      const error = Math.hypot(site.errorBytes, before?.errorBytes ?? 0);
      return {
        ...site,
        growthBytesPerHour: hours > 0 ? Math.round(grown / hours) : 0,
        errorBytesPerHour: hours > 0 ? Math.round(error / hours) : 0,
      };
    });
    const certain = (suspect: Suspect) => suspect.growthBytesPerHour > suspect.errorBytesPerHour;
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

  /** The process that the readings belong to is another one now. */
  clear(): void {
    this.#readings['js-heap'] = [];
    this.#readings.native = [];
  }
}
