/**
 * The memory limit that really applies, and how much of it cannot be given back.
 *
 * The limit is the smallest over the cgroup's ancestors, v2 or v1 (machines exist with the memory controller on v1
 * beside an empty v2 mount, so both are looked at), and physical memory where no cgroup sets one. Use counts only what
 * the kernel cannot reclaim: page cache in `memory.current` kills nobody.
 *
 * Finding the limit happens once, at start; after that only the files that hold the numbers are read. All parsers take
 * text and answer `null` to anything they do not understand.
 */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { Binding } from '../binding/binding.js';
import type { Limit } from '../sample.js';

/** Returns the text of a file, or `null` if it cannot be read, for whatever reason. */
export type ReadText = (path: string) => string | null;

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
};

export interface LimitSource {
  readonly kind: 'cgroup-v2' | 'cgroup-v1' | 'physical';
  /** What `readLimit` wants the texts of, in this order. */
  readonly files: readonly string[];
}

const maxPathDepth = 64;

/** A decimal count of bytes; `max`, junk and values beyond 2^53 (v1's "unlimited") are no limit. */
export function parseBytes(text: string | null): number | null {
  const match = text === null ? null : /^\s*(\d{1,20})\s*$/.exec(text);
  if (!match) return null;
  const value = Number(match[1]);
  return Number.isSafeInteger(value) ? value : null;
}

/** Sticky: it looks where it is told to, so that no piece of the text has to be cut out for it. */
const fieldValue = /:?[ \t]+(\d{1,18})( kB)?[ \t\r]*$/my;

/**
 * The value of one `name value` line (memory.stat) or `Name:  value kB` line (meminfo) in bytes, or `null`.
 * Looks for the wanted line only: on each tick, taking the whole text apart would be the dearest part of a sample.
 */
export function parseField(text: string, name: string): number | null {
  const at = text.startsWith(name) ? 0 : text.indexOf(`\n${name}`) + 1;
  if (at === 0 && !text.startsWith(name)) return null;
  fieldValue.lastIndex = at + name.length;
  const match = fieldValue.exec(text);
  if (!match) return null;
  const value = Number(match[1]) * (match[2] ? 1024 : 1);
  return Number.isSafeInteger(value) ? value : null;
}

/** Path of the memory cgroup in each hierarchy, from /proc/self/cgroup: `0::/path` (v2), `4:memory:/path` (v1). */
export function parseCgroup(text: string): { v1: string | null; v2: string | null } {
  let v1: string | null = null;
  let v2: string | null = null;
  for (const line of text.split('\n')) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    const path = match[3] ?? '/';
    if (match[1] === '0' && match[2] === '') v2 = path;
    else if (match[2]?.split(',').includes('memory')) v1 = path;
  }
  return { v1, v2 };
}

interface CgroupMount {
  readonly version: 1 | 2;
  /** The part of the hierarchy that is mounted here. */
  readonly root: string;
  readonly mountPoint: string;
}

const unescapeMount = (path: string) =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Cgroup mounts that can carry the memory controller, from /proc/self/mountinfo (proc(5), fields 4, 5 and after "-"). */
export function parseMounts(text: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ');
    const left = before?.split(' ') ?? [];
    const right = after?.split(' ') ?? [];
    const root = left[3];
    const mountPoint = left[4];
    if (!root?.startsWith('/') || !mountPoint?.startsWith('/')) continue;
    if (right[0] === 'cgroup2')
      mounts.push({ version: 2, root: unescapeMount(root), mountPoint: unescapeMount(mountPoint) });
    else if (right[0] === 'cgroup' && right[2]?.split(',').includes('memory')) {
      mounts.push({ version: 1, root: unescapeMount(root), mountPoint: unescapeMount(mountPoint) });
    }
  }
  return mounts;
}

