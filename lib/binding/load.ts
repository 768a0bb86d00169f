/**
 * Finds and loads the addon. A failed load is a capability that is missing, not an exception: callers get the reason
 * and the remedy, and everything that needs no addon goes on.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { messageOf } from '../errors.js';
import { packageRoot } from '../package.js';
import type { Binding } from './binding.js';

export interface Native {
  readonly binding: Binding | null;
  /** Where the addon was loaded from. */
  readonly path: string | null;
  /** Why there is no binding, with the remedy; `null` when there is one. */
  readonly unavailable: string | null;
}

/** A build of this checkout wins over the shipped binaries, as with every addon; `EXTMEM_PREBUILD` wins over both. */
function candidates(): string[] {
  const chosen = process.env.EXTMEM_PREBUILD;
  if (chosen) return [resolve(chosen)];
  const found: string[] = [];
  const built = join(packageRoot, 'build', 'Release', 'extmem.node');
  if (existsSync(built)) found.push(built);
  const shipped = join(packageRoot, 'prebuilds', `${process.platform}-${process.arch}`);
  if (existsSync(shipped)) {
    for (const file of readdirSync(shipped)) if (file.endsWith('.node')) found.push(join(shipped, file));
  }
  return found;
}

/** Only who compiles needs these headers, so they are no dependency of everybody's. */
const build =
  '`npm install --no-save node-addon-api` in the project and `npx node-gyp rebuild` in the package directory';

function remedy(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_DLOPEN_DISABLED') return 'start node with --allow-addons to permit it';
  return `rebuild it for this system with ${build}`;
}

function load(): Native {
  const here = `${process.platform}-${process.arch}`;
  const failures: string[] = [];
  let paths: string[];
  try {
    paths = candidates();
  } catch (error) {
    // The permission model denies the look at our own directory.
    return { binding: null, path: null, unavailable: `the addon cannot be looked up: ${messageOf(error)}` };
  }
  for (const path of paths) {
    try {
      return { binding: require(path) as Binding, path, unavailable: null };
    } catch (error) {
      failures.push(`${path}: ${messageOf(error).split('\n', 1)[0]}; ${remedy(error)}`);
    }
  }
  const unavailable =
    failures.length > 0
      ? `the addon does not load: ${failures.join('; ')}`
      : `no addon for ${here} in ${packageRoot}; supported: linux-x64 with glibc; build it with ${build}`;
  return { binding: null, path: null, unavailable };
}

let loaded: Native | undefined;

/** Loads once per thread. Never throws. */
export function loadNative(): Native {
  loaded ??= load();
  return loaded;
}
