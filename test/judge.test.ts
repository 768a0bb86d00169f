/** The judge on simulated services: each id with a leak that it finds and a healthy twin on which it stays silent. */
import { test } from 'tap';
import { Judge } from '../lib/judge/judge.js';
import { type VerdictId, verdictIds } from '../lib/judge/rules.js';
import { feed, foundIn, intervalMs, type Service, sampler, startMs, wobble } from './services.js';

const options = { window: 120, confirmations: 3 };
const judged = (service: Service, samples = 240) => {
  const judge = new Judge(options);
  return { judge, said: feed(judge, service, 0, samples) };
};
const verdict = (judge: Judge, id: VerdictId) => {
  const found = judge.verdicts().find((each) => each.id === id);
  if (found === undefined) throw new Error(`no verdict ${id}`);
  return found;
};

/** Every tenth sample follows a major collection. */
const collections = (kept: (i: number) => number) => (i: number) => (i % 10 === 0 ? kept(i) : null);
const rising =
  (slope: number, from = 5) =>
  (i: number) =>
    from + slope * i + 0.2 * wobble(i);
/** Fills in 60 samples, then stays. */
const filling =
  (size: number, from = 5) =>
  (i: number) =>
    from + size * Math.min(1, i / 60) + 0.2 * wobble(i);
const wandering =
  (size: number, from = 30) =>
  (i: number) =>
    from + size * Math.sin(i / 7) + wobble(i);

interface Case {
  readonly leak: Service;
  readonly twin: Service;
}

const cases: Partial<Record<VerdictId, Case>> = {
  'js-heap': {
    leak: { jsHeap: rising(0.4, 20), afterGc: collections((i) => 15 + 0.4 * i) },
    twin: { jsHeap: filling(30, 20), afterGc: collections((i) => 15 + 30 * Math.min(1, i / 60)) },
  },
  'array-buffers': {
    leak: { buffers: rising(0.4), afterGc: collections(() => 20) },
    twin: { buffers: (i) => 5 + (i % 130) * 0.3, afterGc: (i) => (i % 130 === 0 ? 20 : null) },
  },
  external: {
    leak: { external: rising(0.4), afterGc: collections(() => 20) },
    twin: { external: filling(40), afterGc: collections(() => 20) },
  },
  native: { leak: { native: rising(0.4) }, twin: { native: wandering(15) } },
  retained: { leak: { retained: rising(0.4) }, twin: { retained: filling(60) } },
  wasm: { leak: { wasm: rising(0.4) }, twin: { wasm: (i) => (i > 100 ? 30 : 0) } },
  mmap: { leak: { mmap: rising(0.4) }, twin: { mmap: filling(50) } },
  workers: {
    leak: { workers: (i) => i / 8, threads: (i) => 11 + i / 8, jsHeap: rising(0.5, 20), native: rising(0.2) },
    twin: { workers: (i) => 4 + (i % 3), threads: (i) => 15 + (i % 3) },
  },
  threads: {
    leak: { threads: (i) => 11 + i / 8, native: rising(0.2) },
    twin: { threads: (i) => (i < 40 ? 7 : 11) },
  },
  streams: { leak: { streams: (i) => i / 2 }, twin: { streams: (i) => 20 + 10 * Math.sin(i) } },
  fds: { leak: { fds: (i) => 20 + i / 2 }, twin: { fds: (i) => 60 + 40 * Math.sin(i / 5) } },
  timers: { leak: { timers: (i) => 3 + i }, twin: { timers: (i) => 100 + 50 * wobble(i) } },
  contexts: {
    leak: { contexts: (i) => 1 + i / 10, afterGc: collections(() => 20) },
    twin: { contexts: (i) => 1 + (i % 90) / 4, afterGc: (i) => (i % 90 === 0 ? 20 : null) },
  },
};