/** Directories of a cgroup and its ancestors, innermost first. Inside a cgroup namespace all of it is the mount point. */
function ancestors(mount: CgroupMount, path: string): string[] {
  const inside = path === mount.root || path.startsWith(mount.root === '/' ? '/' : `${mount.root}/`);
  const relative = inside ? posix.normalize(path.slice(mount.root === '/' ? 0 : mount.root.length) || '/') : '/';
  const parts = relative
    .split('/')
    .filter((part) => part !== '' && part !== '..')
    .slice(0, maxPathDepth);
  const directories: string[] = [];
  for (let depth = parts.length; depth >= 0; depth--) {
    directories.push(posix.join(mount.mountPoint, ...parts.slice(0, depth)));
  }
  return directories;
}

function physicalBytes(readText: ReadText): number | null {
  return parseField(readText('/proc/meminfo') ?? '', 'MemTotal');
}

/** Finds where the smallest limit stands. */
export function findLimit(readText: ReadText): LimitSource {
  const paths = parseCgroup(readText('/proc/self/cgroup') ?? '');
  let best: LimitSource = { kind: 'physical', files: ['/proc/meminfo'] };
  let bestBytes = physicalBytes(readText) ?? Number.POSITIVE_INFINITY;
  for (const mount of parseMounts(readText('/proc/self/mountinfo') ?? '')) {
    const path = mount.version === 2 ? paths.v2 : paths.v1;
    if (path === null) continue;
    const limitFile = mount.version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
    for (const directory of ancestors(mount, path)) {
      const file = posix.join(directory, limitFile);
      const bytes = parseBytes(readText(file));
      if (bytes !== null && bytes > 0 && bytes < bestBytes) {
        bestBytes = bytes;
        best = {
          kind: mount.version === 2 ? 'cgroup-v2' : 'cgroup-v1',
          files: [file, posix.join(directory, 'memory.stat')],
        };
      }
    }
  }
  return best;
}

/** The limit of this process. The addon reads its files in each pass from now on. */
export function watchLimit(binding: Binding | null): LimitSource {
  const source = findLimit(readText);
  binding?.watch([...source.files]);
  return source;
}

/**
 * What of a cgroup's use the kernel cannot take back: the first name must be there, the others count when they are.
 * v2 `unevictable` is left out: locked anonymous pages stand in `anon` as well.
 */
const unreclaimable = {
  'cgroup-v2': ['anon', 'shmem', 'kernel_stack', 'pagetables', 'slab_unreclaimable', 'sock'],
  'cgroup-v1': ['total_rss', 'total_shmem'],
} as const;

function sumFields(text: string, [first, ...more]: readonly [string, ...string[]]): number | null {
  const base = parseField(text, first);
  return base === null ? null : more.reduce((total, name) => total + (parseField(text, name) ?? 0), base);
}

/**
 * The limit now, from the texts of `source.files`.
 *
 * @param override a limit that the user set; then the process' own RSS counts against it.
 */
export function readLimit(
  source: LimitSource,
  texts: readonly (string | null)[],
  override: number | null,
  rssBytes: number | null,
): Omit<Limit, 'etaMs'> {
  let bytes: number | null;
  let usedBytes: number | null;
  if (override !== null) {
    bytes = override;
    usedBytes = rssBytes;
  } else if (source.kind === 'physical') {
    bytes = parseField(texts[0] ?? '', 'MemTotal');
    const available = parseField(texts[0] ?? '', 'MemAvailable');
    usedBytes = bytes === null || available === null ? null : bytes - available;
  } else {
    bytes = parseBytes(texts[0] ?? null);
    usedBytes = sumFields(texts[1] ?? '', unreclaimable[source.kind]);
  }
  const usedRatio =
    bytes !== null && bytes > 0 && usedBytes !== null ? Math.round((usedBytes / bytes) * 1e4) / 1e4 : null;
  return { bytes, source: override === null ? source.kind : 'option', usedBytes, usedRatio };
}
