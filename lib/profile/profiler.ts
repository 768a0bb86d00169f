/**
 * The native profiler, from JavaScript: starts it when that is safe, says why when it is not, and turns its tables
 * into numbers for the sample and into profiles. One per process: hooks belong to the process, not to an isolate.
 */
import { clearInterval, setInterval, setTimeout } from 'node:timers';
import type { Binding, HookStatus } from '../binding/binding.js';
import type { NativeNumbers } from '../sample.js';
import type { Site } from '../site.js';
import type { Work } from '../work.js';
import type { NativeProfile, ProfileReader } from './reader.js';
import type { StackTest } from './selftest.js';

export interface ProfilerOptions {
  readonly sampleBytes: number;
  readonly stackDepth: number;
  /** Above this the rate is lowered; 0 is no limit. */
  readonly maxSamplesPerCpuSecond?: number;
}

/** At most .3 % of what the process takes: in a busy service, whose caches hold other things, a sample costs 20 µs. */
const usualSamplesPerCpuSecond = 150;

/** Tests that draw the same samples again ask the binding themselves. */
const anySeed = 0;

/** Between two pieces of the test of stacks, of some .3 ms: it is over in two seconds. */
const betweenPiecesMs = 40;

/** The last compiler is mostly reached with 18 to 50; the rest is for the timer. */
const piecesAtOnce = 100;

type Refusal = Exclude<HookStatus, 'installed'>;

/** What each refusal of `profileStart` means to a reader of the start line. */
const refusals: Readonly<Record<Exclude<Refusal, 'foreign'>, string>> = {
  unsupported:
    'the C library is not glibc, or the addon was built without -z nodelete: the allocator is not intercepted',
  originalsDiffer: 'two ways to find the real malloc disagree: the allocator is not intercepted',
  indirect: 'malloc is chosen at run time by a resolver: the allocator is not intercepted',
  audited: 'an auditor of the loader (LD_AUDIT) stands between all libraries: the allocator is not intercepted',
  protected:
    'neither /proc/self/mem nor process_vm_writev may write to import tables (seccomp, SELinux): the allocator is not intercepted',
  noMemory: 'no memory for the tables of the profiler',
  running: 'another thread of this process runs the profiler already',
};

function refusal(binding: Binding, status: Refusal): string {
  if (status !== 'foreign') return refusals[status];
  const module = binding.profileForeign();
  return `the allocator is already intercepted by ${module ?? 'generated code'}: two cannot share it`;
}

/** A running profiler, or the reason why there is none. */
export class NativeProfiler {
  /** Why nothing is sampled; `null` when it is. */
  readonly unavailable: string | null;
  /** `null` until `testStacks()`: native frames only. */
  #test: StackTest | null = null;
  #testing: Work<void> | null = null;
  #testTimer: NodeJS.Timeout | null = null;
  #toldStacks: true | string | null = null;
  readonly #binding: Binding | null;
  readonly #startedMs = Date.now();
  #reader: ProfileReader | null = null;
  #restoreDlopen: (() => void) | null = null;

  /** Never throws: a profiler that cannot start is one that says why. */
  constructor(binding: Binding | null, options: ProfilerOptions) {
    this.#binding = null;
    if (binding === null || options.sampleBytes === 0) {
      this.unavailable = binding === null ? 'the addon is missing' : 'sampleBytes is 0';
      return;
    }
    const limit = options.maxSamplesPerCpuSecond ?? usualSamplesPerCpuSecond;
    const status = binding.profileStart(options.sampleBytes, limit, options.stackDepth, anySeed);
    if (status !== 'installed') {
      this.unavailable = refusal(binding, status);
      return;
    }
    this.unavailable = null;
    this.#binding = binding;
    this.#restoreDlopen = followDlopen(binding);
  }

