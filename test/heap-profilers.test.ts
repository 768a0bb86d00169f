/** V8 has one sampling heap profiler in an isolate: whoever runs it keeps it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { parseLine } from '../lib/log/recording.js';
import { nodes, programs, root, run, runForJson } from './plain.js';

const program = join(programs, 'heap-profilers.cjs');

interface Reported {
  readonly running: boolean;
  readonly refusal: string | null;
  /** Whether anybody's profiler runs at the end. */
  readonly others: boolean;
  readonly ran?: boolean;
  readonly samples?: boolean;
  /** Functions by their live bytes. */
  readonly found?: readonly string[] | null;
  readonly garbageBytes?: number;
  /** Major ones, that the reading made. */
  readonly collections?: number;
  readonly told?: readonly { readonly heapSites: string }[];
}

for (const node of nodes) {
  const report = (who: string, flags: readonly string[] = []) =>
    runForJson<Reported>(node, [...flags, program, root, who]);

  test(`node ${node.major}: alone, it runs, and ends with its stop`, async (t) => {
    t.same(await report('nobody'), { running: false, refusal: null, others: false, ran: true });
  });

  test(`node ${node.major}: a reading collects nothing, and what nothing has collected yet is no site`, async (t) => {
    const { found, garbageBytes, collections } = await report('read', ['--expose-gc']);
    t.equal(collections, 0);
    t.equal(found?.[0], 'leak');
    t.ok((garbageBytes ?? Number.NaN) < 2 ** 20, `of 2 MiB at least: ${garbageBytes}`);
  });

  test(`node ${node.major}: without the addon a reading collects, and is not made where that takes long`, async (t) => {
    const small = await report('plainSmall', ['--expose-gc']);
    t.match(small, { found: ['leak'], collections: 1, refusal: null });
    const large = await report('plainLarge', ['--expose-gc']);
    t.match(large, { found: null, collections: 0, running: false, others: false });
    t.match(large.refusal, /collects all garbage, some \d+ ms at \d+ MiB of heap/);
    const attended = await report('plainLargeAttended', ['--expose-gc']);
    t.match(attended, { found: ['leak'], collections: 1, refusal: null }, 'but it is for somebody who waits for it');
  });

  test(`node ${node.major}: a process that ends while it runs ends well`, async (t) => {
    for (let i = 0; i < 3; i++) t.match(await report('left'), { running: true });
  });

  test(`node ${node.major}: a client that was first keeps its profile`, async (t) => {
    const { running, refusal, samples } = await report('first');
    t.match(refusal, /another client runs/);
    t.same({ running, samples }, { running: false, samples: true });
  });

  test(`node ${node.major}: a client that stopped ours and runs its own keeps that`, async (t) => {
    const { running, refusal, others } = await report('second');
    t.match(refusal, /another client stopped/);
    t.same({ running, others }, { running: false, others: true });
  });

  test(`node ${node.major}: --heap-prof writes its file, and the capabilities say who has the profiler`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'extmem-heap-prof-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const flags = ['--heap-prof', `--heap-prof-dir=${directory}`];
    t.equal((await report('flag', flags)).others, true);
    t.equal(readdirSync(directory).filter((name) => name.endsWith('.heapprofile')).length, 1);
    const { stderr } = await run(node.path, [
      ...flags,
      '-e',
      `require(${JSON.stringify(root)}).start({ interval: '1h' }).stop()`,
    ]);
    const start = stderr.split('\n').map((line) => parseLine(line))[0]?.record;
    t.match(start?.kind === 'start' && start.capabilities.heapSites, /^--heap-prof has the heap profiler/);
  });
}

test('a session that suspects the heap says once on a line what it does not get', async (t) => {
  const [oldest] = nodes;
  if (oldest === undefined) return;
  const { told, others } = await runForJson<Reported>(oldest, ['--expose-gc', program, root, 'session']);
  t.equal(others, true);
  t.equal(told?.length, 1);
  t.match(told?.[0]?.heapSites, /another client runs/);
});
