/**
 * Which functions hold the objects of the JS heap, from V8's sampling heap profiler. It is started only once the heap
 * is suspected, through an inspector session inside this process: no port is opened, and a healthy service pays nothing.
 *
 * V8 collects all garbage before it answers, which is a pause that nobody asked for. So readings rest 200 times their
 * last duration, and one that took too long is the last.
 *
 * V8 knows the function that allocated, not the line in it: a site's line is where its function begins. What lived
 * before the profiler started is not seen, which is no loss: growth comes after.
 */
import { Session } from 'node:inspector';
import { monotonicMs } from '../binding/clock.js';
import { isOwnFile } from '../package.js';
import { Pace } from '../process/pace.js';
import { type Frame, frameAt, frameText, originOf, packageOf, type Site } from '../site.js';

/** Mean bytes between samples. At 100 MiB/s of allocation that is 1600 samples a second, under 1 % of a core. */
const samplingInterval = 65_536;
const deepestStack = 64;
const longestPauseUs = 100_000;
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
  readonly samples: readonly { readonly nodeId: number; readonly size: number }[];
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

/** Turns a profile, of a profiler that ran for `observedMs`, into sites: bytes by the innermost frame of user code. */
export function sitesOf(profile: Profile, observedMs: number | null = null): Site[] {
  const counts = new Map<number, number>();
  for (const { nodeId } of profile.samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  const sums = new Map<string, Sum>();
  const walk = (node: ProfileNode, above: readonly HeapFrame[]) => {
    const frames = node === profile.head ? [] : [frameOf(node), ...above];
    const samples = counts.get(node.id) ?? 0;
    const user = frames.find((frame) => frame.isUser) ?? frames[0];
    if (samples > 0 && user !== undefined && !frames.some((frame) => frame.isOurs)) {
      const key = frameText(user.shown);
      const sum = sums.get(key) ?? { frames, largest: 0, module: user.module, bytes: 0, samples: 0 };
      if (node.selfSize > sum.largest) Object.assign(sum, { frames, largest: node.selfSize });
      sum.bytes += node.selfSize;
      sum.samples += samples;
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
  #session: Session | null = null;
  #startedMs = 0;
  readonly #pace = new Pace(longestPauseUs);
  /** An inspector that refused once (permission model, another client) is not asked again. */
  #refused = false;

  get running(): boolean {
    return this.#session !== null;
  }

  start(): void {
    if (this.#session !== null || this.#refused) return;
    try {
      const session = new Session();
      session.connect();
      this.#session = session;
      this.#startedMs = performance.now();
      session.post('HeapProfiler.startSampling', { samplingInterval, stackDepth: deepestStack }, (error) => {
        if (error !== null) this.#refuse();
      });
    } catch {
      this.#refuse();
    }
  }

  /** Live sites now, or `null` when nothing can be said or it is too early. Takes as long as a full collection. */
  read(): Site[] | null {
    const askedMs = monotonicMs();
    if (!this.#pace.permits(askedMs)) return null;
    let sites: Site[] | null = null;
    // In-process sessions answer before post() returns.
    this.#session?.post('HeapProfiler.getSamplingProfile', (error, answer) => {
      if (error === null) {
        const observedMs = Math.round(performance.now() - this.#startedMs);
        sites = sitesOf((answer as unknown as { profile: Profile }).profile, observedMs);
      }
    });
    this.#pace.ran(askedMs, (monotonicMs() - askedMs) * 1000);
    return sites;
  }

  stop(): void {
    // Without stopSampling V8 goes on sampling for another client's benefit, or for nobody's.
    this.#session?.post('HeapProfiler.stopSampling');
    this.#session?.disconnect();
    this.#session = null;
  }

  #refuse(): void {
    this.#refused = true;
    this.#session?.disconnect();
    this.#session = null;
  }
}