for (const [id, { leak, twin }] of Object.entries(cases)) {
  test(`${id}: found by sample 100, and nothing else`, async (t) => {
    const { judge, said } = judged(leak);
    t.strictSame(foundIn(said), [`${id} @93`]);
    const { sentence, next, docs } = verdict(judge, id as VerdictId);
    t.match(sentence, /grows by .* since 2026-01-01 00:0\d UTC/);
    t.match(next, /\.$/);
    t.equal(docs, `docs/verdicts.md#${id}`);
  });
  test(`${id}: nothing is found on the healthy twin`, async (t) => {
    t.strictSame(foundIn(judged(twin).said), []);
  });
}

test('a healthy service is told nothing at all', async (t) => {
  const { judge, said } = judged({ jsHeap: wandering(10), afterGc: collections(() => 20) });
  t.strictSame(said, []);
  t.ok(judge.verdicts().every(({ state }) => state === 'clear'));
});

test('every verdict is inconclusive at first, and says what is missing', async (t) => {
  const { judge } = judged({}, 30);
  for (const { state, reason, sentence } of judge.verdicts()) {
    t.strictSame([state, reason], ['inconclusive', 'too-few-samples']);
    t.match(sentence, /18 of the 51 samples/);
  }
  t.equal(judge.verdicts().length, verdictIds.length);
});

test('growth that no class carries is mixed, with shares', async (t) => {
  const { judge, said } = judged({
    buffers: rising(0.1),
    native: rising(0.1),
    mmap: rising(0.1),
    retained: rising(0.1),
  });
  t.ok(foundIn(said).includes('mixed @93') || foundIn(said).includes('native @93'), foundIn(said).join());
  const { shares } = verdict(judge, 'native');
  for (const id of ['array-buffers', 'native', 'mmap', 'retained']) t.ok(Math.abs((shares[id] ?? 0) - 0.25) < 0.05, id);
});

test('without a ledger growth is found, and the classes say what is missing', async (t) => {
  const judge = new Judge(options);
  for (let i = 0; i < 120; i++) {
    judge.push(startMs + i * intervalMs, { seq: i, rssBytes: Math.round((100 + 0.4 * i + 0.2 * wobble(i)) * 2 ** 20) });
  }
  t.equal(verdict(judge, 'mixed').state, 'found');
  t.strictSame([verdict(judge, 'native').state, verdict(judge, 'native').reason], ['inconclusive', 'signal-missing']);
  t.match(verdict(judge, 'native').sentence, /missing is the counters of the C allocator/);
});

test('growth of a heap that no collection has looked at is inconclusive, then told apart', async (t) => {
  const jsHeap = rising(0.4, 20);
  const { judge } = judged({ jsHeap }, 110);
  t.strictSame([verdict(judge, 'js-heap').state, verdict(judge, 'js-heap').reason], ['inconclusive', 'no-collection']);
  t.equal(verdict(judge, 'mixed').state, 'clear', 'the growth is accounted for');

  const garbage = judged({ jsHeap, afterGc: collections(() => 15) }, 110).judge;
  t.strictSame([verdict(garbage, 'js-heap').state, verdict(garbage, 'js-heap').reason], ['clear', 'garbage']);
});

test('RSS alone needs one more pass than RSS with a class that carries it', async (t) => {
  const rss = (i: number) => Math.round((100 + 0.4 * i + 0.2 * wobble(i)) * 2 ** 20);
  const alone = new Judge(options);
  const found: number[] = [];
  for (let i = 0; i < 120; i++) {
    const { verdicts } = alone.push(startMs + i * intervalMs, { seq: i, rssBytes: rss(i) });
    if (verdicts.some(({ state }) => state === 'found')) found.push(i + 1);
  }
  t.strictSame(found, [108]);
  // The class is too noisy to be found by itself, but it carries what RSS has.
  const witnessed = judged({ native: (i) => 20 + 0.3 * i + 3.5 * wobble(i) });
  t.strictSame(foundIn(witnessed.said), ['native @93']);
});

test('a bit of everything, as while starting up, is not told', async (t) => {
  const creeping = { buffers: rising(0.015), native: rising(0.015), mmap: rising(0.015), wasm: rising(0.015) };
  t.strictSame(foundIn(judged(creeping).said), []);
  const leaking = { buffers: rising(0.033), native: rising(0.033), mmap: rising(0.033), wasm: rising(0.033) };
  t.match(foundIn(judged(leaking).said), [/^mixed @/]);
});

