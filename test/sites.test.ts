import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import t from 'tap';
import { toCollapsed, toPprof } from '../lib/profile/pprof.js';
import {
  groupSites,
  interval95,
  moduleOf,
  readTotals,
  type SiteInput,
  type StackFrame,
  siteOf,
} from '../lib/profile/sites.js';
import { finish } from '../lib/work.js';

const frame = (fields: Partial<StackFrame>): StackFrame => ({
  kind: 'native',
  name: '',
  file: '',
  line: 0,
  column: 0,
  pc: 0,
  offset: 0,
  ...fields,
});
const malloc = frame({ name: 'operator new', file: '/lib/libstdc++.so.6', pc: 0x10 });
const sharp = frame({ name: 'Resize', file: '/app/node_modules/sharp/sharp.node', pc: 0x20 });
const internal = frame({ kind: 'javascript', name: 'alloc', file: 'node:buffer', line: 3, column: 4 });
const thumbnail = frame({
  kind: 'javascript',
  name: 'thumbnail',
  file: join(process.cwd(), 'src/img.js'),
  line: 42,
  column: 11,
});
const view = { executable: '/usr/bin/node', nowSecond: 100 };
const stack = (id: number, allocated: number, freed: number, frames: StackFrame[], variance = 0): SiteInput => ({
  totals: {
    stack: id,
    allocatedBytes: allocated,
    allocatedCount: allocated / 10,
    freedBytes: freed,
    freedCount: freed / 10,
    variance,
    samples: 3,
    liveSamples: 2,
    oldestSecond: 90 + id,
  },
  frames,
});

t.test('intervals', async (t) => {
  t.same(interval95(0, 0), [0, 0]);
  t.same(interval95(1000, 0), [1000, 1000], 'exact when everything was recorded');
  // 100 samples that stand for 10 each: the score interval of a Poisson count of 100.
  t.same(interval95(1000, 100 * 100), [822, 1216]);
  const [low, high] = interval95(30, 3 * 100);
  t.ok(low > 0 && high - 30 > 30 - low, 'lopsided when few samples are behind it');
});

t.test('the site is the first frame that is not node, the module the one that allocates', async (t) => {
  t.equal(siteOf([malloc, sharp, internal, thumbnail]), 'thumbnail (src/img.js:42:11)');
  t.equal(moduleOf([malloc, sharp, thumbnail], view.executable), 'sharp.node');
  t.equal(moduleOf([frame({ file: '/usr/bin/node', name: 'x' })], view.executable), 'node');
  t.equal(siteOf([malloc, sharp]), 'Resize [sharp.node]');
  t.equal(siteOf([internal]), 'alloc (node:buffer:3:4)', "node's own when there is nothing else");
  t.equal(siteOf([]), '(stack not kept)');
  const unread = frame({ kind: 'unread' });
  t.equal(siteOf([malloc, internal, unread]), '(stack not read to its end)', "the caller is not node's own line");
  t.equal(siteOf([malloc, internal, thumbnail, unread]), 'thumbnail (src/img.js:42:11)', 'what was read is right');
  t.equal(siteOf([frame({ file: '/a/stripped.node', offset: 255 })]), '+0xff [stripped.node]');
});

t.test('stacks of one site are joined', async (t) => {
  const jitted = [frame({ kind: 'builtin', name: 'Call' }), ...[sharp, thumbnail]];
  const sites = finish(groupSites([stack(1, 500, 100, [sharp, thumbnail], 50), stack(2, 900, 0, jitted, 50)], view));
  t.equal(sites.length, 1);
  t.match(sites[0], { liveBytes: 1300, allocatedBytes: 1400, freedBytes: 100, count: 130, oldestMs: 9000, samples: 6 });
  t.equal(sites[0]?.growthBytes, null, 'unknown at the first look');
  const previous = new Map([['thumbnail (src/img.js:42:11)\nsharp.node', 1000]]);
  t.equal(finish(groupSites([stack(1, 1300, 0, [sharp, thumbnail])], { ...view, previous }))[0]?.growthBytes, 300);
});

t.test('rows of the binding', async (t) => {
  const [row] = finish(
    readTotals(
      { stackFields: ['liveSamples', 'oldestSecond', 'variance', 'stack', 'freedBytes', 'allocatedBytes'] },
      Float64Array.of(2, Number.NaN, 9, 7, 50, 100),
    ),
  );
  t.match(row, { stack: 7, allocatedBytes: 100, freedBytes: 50, variance: 9, liveSamples: 2, oldestSecond: null });
});

t.test('pprof', async (t) => {
  const time = { startedMs: 1000, takenMs: 3000, sampleBytes: 512 };
  const profile = Profile.decode(gunzipSync(toPprof([stack(1, 500, 100, [malloc, sharp, thumbnail])], time)));
  const text = (index: number | bigint) => profile.stringTable.strings[Number(index)];
  t.same(
    profile.sampleType.map(({ type, unit }) => [text(type), text(unit)]),
    [
      ['alloc_objects', 'count'],
      ['alloc_space', 'bytes'],
      ['inuse_objects', 'count'],
      ['inuse_space', 'bytes'],
    ],
  );
  t.same(profile.sample[0]?.value.map(Number), [50, 500, 40, 400]);
  t.same(
    profile.function.map(({ name }) => text(name)),
    ['operator new', 'Resize', 'thumbnail'],
  );
  t.equal(Number(profile.location[2]?.line[0]?.line), 42);
  t.equal(text(profile.defaultSampleType), 'inuse_space');
  t.equal(Number(profile.durationNanos), 2e9);
});

t.test('collapsed stacks', async (t) => {
  const text = toCollapsed([stack(1, 500, 100, [sharp, thumbnail]), stack(2, 5, 5, [sharp])]);
  t.equal(text, 'thumbnail (src/img.js:42:11);Resize [sharp.node] 400\n');
});
