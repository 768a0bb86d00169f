/**
 * One line that holds memory of three kinds, far from where it stands once the types are gone.
 * node --enable-source-maps one-line.js PACKAGE: prints what each source of sites calls it, and what is said of source maps.
 */
import { PassThrough } from 'node:stream';
import type { Sample, Session } from '../../lib/index.js';

interface Held {
  readonly index: number;
  readonly cells: readonly number[];
}

interface Named {
  native: string | null;
  heap: string | null;
  stream: string | null;
}

const { start } = require(process.argv[2] as string) as { start(options: object): Session };
const kept: unknown[] = [];

// Async, because such a function is never inlined: V8's heap profiler would name its caller.
// biome-ignore format: the line is what is tested
async function hold(index: number): Promise<void> { kept.push(new PassThrough(), Buffer.alloc(3_001), { index, cells: new Array(1000).fill(index) } satisfies Held); }

const session = start({ interval: 20, destination: 'none', sampleBytes: '64KiB' });
const named: Named = { native: null, heap: null, stream: null };
let sourceMaps: string | null = null;
let left = 1000;
session.on('sample', ({ sites = [], capabilities }: Sample) => {
  const holding = (heap: string) => sites.find((site) => site.heap === heap && site.site.startsWith('hold'))?.site;
  named.native ??= holding('native') ?? null;
  named.heap ??= holding('js-heap') ?? null;
  named.stream ??= session.streams()?.sites.find(({ site }) => site.startsWith('hold'))?.site ?? null;
  // One sample carries it.
  const said = capabilities?.sourceMaps;
  if (typeof said === 'string') sourceMaps = said;
  if (--left > 0 && Object.values(named).includes(null)) return;
  session.stop();
  process.stdout.write(`${JSON.stringify({ ...named, sourceMaps })}\n`, () => process.exit());
});
setInterval(() => {
  for (let i = 0; i < 5; i++) hold(i);
}, 10);
