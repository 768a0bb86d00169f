/** Open file descriptors: how many of which kind, with the threads beside them, and what one of them refers to. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { PassNumbers } from '../binding/binding.js';
import { ageMs } from '../binding/clock.js';
import { orNull } from '../binding/fields.js';
import type { ProcessNumbers } from '../sample.js';

const deleted = ' (deleted)';

/** The file behind a descriptor, `null` when it is closed or /proc cannot be read. Takes about 5 µs. */
export function fileOf(fd: number): string | null {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd}`);
    // The same file before and after somebody removed its name.
    return target.endsWith(deleted) ? target.slice(0, -deleted.length) : target;
  } catch {
    return null;
  }
}

/** Whether descriptors can be verified: not without /proc, nor under `--permission` without the right to read it. */
export function canVerify(): boolean {
  try {
    return readlinkSync('/proc/self') !== '';
  } catch {
    return false;
  }
}

type Counts = Omit<ProcessNumbers, 'workers' | 'timers' | 'resources'>;

/** Without the addon no kinds can be told, since each would cost a system call on this thread. */
export function countWithoutAddon(): Counts {
  try {
    return { threads: null, fds: null, fdCount: readdirSync('/proc/self/fd').length - 1, fdsAgeMs: 0 };
  } catch {
    // No /proc: unknown, which is what null says.
    return { threads: null, fds: null, fdCount: null, fdsAgeMs: null };
  }
}

/** What the reader thread counted. */
export function composeCounts(pass: PassNumbers, nowMs: number): Counts {
  const fdsAgeMs = orNull(ageMs(pass.fdAtMs, nowMs));
  const fds = Number.isNaN(pass.fdFiles)
    ? null
    : { files: pass.fdFiles, sockets: pass.fdSockets, pipes: pass.fdPipes, other: pass.fdOther };
  return { threads: orNull(pass.threads), fds, fdCount: orNull(pass.fdCount), fdsAgeMs };
}