test('a heap that rises in stairs, because nothing but the leak allocates, is found by what is used in all', async (t) => {
  const sampleAt = sampler({ jsHeap: rising(0.8, 20), afterGc: collections((i) => 15 + 0.8 * i) });
  const judge = new Judge(options);
  const found: string[] = [];
  for (let i = 0; i < 120; i++) {
    const sample = sampleAt(i);
    const heap = sample.v8 as { heapUsedBytes: number };
    // Objects stay in the young generation until a scavenge of 32 MiB moves them.
    const young = heap.heapUsedBytes % (32 * 2 ** 20);
    const spaces = { new_space: { usedBytes: young }, old_space: { usedBytes: heap.heapUsedBytes - young } };
    const { verdicts } = judge.push(startMs + i * intervalMs, { ...sample, v8: { ...heap, spaces } });
    found.push(...verdicts.filter(({ state }) => state === 'found').map(({ id }) => `${id} @${i + 1}`));
  }
  t.strictSame(found, ['js-heap @93']);
});

test('contexts that no collection has looked at are inconclusive; a few that stay are none', async (t) => {
  const { judge } = judged({ contexts: (i) => 1 + i / 10 }, 110);
  t.strictSame(
    [verdict(judge, 'contexts').state, verdict(judge, 'contexts').reason],
    ['inconclusive', 'no-collection'],
  );
  t.strictSame(foundIn(judged({ contexts: (i) => (i < 30 ? 1 : 4), afterGc: collections(() => 20) }).said), []);
});

test('files never alarm: they are page cache', async (t) => {
  const { judge, said } = judged({ files: rising(0.5, 40) });
  t.strictSame(foundIn(said), []);
  t.strictSame([verdict(judge, 'files').state, verdict(judge, 'files').reason], ['clear', 'page-cache']);
  t.match(verdict(judge, 'files').sentence, /page cache/);
});

test('memory that nobody touched is no growth', async (t) => {
  const sampleAt = sampler({});
  const judge = new Judge(options);
  for (let i = 0; i < 200; i++) {
    const sample = sampleAt(i);
    const virtual = (5 + 10 * i) * 2 ** 20;
    const counters = { externalBytes: virtual, arrayBuffersBytes: virtual, declaredBytes: virtual };
    const malloc = { ...(sample.malloc as object), inUseBytes: virtual + 6 * 2 ** 20 };
    t.strictSame(judge.push(startMs + i * intervalMs, { ...sample, external: counters, malloc }).verdicts, []);
  }
});

test('a leak under another is found too, with shares', async (t) => {
  // 2 MiB/s of Buffers over .3 MiB/s on the JS heap, at 10 s.
  const { judge, said } = judged({
    buffers: rising(20),
    jsHeap: rising(3, 20),
    afterGc: collections((i) => 15 + 3 * i),
  });
  t.strictSame(foundIn(said), ['js-heap @93', 'array-buffers @93']);
  const { shares } = verdict(judge, 'array-buffers');
  t.strictSame([shares['array-buffers'], shares['js-heap']], [0.87, 0.13]);
  t.strictSame(verdict(judge, 'js-heap').shares, shares);
});

test('a heap that grows under another leak is told by a few collections', async (t) => {
  // One in 16 samples, and too little else to see: the old generation swings by more than the leak.
  const kept = (i: number) => 15 + 0.05 * i;
  const { said } = judged({
    buffers: rising(0.6),
    jsHeap: (i) => kept(i) + 20 * ((i % 16) / 16),
    afterGc: (i) => (i % 16 === 0 ? kept(i) : null),
  });
  t.match(foundIn(said), ['array-buffers @93', /^js-heap @1(08|23|38|53)$/]);
  const alone = judged({
    jsHeap: (i) => kept(i) + 20 * ((i % 16) / 16),
    afterGc: (i) => (i % 16 === 0 ? kept(i) : null),
  });
  t.ok(Number(foundIn(alone.said)[0]?.split('@')[1] ?? 999) > 153, 'by itself it needs more of them');
});