  /** From here on samples keep JavaScript, and show it as far as it was seen to be decoded rightly here. */
  testStacks(): void {
    if (this.#binding === null) return;
    const { StackTest } = require('./selftest.js') as typeof import('./selftest.js');
    this.#test = new StackTest(this.#binding);
    this.#testing = this.#test.run();
    this.#testOn();
    if (this.#testing !== null) this.#testTimer = setInterval(() => this.#testOn(), betweenPiecesMs).unref();
  }

  #testOn(): void {
    if (this.#testing?.next().done === true) this.#endTest();
  }

  #endTest(): void {
    this.#testing = null;
    if (this.#testTimer !== null) clearInterval(this.#testTimer);
    this.#testTimer = null;
  }

  /** Most of what is left at once, for who asks now: up to 40 ms. V8 compiles on threads that may need longer. */
  hurryTest(): void {
    for (let i = 0; i < piecesAtOnce && this.#testing !== null; i++) this.#testOn();
  }

  /** And remembers what it told. */
  tellCapabilities(): { nativeProfile: true | string; javascriptStacks: true | string } {
    this.#toldStacks = this.#javascriptStacks();
    return { nativeProfile: this.unavailable ?? true, javascriptStacks: this.#toldStacks };
  }

  #javascriptStacks(): true | string {
    const untested = 'not tested before the first turn of the event loop: native frames only until then';
    return this.unavailable ?? this.#test?.capability() ?? untested;
  }

  /** Those that changed since they were last told; `null` when none did. */
  changedCapabilities(): { javascriptStacks: true | string } | null {
    if (this.#toldStacks === this.#javascriptStacks()) return null;
    const { javascriptStacks } = this.tellCapabilities();
    return { javascriptStacks };
  }

  /** Cheap, once a tick. `null` when nothing is sampled. */
  numbers(): NativeNumbers | null {
    return this.#read()?.numbers() ?? null;
  }

  /** Of the profiler's tables, as of the last `numbers()`. */
  get ownBytes(): number {
    return this.#reader?.ownBytes ?? 0;
  }

  /** Has what is live read off this thread, for `lookAtSites()` of a later sample. */
  readSites(): void {
    this.#read()?.readSites();
  }

  /** Looks at what was read, if anything was, for `takeSites()` of a later sample: symbols are looked up off this thread. */
  *lookAtSites(): Work<void> {
    yield* this.#read()?.lookAtSites() ?? [];
  }

  /** The sites that held most at the last refresh, handed out once. `null` when there is nothing new. */
  *takeSites(): Work<readonly Site[] | null> {
    const reader = this.#read();
    return reader === null ? null : yield* reader.takeSites();
  }

  /** What is live now; `null` when nothing is sampled. Growth counts from the previous call. */
  async profile(): Promise<NativeProfile | null> {
    while (this.#testing !== null) {
      this.#testOn();
      await new Promise((resolve) => setTimeout(resolve, 2)); // V8 compiles on threads of its own
    }
    return this.#read()?.profile() ?? null;
  }

  #read(): ProfileReader | null {
    if (this.#binding === null) return null;
    const { ProfileReader } = require('./reader.js') as typeof import('./reader.js');
    this.#reader ??= new ProfileReader(this.#binding, this.#startedMs);
    return this.#reader;
  }

  /** Restores the allocator. Totals stay readable; what is live is no longer known. */
  stop(): void {
    this.#endTest();
    this.#restoreDlopen?.();
    this.#restoreDlopen = null;
    this.#binding?.profileStop();
  }
}

/**
 * An addon's import table can be rewritten when it is loaded, which is right after this. Whoever wrapped the function
 * after us keeps his wrapper, and ours forwards.
 */
function followDlopen(binding: Binding): () => void {
  const original = process.dlopen;
  const following: typeof process.dlopen = function dlopen(this: unknown, ...args: Parameters<typeof process.dlopen>) {
    try {
      return Reflect.apply(original, this, args);
    } finally {
      binding.profileRescan();
    }
  };
  Reflect.set(process, 'dlopen', following);
  return () => {
    if (process.dlopen === following) Reflect.set(process, 'dlopen', original);
  };
}
