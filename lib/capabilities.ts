/** What works in this process, and for what does not, the reason: the `capabilities` of the start line and of doctor. */
import type { Binding } from './binding/binding.js';
import type { Native } from './binding/load.js';
import { heapCounters } from './process/heap-counters.js';
import type { LimitSource } from './process/limit.js';
import { heapSitesCapability } from './profile/heap-profiler.js';

/** Name to `true`, or to the sentence that says why not. */
export type Capabilities = Readonly<Record<string, true | string>>;

/** One row a capability that rests on the addon: the first probe that failed gives the reason. */
const probed: readonly { name: string; needs: readonly (readonly [keyof Binding['probes'], string])[] }[] = [
  {
    name: 'ledger',
    needs: [
      ['smapsReadable', '/proc/self/smaps cannot be read; mount /proc, or allow reading it'],
      [
        'vmFlagsPresent',
        'smaps has no VmFlags lines (kernel without CONFIG_PROC_PAGE_MONITOR, or a sandbox): the classes are guesses',
      ],
    ],
  },
  {
    name: 'v8Mappings',
    needs: [
      ['v8HabitConfirmed', 'V8 does not mark its mappings as it is known to: its heap may stand under `unattributed`'],
      [
        'v8HeaderConfirmed',
        'the page headers of this V8 are unknown: its heap is told from its other mappings by flags and alignment only',
      ],
    ],
  },
  {
    name: 'pageResidency',
    needs: [
      [
        'pagemapReadable',
        '/proc/self/pagemap cannot be read: mappings that hold several classes are split by size, not by residency',
      ],
    ],
  },
];

function firstFailure(binding: Binding, works: number, needs: (typeof probed)[number]['needs']): true | string {
  const failed = needs.find(([probe]) => (works & binding.probes[probe]) === 0);
  return failed === undefined ? true : failed[1];
}

function peeks(binding: Binding, works: number): true | string {
  const either = works & (binding.probes.readByCall | binding.probes.readByFile);
  return either !== 0
    ? true
    : 'neither process_vm_readv nor /proc/self/mem works (seccomp?): mappings are told apart by flags only';
}

export const noReaderThread =
  'the system refuses a thread to read /proc (a limit of processes, or of memory?): lines go on without ledger and malloc';

/** How the allocator's own account is read, by allocator. */
function allocatorCounters(binding: Binding, works: number): true | string {
  switch (binding.allocator()) {
    case 'glibc':
      return (works & binding.probes.mallocInfoFound) !== 0
        ? true
        : 'malloc_info is missing from this libc: bytes in use are unknown';
    case 'jemalloc':
    case 'tcmalloc':
      return true;
    case 'mimalloc':
      return 'mimalloc has no figure for bytes in use: only what it committed is known';
    default:
      return 'the allocator is not one that extmem knows: only its resident bytes can show';
  }
}

function reclaimable(binding: Binding, works: number): true | string {
  if (binding.allocator() !== 'glibc')
    return `only glibc tells the sizes of its free chunks, this is ${binding.allocator()}`;
  return (works & binding.probes.mallocInfoFound) !== 0 ? true : 'malloc_info is missing from this libc';
}

/**
 * Asks the addon to try things out: reads smaps once, on the calling thread.
 * @param streams whether they are tracked, as far as that is known.
 * @param profiler what the native profiler can do here; it tries that out itself.
 * @param readerThread of a session, which alone has one.
 */
export function findCapabilities(
  native: Native,
  limit: LimitSource,
  streams: true | string,
  profiler: Capabilities,
  readerThread?: true | string,
): Capabilities {
  const found: Record<string, true | string> = { addon: native.unavailable ?? true };
  const { binding } = native;
  if (binding !== null) {
    const works = binding.probe();
    for (const { name, needs } of probed) found[name] = firstFailure(binding, works, needs);
    found.peeks = peeks(binding, works);
    found.allocatorCounters = allocatorCounters(binding, works);
    found.reclaimable = reclaimable(binding, works);
    found.heapCounters = heapCounters(binding).unavailable ?? true;
  }
  found.memoryLimit =
    limit.kind === 'physical' ? 'no cgroup limits this process: physical memory counts as the limit' : true;
  if (readerThread !== undefined) found.readerThread = readerThread;
  Object.assign(found, profiler);
  found.streams = streams;
  found.verdicts = true;
  found.heapSites = heapSitesCapability();
  found.reports = 'this version writes no reports: signal and reportDir have no effect';
  return found;
}