const frame = (name: string) => ({ function: name, file: '/app/a.js', line: 7, column: 3 });

test('streams and descriptors name the line that creates them', async (t) => {
  const sampleAt = sampler({ streams: (i) => i / 2, fds: (i) => 20 + i / 2 });
  const judge = new Judge(options);
  const suspects = [
    { site: 'openAudit (/app/a.js:7:3)', frames: [frame('openAudit')], module: null, held: 40, lost: 0, perHour: 180 },
  ];
  for (let i = 0; i < 100; i++) {
    const sample = sampleAt(i);
    judge.push(startMs + i * intervalMs, { ...sample, streams: { ...(sample.streams as object), suspects } });
  }
  for (const id of ['streams', 'fds'] as const) {
    const { state, suspects, sentence, next } = verdict(judge, id);
    t.equal(state, 'found');
    t.match(suspects, [{ site: 'openAudit (/app/a.js:7:3)', frames: [{ line: 7 }], count: 40, countPerHour: 180 }]);
    t.match(sentence, /first suspect openAudit \(\/app\/a\.js:7:3\)/);
    t.match(next, /^Read openAudit \(\/app\/a\.js:7:3\): /);
  }
});

test('suspects come from where the verdict looks', async (t) => {
  const site = (name: string, heap: string) => ({
    heap,
    site: name,
    frames: [frame(name)],
    module: null,
    liveBytes: 1000,
    errorBytes: 1,
    count: 1,
  });
  const sites = [site('alloc', 'native'), site('create', 'js-heap')];
  const named = (service: Service, id: VerdictId) => {
    const sampleAt = sampler(service);
    const judge = new Judge(options);
    for (let i = 0; i < 120; i++) judge.push(startMs + i * intervalMs, { ...sampleAt(i), sites });
    const { state, suspects } = verdict(judge, id);
    return [state, ...suspects.map((each) => each.site)];
  };
  t.strictSame(named({ native: rising(0.4) }, 'native'), ['found', 'alloc']);
  t.strictSame(named({ contexts: (i) => 1 + i / 10, afterGc: collections(() => 20) }, 'contexts'), ['found', 'create']);
  t.strictSame(named({ retained: rising(0.4) }, 'retained'), ['found'], 'what was freed has no live site');
  t.strictSame(named({ timers: (i) => 3 + i }, 'timers'), ['found']);
});

test('what workers bring waits for them, however rarely one comes', async (t) => {
  for (const [period, at] of [
    [12, 93],
    [14, 108],
  ] as const) {
    const workers = (i: number) => Math.floor((i + 3) / period);
    const { said } = judged({
      workers,
      threads: (i) => 11 + workers(i),
      fds: (i) => 20 + 3 * workers(i),
      jsHeap: (i) => 20 + 3 * workers(i),
      native: (i) => 5 + 2 * workers(i) + 0.3 * wobble(i),
    });
    t.strictSame(foundIn(said), [`workers @${at}`]);
  }
});

test('a leak that stops is cleared', async (t) => {
  const { said } = judged({ native: (i) => 5 + 0.4 * Math.min(i, 150) + 0.1 * wobble(i) }, 400);
  t.strictSame(
    said.map(({ verdict: { id, state } }) => `${id} ${state}`),
    ['native found', 'native clear'],
  );
  t.ok((said[1]?.at ?? 0) <= 150 + 90, `cleared on sample ${said[1]?.at}`);
});

test('a leak that starts after an hour of health is found as quickly as one at the start', async (t) => {
  const delay = 360;
  const { judge, said } = judged({ native: (i) => 5 + 0.4 * Math.max(0, i - delay) + 0.1 * wobble(i) }, delay + 120);
  const [first] = foundIn(said);
  t.match(first, /^native @/);
  t.ok(Number(first?.split('@')[1]) - delay <= 93, `${first}`);
  const { sinceMs } = verdict(judge, 'native');
  t.ok(sinceMs !== null && sinceMs >= startMs + (delay - 120) * intervalMs, 'and not said to be older');
});

