/**
 * The line of the program that is running now, interned.
 *
 * A capture takes 5 to 10 µs, so only sampled creations are captured. Frames are read at once: a stack kept for later
 * would keep everything alive that its frames refer to.
 */
import { callSites } from '../call-sites.js';
import { type Frame, frameAt, frameText, originOf, type Place, packageOf } from '../site.js';

/**
 * Where a stream was created: `site` is the innermost frame of the application, or what Node was doing when none is
 * left; `frames` are those outside Node itself; `module` is the package of the innermost of these.
 */
export interface Creator extends Place {
  /** Whether `site` is code of the program. Accepted sockets and incoming messages are made by Node alone. */
  readonly ofProgram: boolean;
}

/** A program has few lines that create streams; generated code can have any number, of which few hold some. */
const maxSites = 1000;
const maxFrames = 8;

/** Enough to leave Node's own frames: at most 12 under `http.request`, 34 under `fetch`. */
const depth = 24;
const fetchDepth = 64;

/** What Node does when it creates a stream without the program on the stack, by a function that is on it then. */
const nodeReasons: ReadonlyMap<string, string> = new Map([
  ['onconnection', 'accepted by a server (node:net)'],
  ['parserOnHeadersComplete', 'incoming HTTP message (node:http)'],
  ['onSessionHeaders', 'incoming HTTP/2 stream (node:http2)'],
]);
export const insideFetch = 'inside fetch (undici)';
const undici = 'node:internal/deps/undici/';

const sites = new Map<string, Creator>();
export const overflowSite: Creator = {
  site: 'other lines (more than 1000)',
  frames: [],
  module: null,
  ofProgram: true,
};
const hiddenSite: Creator = { site: 'unknown line (Error is frozen)', frames: [], module: null, ofProgram: true };
const nodeItself: Creator = { site: 'Node.js itself', frames: [], module: null, ofProgram: false };
export const earlierSite: Creator = { site: 'created before the session', frames: [], module: null, ofProgram: false };

/** Captures that found the table full. */
export let sitesOverflowed = 0;
/** By the last sweep. */
let sitesKept = 0;

/** Half full, and more than when the last sweep ended. */
export function sitesAreCrowded(): boolean {
  return sites.size > maxSites / 2 && sites.size > sitesKept + maxSites / 10;
}

/** Forgets the sites that nobody keeps; one that comes back is a new one. */
export function keepSites(isKept: (site: Creator) => boolean): void {
  for (const [key, site] of sites) if (!isKept(site)) sites.delete(key);
  sitesKept = sites.size;
}

function frameOf(frame: NodeJS.CallSite, name: string): Frame {
  const position = { file: name, line: frame.getLineNumber() ?? 0, column: frame.getColumnNumber() ?? 0 };
  return frameAt(frame.getFunctionName() ?? '', originOf(position));
}

/** Runs for most streams of a server, so it only compares names. */
function nodeReason(frames: readonly NodeJS.CallSite[]): string {
  for (const frame of frames) {
    if (frame.getFileName()?.startsWith(undici)) return insideFetch;
    const reason = nodeReasons.get(frame.getFunctionName() ?? '');
    if (reason !== undefined) return reason;
  }
  return nodeItself.site;
}

function intern(key: string, make: () => Creator): Creator {
  const known = sites.get(key);
  if (known !== undefined) return known;
  if (sites.size >= maxSites) {
    sitesOverflowed++;
    return overflowSite;
  }
  const site = make();
  sites.set(key, site);
  return site;
}

/**
 * The site of the caller. `cut` is the innermost function that is not shown.
 * The key is made of positions alone: names and source maps are looked up once per site.
 */
export function captureSite(cut: unknown, deep = false): Creator {
  const frames = callSites(cut, deep ? fetchDepth : depth);
  if (frames === null) return hiddenSite;
  const outer: { frame: NodeJS.CallSite; name: string }[] = [];
  let key = '';
  for (const frame of frames) {
    const name = frame.getFileName() ?? frame.getScriptNameOrSourceURL() ?? '';
    // undici's HTTP parser is WebAssembly.
    if (name === '' || name.startsWith('node:') || name.startsWith('wasm:')) continue;
    outer.push({ frame, name });
    key += `${name}:${frame.getLineNumber()}:${frame.getColumnNumber()}\n`;
    // Where the program called into packages is what tells two users of one helper apart.
    if (packageOf(name) === null || outer.length === maxFrames) break;
  }
  if (outer.length === 0) {
    const site = nodeReason(frames);
    return intern(site, () => ({ ...nodeItself, site }));
  }
  return intern(key, () => {
    const frames = outer.map(({ frame, name }) => frameOf(frame, name));
    // By the whole path: a program that is installed may run inside its own package.
    const packages = outer.map(({ name }) => packageOf(name));
    const own = frames[packages.lastIndexOf(null)] ?? (frames[0] as Frame);
    return { site: frameText(own), frames, module: packages[0] ?? null, ofProgram: true };
  });
}
