import { test } from 'tap';
import { Suspects } from '../lib/judge/suspects.js';
import { sitesOf } from '../lib/profile/heap-sites.js';
import type { Site } from '../lib/site.js';

const hourMs = 3_600_000;
const site = (name: string, liveBytes: number, errorBytes: number, heap: Site['heap'] = 'native'): Site => ({
  heap,
  site: name,
  frames: [{ function: name, file: '/app/a.js', line: 1, column: 1 }],
  module: null,
  liveBytes,
  errorBytes,
  count: 1,
});
const ranked = (suspects: Suspects, heap: Site['heap'] = 'native') => suspects.rank(heap).map((each) => each.site);

test('suspects are ranked by growth, not by size', async (t) => {
  const suspects = new Suspects();
  suspects.push(0, { sites: [site('pool', 900, 10), site('leak', 10, 5)] });
  suspects.push(hourMs, { sites: [site('pool', 905, 10), site('leak', 100, 10), site('late', 50, 10)] });
  t.strictSame(ranked(suspects), ['leak', 'late', 'pool']);
  const [leak] = suspects.rank('native');
  t.match(leak, { growthBytesPerHour: 90, errorBytesPerHour: 11, liveBytes: 100 });
});

test('growth that may be chance comes after growth that is certain', async (t) => {
  const suspects = new Suspects();
  suspects.push(0, { sites: [site('noisy', 0, 0), site('sure', 0, 0)] });
  suspects.push(hourMs, { sites: [site('noisy', 500, 900), site('sure', 100, 20)] });
  t.strictSame(ranked(suspects), ['sure', 'noisy']);
});

test('heaps are kept apart, and what is no site is left out', async (t) => {
  const suspects = new Suspects();
  const broken = [null, 3, {}, { ...site('x', 1, 1), liveBytes: -1 }, { ...site('y', 1, 1), frames: 'none' }];
  suspects.push(0, { sites: [...broken, site('object', 10, 1, 'js-heap'), site('malloc', 20, 1)] });
  suspects.push(1, { sites: 'none' });
  suspects.push(2, null);
  t.strictSame([ranked(suspects), ranked(suspects, 'js-heap')], [['malloc'], ['object']]);
});

test('at most ten, however many sites there are', async (t) => {
  const suspects = new Suspects();
  suspects.push(0, { sites: Array.from({ length: 50 }, (_, i) => site(`s${i}`, 100 + i, 1)) });
  t.equal(suspects.rank('native').length, 10);
});

test('one line through two modules is two suspects', async (t) => {
  const suspects = new Suspects();
  const handle = { ...site('open', 20, 1), module: 'node' };
  suspects.push(0, { sites: [site('open', 100, 1), handle] });
  t.match(suspects.rank('native'), [{ liveBytes: 100 }, { liveBytes: 20, module: 'node' }]);
});

test('a profiler that starts anew has forgotten: what it saw before is not compared', async (t) => {
  const heapSite = (name: string, liveBytes: number, observedMs: number) => ({
    ...site(name, liveBytes, 1, 'js-heap'),
    observedMs,
  });
  const suspects = new Suspects();
  suspects.push(0, { sites: [heapSite('leak', 5000, 60_000), heapSite('pool', 10, 60_000)] });
  suspects.push(hourMs, { sites: [heapSite('leak', 100, 1000), heapSite('pool', 20, 1000)] });
  suspects.push(2 * hourMs, { sites: [heapSite('leak', 900, hourMs + 1000), heapSite('pool', 20, hourMs + 1000)] });
  t.match(suspects.rank('js-heap'), [{ site: 'leak', growthBytesPerHour: 800 }, { site: 'pool' }]);
});

const growing = (name: string, held: number) => ({
  className: 'ReadStream',
  site: name,
  frames: [{ function: name, file: '/app/a.js', line: 3, column: 1 }],
  module: null,
  held,
  lost: 2,
  bufferedBytes: 64,
  perHour: 720,
});

test('streams that grow are suspects, the newest list that is not empty', async (t) => {
  const suspects = new Suspects();
  const broken = [null, { ...growing('x', 1), frames: [null] }, { ...growing('y', 1), site: 3 }];
  suspects.push(0, { streams: { suspects: [growing('old', 1)] } });
  suspects.push(1, {
    streams: { suspects: [growing('open', 40), ...broken, { ...growing('odd', -1), perHour: 'x' }] },
  });
  suspects.push(2, { streams: { suspects: [] } });
  suspects.push(3, { streams: null });
  t.match(suspects.rank('streams'), [
    { site: 'open', count: 42, liveBytes: 64, countPerHour: 720, growthBytesPerHour: null, errorBytesPerHour: null },
    { site: 'odd', count: 2, countPerHour: 0 },
  ]);
  suspects.clear();
  t.strictSame(suspects.rank('streams'), []);
});

const node = (id: number, functionName: string, url: string, selfSize: number, children: object[] = []) => ({
  id,
  selfSize,
  callFrame: { functionName, url, lineNumber: 9, columnNumber: 4, scriptId: '1' },
  children,
});

test("a profile's bytes go to the innermost frame of user code", async (t) => {
  const head = node(1, '(root)', '', 0, [
    node(2, 'handle', 'file:///app/server.js', 100, [
      node(3, 'push', 'node:internal/list', 300),
      node(4, 'parse', 'file:///app/node_modules/@scope/parser/index.js', 50),
    ]),
    node(5, 'processTimers', 'node:internal/timers', 7),
  ]);
  const samples = [2, 3, 3, 3, 4, 5].map((nodeId, ordinal) => ({ nodeId, ordinal, size: 1 }));
  const sites = sitesOf({ head, samples } as unknown as Parameters<typeof sitesOf>[0]);
  t.match(sites, [
    { site: 'handle (/app/server.js:10:5)', liveBytes: 400, errorBytes: 392, count: 4, module: null },
    { site: 'parse (/app/node_modules/@scope/parser/index.js:10:5)', liveBytes: 50, module: '@scope/parser' },
    { site: 'processTimers (node:internal/timers:10:5)', liveBytes: 7 },
  ]);
  t.strictSame(
    sites[0]?.frames.map((frame) => frame.function),
    ['push', 'handle'],
    'innermost first',
  );
});