test('growth in proportion to load is inconclusive; growth beyond it is found', async (t) => {
  const requests = (i: number) => 1000 * (1 + i / 240) * (1 + 0.03 * wobble(3 * i));
  const withLoad = judged({ native: (i) => 40 * (1 + i / 240), requests });
  t.strictSame(foundIn(withLoad.said), []);
  t.equal(verdict(withLoad.judge, 'native').reason, 'load');
  t.match(foundIn(judged({ native: (i) => 40 * (1 + i / 240) }).said), ['native @93'], 'unknown load excuses nothing');
  t.match(foundIn(judged({ native: (i) => 40 + i, requests }).said), [/native @/], 'a leak outgrows the load');
});

test('memory that comes back to a level that was held before is not found', async (t) => {
  // Up for an hour, down for four, up again.
  const native = (i: number) => (i < 1500 ? 60 : i < 2500 ? 10 : Math.min(60, 10 + 0.2 * (i - 2500))) + 0.2 * wobble(i);
  const { judge, said } = judged({ native }, 2700);
  t.strictSame(foundIn(said), []);
  t.equal(verdict(judge, 'native').reason, 'peak');
});

test('a slow leak shows in the long look-back', async (t) => {
  // 4 MiB an hour: 1.3 MiB over the window of 20 minutes.
  const leak = { native: rising(4 / 360), requests: (i: number) => 1000 + 50 * wobble(7 * i) };
  const [first] = foundIn(judged(leak, 6 * 360).said);
  t.match(first, /^native @/);
  t.strictSame(foundIn(judged({ ...leak, native: wandering(3) }, 6 * 360).said), []);
});

test('the time to the limit is a range, and only there when growth was found', async (t) => {
  const grows = judged({ native: rising(0.5), limitMB: 300 }, 120).judge;
  const eta = verdict(grows, 'native').etaMs;
  // 70 MiB at the start, 130 MiB now, .5 MiB every 10 s.
  t.ok(eta !== null && eta[0] < 3_500_000 && eta[1] > 3_300_000 && eta[0] > 3_000_000 && eta[1] < 3_800_000, `${eta}`);
  t.match(verdict(grows, 'native').sentence, /The memory limit is reached in 5\d min to (5\d|6\d) min\./);
  t.equal(judged({ limitMB: 300 }, 120).judge.etaMs(), null);
});

test('a process that starts again under its pid is judged afresh', async (t) => {
  const { judge } = judged({ native: rising(0.5) }, 120);
  t.equal(verdict(judge, 'native').state, 'found');
  const sampleAt = sampler({});
  judge.push(startMs + 130 * intervalMs, sampleAt(0));
  t.equal(verdict(judge, 'native').reason, 'too-few-samples');
});

test('lines that come twice or late are left out', async (t) => {
  const sampleAt = sampler({ native: rising(0.4) });
  const judge = new Judge(options);
  const found: number[] = [];
  for (let i = 0; i < 120; i++) {
    for (const seq of i > 20 ? [i, i, i - 7] : [i]) {
      const { verdicts } = judge.push(startMs + seq * intervalMs, { ...sampleAt(i), seq });
      if (verdicts.some(({ state }) => state === 'found')) found.push(i + 1);
    }
  }
  t.strictSame(found, [93]);
});

test('evidence, rate and since are those of the growth', async (t) => {
  const { judge } = judged({ native: rising(0.5) }, 120);
  const { bytesPerHour, evidence, shares } = verdict(judge, 'native');
  const perHour = 0.5 * 360 * 2 ** 20;
  t.ok(bytesPerHour !== null && bytesPerHour[0] < perHour && bytesPerHour[2] > perHour, `${bytesPerHour}`);
  t.equal(evidence[0]?.metric, 'native');
  t.ok((shares.native ?? 0) > 0.95);
});
