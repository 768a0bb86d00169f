/** Whatever a recording holds: no exception, no NaN, no certainty that the numbers do not give. */
import fc from 'fast-check';
import { test } from 'tap';
import { Judge } from '../lib/judge/judge.js';
import { parseLine } from '../lib/log/recording.js';
import { Replay } from '../lib/log/replay.js';
import { intervalMs, sampler, startMs, wobble } from './services.js';

const options = { window: 60, confirmations: 3 };
const steady = sampler({ jsHeap: (i) => 20 + wobble(i), native: (i) => 5 + wobble(i + 1) });
const leaking = sampler({ native: (i) => 5 + 0.4 * i });

/** Every number in a value is finite. */
function isFiniteThroughout(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isFiniteThroughout);
}

const hostile = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.double(),
  fc.integer(),
  fc.string(),
  fc.constant({}),
  fc.constant([]),
  fc.constant(-1),
  fc.constant(Number.NaN),
  fc.constant(2 ** 63),
);

/** A sample with some of its fields, at any depth, replaced by something else or removed. */
function damaged(sample: Record<string, unknown>): fc.Arbitrary<Record<string, unknown>> {
  const paths: string[][] = [];
  const walk = (value: unknown, path: string[]) => {
    if (path.length > 0) paths.push(path);
    if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value)) walk(child, [...path, key]);
    }
  };
  walk(sample, []);
  return fc.array(fc.tuple(fc.constantFrom(...paths), hostile), { maxLength: 4 }).map((damages) => {
    const copy = structuredClone(sample);
    for (const [path, value] of damages) {
      let parent: unknown = copy;
      for (const key of path.slice(0, -1)) parent = (parent as Record<string, unknown> | null)?.[key];
      if (typeof parent === 'object' && parent !== null) (parent as Record<string, unknown>)[path.at(-1) ?? ''] = value;
    }
    return copy;
  });
}

test('damaged samples and times: no exception, no NaN', async (t) => {
  const lines = fc.array(
    fc.tuple(
      fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 3 * intervalMs }) }, fc.integer(), fc.double()),
      fc.nat(200).chain((i) => damaged(leaking(i))),
    ),
    { minLength: 60, maxLength: 160 },
  );
  fc.assert(
    fc.property(lines, (sequence) => {
      const judge = new Judge(options);
      let timeMs = startMs;
      for (const [stepMs, sample] of sequence) {
        timeMs += stepMs;
        if (!isFiniteThroughout(judge.push(timeMs, sample))) return false;
      }
      return isFiniteThroughout(judge.verdicts()) && isFiniteThroughout(judge.etaMs());
    }),
    { numRuns: 60 },
  );
  t.pass('holds');
});

/** What may happen to the lines of a healthy service on their way. */
type Mishap = { readonly at: number; readonly kind: 'duplicate' | 'late' | 'gap' | 'back' | 'forward' | 'restart' };
const mishaps = fc.array(
  fc.record({
    at: fc.nat(239),
    kind: fc.constantFrom<Mishap['kind']>('duplicate', 'late', 'gap', 'back', 'forward', 'restart'),
  }),
  { maxLength: 6 },
);

test('a steady service stays clear, whatever happens to its clock and its lines', async (t) => {
  fc.assert(
    fc.property(mishaps, (list) => {
      const judge = new Judge(options);
      let offsetMs = 0;
      let firstSeq = 0;
      for (let i = 0; i < 240; i++) {
        for (const { at, kind } of list) {
          if (at !== i) continue;
          if (kind === 'gap' || kind === 'forward') offsetMs += 5 * 3_600_000;
          if (kind === 'back') offsetMs -= 3_600_000;
          if (kind === 'restart') firstSeq = i;
          if (kind === 'late') judge.push(startMs + (i - 9) * intervalMs + offsetMs, { ...steady(i), seq: i - 9 });
        }
        const sample = { ...steady(i), seq: i - firstSeq };
        const timeMs = startMs + i * intervalMs + offsetMs;
        const said = [...judge.push(timeMs, sample).verdicts];
        if (list.some(({ at, kind }) => at === i && kind === 'duplicate'))
          said.push(...judge.push(timeMs, sample).verdicts);
        if (said.some(({ state }) => state === 'found')) return false;
      }
      return true;
    }),
    { numRuns: 60 },
  );
  t.pass('holds');
});

test('counters that wrap or are reset are no growth', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 200 }), fc.constantFrom(0, -(2 ** 31), 2 ** 32), (at, value) => {
      const judge = new Judge(options);
      for (let i = 0; i < 240; i++) {
        const sample = steady(i);
        if (i >= at && i < at + 20) sample.process = { threads: value, workers: value, fdCount: value, timers: value };
        if (judge.push(startMs + i * intervalMs, sample).verdicts.some(({ state }) => state === 'found')) return false;
      }
      return true;
    }),
    { numRuns: 30 },
  );
  t.pass('holds');
});

/** The lines of a session with a leak, and what the judge said of it live. */
function recorded(
  pid: number,
  from: number,
  to: number,
  keys: (names: string[]) => string[],
): { lines: string[]; said: string[] } {
  const judge = new Judge({ window: 120, confirmations: 3 });
  const lines: string[] = [];
  const said: string[] = [];
  for (let i = from; i < to; i++) {
    const time = startMs + i * intervalMs;
    const sample: Record<string, unknown> = { v: 1, kind: 'sample', ...leaking(i), seq: i - from };
    const shuffled = Object.fromEntries(keys(Object.keys(sample)).map((key) => [key, sample[key]]));
    lines.push(JSON.stringify({ pid, extmem: shuffled, time, level: 30, msg: '', unknown: 1 }));
    for (const { id, state } of judge.push(time, sample).verdicts) said.push(`${id}:${state}@${i}`);
  }
  return { lines, said };
}

test('a replay says what was said live, with keys in any order, processes interleaved, and lines a little out of order', async (t) => {
  const orders = fc.infiniteStream(fc.integer());
  fc.assert(
    fc.property(orders, fc.array(fc.nat(15), { maxLength: 200 }), (order, delays) => {
      const byOrder = (names: string[]) =>
        names
          .map((name) => [order.next().value, name] as const)
          .sort(([a], [b]) => (a ?? 0) - (b ?? 0))
          .map(([, name]) => name);
      const one = recorded(1, 0, 120, byOrder);
      const two = recorded(2, 5, 100, byOrder);
      const lines = [...one.lines, ...two.lines]
        .map((line) => ({ line, at: (JSON.parse(line) as { time: number }).time + intervalMs * (delays.shift() ?? 0) }))
        .sort((a, b) => a.at - b.at)
        .map(({ line }) => line);
      lines.splice(7, 0, 'not ours', '{"extmem":', lines[3]?.slice(0, 99) ?? '');
      const replay = new Replay();
      for (const line of lines) {
        const parsed = parseLine(line);
        if (parsed !== null) replay.push(parsed);
      }
      const said = (pid: number) =>
        replay.runs
          .filter((run) => run.pid === pid)
          .flatMap((run) =>
            run.changes.map(
              ({ timeMs, verdict }) => `${verdict.id}:${verdict.state}@${(timeMs - startMs) / intervalMs}`,
            ),
          );
      const runs = replay.end();
      return (
        runs.length === 2 &&
        said(1).join() === one.said.join() &&
        said(2).join() === two.said.join() &&
        one.said.length > 0
      );
    }),
    { numRuns: 15 },
  );
  t.pass('holds');
});
