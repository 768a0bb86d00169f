/**
 * Which functions hold the objects of the JS heap, from V8's sampling heap profiler. It is started only once the heap
 * is suspected, through an inspector session inside this process: no port is opened, and a healthy service pays nothing.
 *
 * Started by the addon, V8 answers in a millisecond or some, with what it has not collected yet. Started through the
 * inspector it collects all garbage first, which is a pause that nobody asked for: not done where it would be a long one,
 * unless somebody attends.
 * Either way readings rest 200 times their last duration, and one that took too long is the last.
 *
 * V8 has one such profiler in an isolate, shared by all who ask for it without a word: who starts it second gets the
 * first one's, and who stops it first stops it for all. So whoever runs one keeps it, and we have none.
 *
 * V8 knows the function that allocated, not the line in it: a site's line is where its function begins. What lived
 * before the profiler started is not seen, which is no loss: growth comes after.
 */
import type { Session } from 'node:inspector';
import type { Binding } from '../binding/binding.js';
import { monotonicMs } from '../binding/clock.js';
import { messageOf } from '../errors.js';
import { isOwnFile } from '../package.js';
import { type HeapCounters, heapCounters } from '../process/heap-counters.js';
import { Pace } from '../process/pace.js';
import { type Frame, frameAt, frameText, originOf, packageOf, type Site } from '../site.js';
import { MiB } from '../text.js';
import { heapSitesCapability, withoutSuspects } from './heap-profiler.js';

/** Mean bytes between samples. At 100 MiB/s of allocation that is 1600 samples a second, under 1 % of a core. */
const samplingInterval = 65_536;
const deepestStack = 64;
const longestPauseUs = 100_000;
/** A collection of all garbage: as measured at 60 and at 200 MiB of heap, on each Node (.1 to 1.5). */
const collectionMsPerMiB = 1;
const longestCollectionMs = 30;
/** Fewer samples tell nothing of who holds what. */
const fewestSettled = 10;
/** Sites on a sample. A growing site gets among the largest within a few minutes. */
const mostSites = 20;

/** What V8's profile consists of; Node's types lack `samples`. */
interface ProfileNode {
  readonly id: number;
  readonly selfSize: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly children: readonly ProfileNode[];
}

interface Profile {
  readonly head: ProfileNode;
  /** `ordinal` counts all samples that were ever taken. */
  readonly samples: readonly { readonly nodeId: number; readonly ordinal: number }[];
}

/** What is in the young generation: all that was allocated since it was collected last, and more. */
function youngBytes(counters: HeapCounters): number {
  counters.read();
  return Object.entries(counters.spaces())
    .filter(([name]) => name.startsWith('new_'))
    .reduce((sum, [, { usedBytes }]) => sum + usedBytes, 0);
}

/**
 * Why a collection of all garbage is not to be made now; `null`: it is a short one. Predicted by the size of the heap: the
 * pause of the last major collection leaves out what was marked beside the program.
 */
function tooLongACollection(counters: HeapCounters): string | null {
  const usedMiB = counters.read().heapUsedBytes / MiB;
  const predictedMs = usedMiB * collectionMsPerMiB;
  if (predictedMs <= longestCollectionMs) return null;
  return `without the addon's help the heap profiler of V8 collects all garbage, some ${Math.round(predictedMs)} ms at ${Math.round(usedMiB)} MiB of heap: ${withoutSuspects}`;
}

/** A frame, and what only its raw name tells. */
interface HeapFrame {
  readonly shown: Frame;
  readonly isOurs: boolean;
  readonly isUser: boolean;
  /** Of a script: its package. */
  readonly module: string | null;
}

function frameOf({ callFrame }: ProfileNode): HeapFrame {
  const { functionName, url, lineNumber, columnNumber } = callFrame;
  const origin = originOf({ file: url, line: lineNumber + 1, column: columnNumber + 1 });
  const isOurs = isOwnFile(origin.file);
  return {
    shown: frameAt(functionName, origin),
    isOurs,
    isUser: url !== '' && !url.startsWith('node:') && !isOurs,
    module: packageOf(origin.file),
  };
}

interface Sum {
  frames: readonly HeapFrame[];
  /** Bytes of the node that `frames` are of. */
  largest: number;
  module: string | null;
  bytes: number;
  samples: number;
}

interface Count {
  all: number;
  settled: number;
}

/**
 * Turns a profile, of a profiler that ran for `observedMs`, into sites: bytes by the innermost frame of user code.
 * @param unsettledBytes allocated last, and not counted: what may be garbage that no collection has come to. Where
 * hardly anything else is there, it is all that is known.
 */
