/**
 * A line of code that holds memory, and how it is written: the same words whoever names it, be it a native allocation,
 * an object of the JS heap or a stream. Paths are shown from the working directory when they lie below it, positions
 * are those of the file that was written where Node follows source maps (`--enable-source-maps`).
 */
import { statSync } from 'node:fs';
import { findSourceMap, type SourceOrigin } from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOwnFile } from './package.js';
import { printable } from './text.js';

/** One frame of a stack, innermost first. Lines and columns count from 1. */
export interface Frame {
  /** `(anonymous)` for a function without a name; an offset in a module without symbols. */
  readonly function: string;
  /** Script, or the module of a native frame; `null` when unknown. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/** One line of code, as a sample and a verdict name it. */
export interface Place {
  /** The frame that a person should look at, as text: `function (file:line:column)`. Identifies the site. */
  readonly site: string;
  readonly frames: readonly Frame[];
  /** The package, addon or library that asked for the memory; `null` for the program itself. */
  readonly module: string | null;
}

/** Where a site's memory lives. */
export type SiteHeap = 'js-heap' | 'native';

/** Live bytes of one allocation site, as a sample carries them. */
export interface Site extends Place {
  readonly heap: SiteHeap;
  readonly liveBytes: number;
  /** Half width of the 95 % interval of `liveBytes`. */
  readonly errorBytes: number;
  /** Live allocations. */
  readonly count: number;
  /** For how long its profiler has run: what was allocated before is not seen. `null` when it runs since the start. */
  readonly observedMs?: number | null;
}

/** A site as a verdict names it. */
export interface Suspect extends Place {
  /** Of streams: bytes in their buffers. */
  readonly liveBytes: number;
  readonly errorBytes: number;
  /** Live allocations, or streams that are held or lost. */
  readonly count: number;
  /** `null` for streams, whose number grows. */
  readonly growthBytesPerHour: number | null;
  /** Half width of the 95 % interval of the growth. */
  readonly errorBytesPerHour: number | null;
  /** Growth of `count`. */
  readonly countPerHour: number;
}

export type StreamState =
  | 'never read'
  | 'paused'
  | 'backpressured'
  | 'open'
  | 'ending'
  | 'ended, not closed'
  | 'errored, not closed'
  | 'destroyed, not closed'
  /** Of a request: nobody reads or cancels the body of its response, which keeps the connection. */
  | 'response not read to its end'
  /** Being read, and nothing is there: the peer is silent. Pools, brokers and idle keep-alive sockets look like this. */
  | 'waiting';

/** Streams of one class that one line of code created. Counts are estimates where `createdError` is not 0. */
export interface StreamSite extends Place {
  readonly className: string;
  /** Since the session began. Errors are half the width of a 95 % interval. */
  readonly created: number;
  readonly createdError: number;
  /** Not closed when they were last looked at. */
  readonly open: number;
  readonly openError: number;
  /** Of these, unchanged for three intervals. */
  readonly idle: number;
  /** Of these, certainly kept by something: they survived major collections, or an open handle refers to them. */
  readonly held: number;
  /** Collected without being destroyed, while their descriptor is verified to be still open. */
  readonly lost: number;
  /** Collected before it had ended or was destroyed: careless, but its memory is free again. */
  readonly dropped: number;
  /** Collected without being closed: memory outside the heap, of zlib, that only the garbage collector released. */
  readonly unclosed: number;
  readonly bufferedBytes: number;
  readonly descriptors: number;
  readonly oldestMs: number;
  readonly states: Readonly<Partial<Record<StreamState, number>>>;
  readonly handles: Readonly<Record<string, number>>;
  /** `held` and `lost` keep rising, or `unclosed` does, without slowing down. */
  readonly growing: boolean;
  readonly perHour: number;
  readonly sentence: string;
}

/** A position in a script. Lines and columns count from 1; a line of 0 is unknown. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The path of a `file:` URL; other names of scripts are left as they are. */
function pathOf(script: string): string {
  if (!script.startsWith('file:')) return script;
  try {
    return fileURLToPath(script);
  } catch {
    // A host in the URL, or one that a program made up for its scripts.
    return script;
  }
}

/** Some 12 ms of minified code, once: the first look into a script has Node parse its map, here, with all its positions. */
const maxMappedBytes = 256 * 1024;

/** The first script whose map was left alone for its size. */
let unmapped: string | null = null;
let isUnmappedTold = false;

/** That there is such a script, once: an entry of the `capabilities` of a sample. */
export function newlyUnmapped(): Readonly<Record<string, string>> {
  if (unmapped === null || isUnmappedTold) return {};
  isUnmappedTold = true;
  const reason = 'to parse the source map of a script above 256 KiB would stop the event loop';
  return { sourceMaps: `${reason}: positions in ${unmapped} are those of the script that runs` };
}

function hasSmallMap(path: string): boolean {
  try {
    // A map is about as long as the script, and often stands in it.
    if (statSync(path).size <= maxMappedBytes) return true;
  } catch {
    // On no disk, so that nobody knows how long.
  }
  unmapped ??= path;
  return false;
}

/**
 * Where a position that V8 told of lies in the file that somebody wrote, if Node was asked to follow source maps. Packages
 * are shown as they were published, which is what is on the disk: only the maps of the program itself are ever parsed.
 */
export function originOf({ file, line, column }: Position): Position {
  const path = pathOf(file);
  const isOfProgram =
    line > 0 && file !== '' && !file.startsWith('node:') && packageOf(path) === null && !isOwnFile(path);
  const isMapped = isOfProgram && process.sourceMapsEnabled && hasSmallMap(path);
  // An empty object where the map tells nothing of the position.
  const origin = (isMapped ? findSourceMap(file)?.findOrigin(line, column) : undefined) as SourceOrigin | undefined;
  return origin?.fileName === undefined
    ? { file: path, line, column }
    : { file: pathOf(origin.fileName), line: origin.lineNumber, column: origin.columnNumber };
}

function workingDirectory(): string {
  try {
    return process.cwd() + sep;
  } catch {
    // It was removed: every path is shown whole.
    return '';
  }
}

/** As it was when the package was loaded: a program that changes it does not rename its sites. */
const root = workingDirectory();

function shownPath(path: string): string {
  return root !== '' && path.startsWith(root) ? path.slice(root.length) : path;
}

/** A frame of JavaScript, from where `originOf` says it is; without a file nothing is known of its place. */
export function frameAt(name: string, { file, line, column }: Position): Frame {
  const known = file !== '' && line > 0;
  return {
    function: name === '' ? '(anonymous)' : name,
    file: file === '' ? null : shownPath(file),
    line: known ? line : null,
    column: known ? column : null,
  };
}

/** `function (file:line:column)`, or `function [file]` where no line is known, as of a native module. */
export function frameText({ function: name, file, line, column }: Frame): string {
  if (file === null) return printable(name);
  return printable(line === null ? `${name} [${file}]` : `${name} (${file}:${line}:${column})`);
}

/** The package that a file belongs to, `null` for the program itself: `node_modules/a/node_modules/@b/c/x.js` is of `@b/c`. */
export function packageOf(file: string): string | null {
  const match = /.*(?:^|[\\/])node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file);
  return match?.[1]?.replace('\\', '/') ?? null;
}

/** One line may allocate through several modules: an addon's memory, and Node's handle for it. */
export const placeKey = ({ site, module }: Pick<Place, 'site' | 'module'>) => `${site}\n${module ?? ''}`;
