import fc from 'fast-check';
import { test } from 'tap';
import { findLimit, parseBytes, parseCgroup, parseField, parseMounts, readLimit } from '../lib/process/limit.js';

const GiB = 2 ** 30;
const meminfo = `MemTotal:       ${(16 * GiB) / 1024} kB\nMemFree:         100 kB\nMemAvailable:   ${(10 * GiB) / 1024} kB\n`;

/** A machine, as the texts of its files. */
const machine = (files: Record<string, string>) => (path: string) =>
  Object.hasOwn(files, path) ? (files[path] ?? null) : path === '/proc/meminfo' ? meminfo : null;

function limitOf(files: Record<string, string>) {
  const read = machine(files);
  const source = findLimit(read);
  return readLimit(source, source.files.map(read), null, 5_000_011);
}

const v2Mount = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n';
const v1Mount = '31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';
const v2Stat = `anon ${300_007}\nfile 9999999\nshmem 1009\nkernel_stack 11\npagetables 13\nslab_unreclaimable 17\nsock 19\nunevictable 300007\n`;

test('v2: the smallest limit among the ancestors, and what cannot be reclaimed under it', async (t) => {
  const limit = limitOf({
    '/proc/self/cgroup': '0::/kube/pod1/app\n',
    '/proc/self/mountinfo': v2Mount,
    '/sys/fs/cgroup/kube/pod1/app/memory.max': 'max\n',
    '/sys/fs/cgroup/kube/pod1/memory.max': `${GiB}\n`,
    '/sys/fs/cgroup/kube/pod1/memory.stat': v2Stat,
    '/sys/fs/cgroup/kube/memory.max': `${4 * GiB}\n`,
  });
  t.match(limit, { bytes: GiB, source: 'cgroup-v2', usedBytes: 300_007 + 1009 + 11 + 13 + 17 + 19, etaMs: null });
});

test('v2 in a cgroup namespace: the mount point is the cgroup', async (t) => {
  const limit = limitOf({
    '/proc/self/cgroup': '0::/\n',
    '/proc/self/mountinfo': v2Mount,
    '/sys/fs/cgroup/memory.max': `${GiB / 2}\n`,
    '/sys/fs/cgroup/memory.stat': v2Stat,
  });
  t.equal(limit.bytes, GiB / 2);
});

test('v1 on a hybrid machine, with an empty v2 mount', async (t) => {
  const limit = limitOf({
    '/proc/self/cgroup': '4:memory:/docker/abc\n0::/\n',
    '/proc/self/mountinfo': v1Mount + v2Mount,
    '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': `${GiB}\n`,
    '/sys/fs/cgroup/memory/docker/abc/memory.stat': 'cache 7\ntotal_rss 200003\ntotal_shmem 5\n',
    '/sys/fs/cgroup/memory/docker/memory.limit_in_bytes': '9223372036854771712\n',
  });
  t.match(limit, { bytes: GiB, source: 'cgroup-v1', usedBytes: 200_008 });
});

test('a container that mounts only its own part of a v1 hierarchy', async (t) => {
  const limit = limitOf({
    '/proc/self/cgroup': '4:memory:/docker/abc\n',
    '/proc/self/mountinfo': '31 23 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GiB}\n`,
    '/sys/fs/cgroup/memory/memory.stat': 'total_rss 1\n',
  });
  t.equal(limit.bytes, GiB);
});

test('no limit, or one beyond the machine: physical memory', async (t) => {
  const none = limitOf({
    '/proc/self/cgroup': '0::/a\n',
    '/proc/self/mountinfo': v2Mount,
    '/sys/fs/cgroup/a/memory.max': 'max\n',
  });
  t.match(none, { bytes: 16 * GiB, source: 'physical', usedBytes: 6 * GiB });
  const beyond = limitOf({
    '/proc/self/cgroup': '0::/a\n',
    '/proc/self/mountinfo': v2Mount,
    '/sys/fs/cgroup/a/memory.max': `${64 * GiB}\n`,
  });
  t.equal(beyond.source, 'physical');
});

test("a limit of the user's counts the process' own RSS", async (t) => {
  const source = findLimit(machine({}));
  t.match(readLimit(source, [meminfo], 10_000_022, 5_000_011), { bytes: 10_000_022, source: 'option', usedRatio: 0.5 });
});

test('unreadable files: unknown, not zero', async (t) => {
  const source = findLimit(() => null);
  t.same(readLimit(source, [null], null, 1), {
    bytes: null,
    source: 'physical',
    usedBytes: null,
    usedRatio: null,
  });
});

test('parsers take any text and never give a number that is none', async (t) => {
  const noise = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '0::',
      '0::/../../..',
      '1:memory:',
      '\n\n',
      '-1',
      '0x10',
      '1e400',
      '99999999999999999999999',
      'MemTotal: -5 kB',
      'anon \u0000',
    ),
    fc
      .array(fc.constantFrom('anon', ' ', '\n', ':', '/', '0', '18446744073709551615', ' - cgroup2 ', 'kB'))
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(noise, noise, noise, (a, b, c) => {
      const bytes = parseBytes(a);
      if (bytes !== null && !(Number.isSafeInteger(bytes) && bytes >= 0)) return false;
      const field = parseField(a, 'anon');
      if (field !== null && !(Number.isSafeInteger(field) && field >= 0)) return false;
      parseCgroup(a);
      parseMounts(b);
      const read = (path: string) =>
        path === '/proc/self/cgroup' ? a : path === '/proc/self/mountinfo' ? `${v2Mount}${b}` : c;
      const source = findLimit(read);
      const limit = readLimit(source, source.files.map(read), null, 1);
      return [limit.bytes, limit.usedBytes, limit.usedRatio].every((value) => value === null || Number.isFinite(value));
    }),
    { seed: 20261122, numRuns: 2000 },
  );
  t.pass('2000 hostile texts');
});