export function sitesOf(profile: Profile, observedMs: number | null = null, unsettledBytes = 0): Site[] {
  const newest = profile.samples.reduce((latest, { ordinal }) => Math.max(latest, ordinal), 0);
  // The samples of so many bytes are a random number: to be sure, three standard deviations more.
  const unsettled = unsettledBytes / samplingInterval;
  const lastSettled = newest - unsettled - 3 * Math.sqrt(unsettled);
  const settledCount = profile.samples.filter(({ ordinal }) => ordinal <= lastSettled).length;
  const counts = new Map<number, Count>();
  for (const { nodeId, ordinal } of profile.samples) {
    const count = counts.get(nodeId) ?? { all: 0, settled: 0 };
    count.all++;
    if (settledCount < fewestSettled || ordinal <= lastSettled) count.settled++;
    counts.set(nodeId, count);
  }
  const sums = new Map<string, Sum>();
  const walk = (node: ProfileNode, above: readonly HeapFrame[]) => {
    const frames = node === profile.head ? [] : [frameOf(node), ...above];
    const { all, settled } = counts.get(node.id) ?? { all: 0, settled: 0 };
    const user = frames.find((frame) => frame.isUser) ?? frames[0];
    if (settled > 0 && user !== undefined && !frames.some((frame) => frame.isOurs)) {
      const key = frameText(user.shown);
      const sum = sums.get(key) ?? { frames, largest: 0, module: user.module, bytes: 0, samples: 0 };
      const bytes = (node.selfSize * settled) / all;
      if (bytes > sum.largest) Object.assign(sum, { frames, largest: bytes });
      sum.bytes += bytes;
      sum.samples += settled;
      sums.set(key, sum);
    }
    for (const child of node.children) walk(child, frames);
  };
  walk(profile.head, []);
  return [...sums]
    .map(([site, { frames, module, bytes, samples }]): Site => {
      return {
        heap: 'js-heap',
        site,
        frames: frames.slice(0, deepestStack).map((frame) => frame.shown),
        module,
        liveBytes: Math.round(bytes),
        // Samples arrive as a Poisson process, so their number has its own square root as standard deviation.
        errorBytes: Math.round((1.96 * bytes) / Math.sqrt(samples)),
        count: samples,
        observedMs,
      };
    })
    .sort((a, b) => b.liveBytes - a.liveBytes)
    .slice(0, mostSites);
}

/** The profiler of this isolate. Never throws: a profiler that does not work has no sites. */
export class HeapSites {
  readonly #binding: Binding | null;
  readonly #counters: HeapCounters;
  #session: Session | null = null;
  #startedMs = 0;
  readonly #pace = new Pace(longestPauseUs);
  #refusal: string | null = null;
  /** Readings collect all garbage. */
  #collects = false;

  readonly #attended: boolean;

  /** @param attended somebody waits for the answer, however long the pause for it. */
  constructor(binding: Binding | null, attended: boolean) {
    this.#attended = attended;
    this.#binding = binding;
    this.#counters = heapCounters(binding);
  }

  get running(): boolean {
    return this.#session !== null;
  }

  /** What came out only when it was asked to run; that is not tried again. */
  get refusal(): string | null {
    return this.#refusal;
  }

  start(): void {
    if (this.#session !== null || this.#refusal !== null || heapSitesCapability() !== true) return;
    try {
      // Loading it takes longer than a tick may, which a process that is never suspected is spared.
      const inspector = require('node:inspector') as typeof import('node:inspector');
      this.#session = new inspector.Session();
      this.#session.connect();
      const started = this.#binding?.startHeapSampling(samplingInterval, deepestStack) ?? null;
      this.#startedMs = performance.now();
      this.#collects = started === null;
      if (started === true) return;
      const tooLong = this.#tooLong();
      if (tooLong !== null) {
        this.#refuse(tooLong);
        return;
      }
      if (started === false || this.#isRunByOthers()) {
        this.#refuse(`another client runs the heap profiler of V8, of which there is one: ${withoutSuspects}`);
        return;
      }
      this.#session.post('HeapProfiler.startSampling', { samplingInterval, stackDepth: deepestStack }, (error) => {
        if (error !== null) this.#refuse(`the heap profiler of V8 does not start: ${withoutSuspects}`);
      });
    } catch (error) {
      this.#refuse(`the inspector refuses a session (${messageOf(error)}): ${withoutSuspects}`);
    }
  }

  /** V8 tells it only by what it answers: an error, at once, while nobody runs one; else the profile of whoever does. */
  #isRunByOthers(): boolean {
    let answers = false;
    // In-process sessions answer before post() returns.
    this.#session?.post('HeapProfiler.getSamplingProfile', (error) => {
      answers = error === null;
    });
    return answers;
  }

  #tooLong(): string | null {
    return this.#collects && !this.#attended ? tooLongACollection(this.#counters) : null;
  }

  /** Live sites now, or `null` when nothing can be said or it is too early. */
  read(): Site[] | null {
    const askedMs = monotonicMs();
    if (!this.#pace.permits(askedMs)) return null;
    const tooLong = this.#tooLong();
    if (tooLong !== null) {
      this.stop();
      this.#refusal = tooLong;
      return null;
    }
    const unsettledBytes = this.#collects ? 0 : youngBytes(this.#counters);
    let sites: Site[] | null = null;
    this.#session?.post('HeapProfiler.getSamplingProfile', (error, answer) => {
      if (error === null) {
        const observedMs = Math.round(performance.now() - this.#startedMs);
        sites = sitesOf((answer as unknown as { profile: Profile }).profile, observedMs, unsettledBytes);
      } else this.#refuse(`another client stopped the heap profiler of V8: ${withoutSuspects}`);
    });
    this.#pace.ran(askedMs, (monotonicMs() - askedMs) * 1000);
    return sites;
  }

  stop(): void {
    if (this.#session === null) return;
    // Without it V8 goes on sampling for another client's benefit, or for nobody's; the inspector reads once more.
    if (this.#collects) this.#session.post('HeapProfiler.stopSampling');
    else this.#binding?.stopHeapSampling();
    this.#session.disconnect();
    this.#session = null;
  }

  #refuse(reason: string): void {
    this.#refusal = reason;
    this.#session?.disconnect();
    this.#session = null;
  }
}
