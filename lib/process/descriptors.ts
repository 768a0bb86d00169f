/** What an open file descriptor refers to, by /proc. */
import { readlinkSync } from 'node:fs';

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
