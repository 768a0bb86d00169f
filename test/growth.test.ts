import fc from 'fast-check';
import { test } from 'tap';
import { isGrowing, mayGrow, median, type Trend, theilSenSlope, trendOf } from '../lib/judge/growth.js';
import { finish } from '../lib/work.js';
import { wobble } from './services.js';

const thresholds = { alpha: 0.003, floor: 4, ratio: 0.02, clean: 0, end: 0.3, tail: 0.7 };
const times = (n: number) => Float64Array.from({ length: n }, (_, i) => 1000 * i);
const series = (n: number, value: (i: number) => number) => Float64Array.from({ length: n }, (_, i) => value(i));

function trend(n: number, value: (i: number) => number): Trend {
  const found = finish(trendOf(times(n), series(n, value)));
  if (found === null) throw new Error('too few points');
  return found;
}

test('a line: slope, level, rise and end are those of the line', async (t) => {
  const { slope, low, high, level, rise, end, noise, spanMs, p } = trend(120, (i) => 100 + 0.5 * i);
  t.strictSame([slope, low, high], [0.0005, 0.0005, 0.0005]);
  t.equal(spanMs, 119_000);
  t.equal(level, 100 + 0.5 * 14.5);
  t.ok(Math.abs(rise - 59.5) < 1e-9 && Math.abs(end - 159.5) < 1e-9 && noise < 1e-9);
  t.ok(p < 1e-10);
});

const shapes: Record<string, { value: (i: number) => number; grows: boolean }> = {
  line: { value: (i) => 100 + 0.1 * i + wobble(i), grows: true },
  flat: { value: (i) => 100 + wobble(i), grows: false },
  falling: { value: (i) => 100 - 0.1 * i + wobble(i), grows: false },
  'one step': { value: (i) => (i < 60 ? 100 : 125) + 0.5 * wobble(i), grows: false },
  'warm-up': { value: (i) => 80 + 60 * (1 - Math.exp(-i / 30)) + wobble(i), grows: false },
  'half as steep in its second half': {
    value: (i) => 100 + 0.2 * i - 0.1 * Math.max(0, i - 60) + 0.1 * wobble(i),
    grows: false,
  },
  'filled half-way': { value: (i) => 100 + 40 * Math.min(1, i / 60) + wobble(i), grows: false },
  'below the floor': { value: (i) => 100 + 0.03 * i + 0.1 * wobble(i), grows: false },
  'below the ratio': { value: (i) => 1000 + 0.1 * i + wobble(i), grows: false },
};

for (const [name, { value, grows }] of Object.entries(shapes)) {
  test(`${name} ${grows ? 'grows' : 'does not grow'}`, async (t) => {
    t.equal(isGrowing(trend(120, value), thresholds), grows);
  });
}

test('the tail tells a cache that has just filled from a leak, within a few points where there is no noise', async (t) => {
  t.ok(trend(120, (i) => 100 + 0.3 * i).tail >= 0.99);
  t.ok(trend(120, (i) => 100 + 0.3 * Math.min(i, 114)).tail < thresholds.tail, 'stopped 5 points ago');
  t.ok(trend(120, (i) => 100 + 0.3 * Math.min(i, 100) + wobble(i)).tail < thresholds.tail, 'stopped 19 points ago');
});

test('a series that wanders is not taken for a trend as often as independent noise would suggest', async (t) => {
  let alarms = 0;
  for (let run = 0; run < 60; run++) {
    let level = 0;
    const wander = series(120, (i) => {
      level = 0.95 * level + wobble(1000 * run + i);
      return level;
    });
    if ((finish(trendOf(times(120), wander))?.p ?? 1) < 0.003) alarms++;
  }
  // Without the correction 23 of the 60 pass.
  t.ok(alarms <= 8, `${alarms}`);
});

test('too few points are no trend', async (t) => {
  t.equal(
    finish(
      trendOf(
        times(23),
        series(23, (i) => i),
      ),
    ),
    null,
  );
  t.equal(
    finish(
      trendOf(
        times(3),
        series(3, (i) => i),
        2,
      ),
    ),
    null,
  );
});

test('a long window is thinned and answers alike', async (t) => {
  const long = trend(1000, (i) => 100 + 0.1 * i + wobble(i));
  t.ok(Math.abs(long.slope - 0.0001) < 2e-6, `${long.slope}`);
  t.ok(long.low <= long.slope && long.slope <= long.high);
});

const anySeries = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 24, maxLength: 150 });

test('every number of a trend is finite, and its interval holds its slope', async (t) => {
  fc.assert(
    fc.property(anySeries, (values) => {
      const found = finish(trendOf(times(values.length), Float64Array.from(values)));
      if (found === null) return false;
      const finite = Object.values(found).every((value) => Number.isFinite(value as number));
      return finite && found.low <= found.slope && found.slope <= found.high && found.p >= 0 && found.p <= 1;
    }),
  );
  t.pass('holds');
});

test('units of values and times change nothing in the answer', async (t) => {
  const steps = fc.array(fc.integer({ min: -1000, max: 1100 }), { minLength: 60, maxLength: 120 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 1e9 }), (changes, shiftMs) => {
      let value = 0;
      const values = Float64Array.from(changes, (change) => {
        value += change;
        return value;
      });
      const plain = finish(trendOf(times(values.length), values));
      const moved = finish(
        trendOf(
          times(values.length).map((time) => 4 * time + shiftMs),
          values.map((each) => 8 * each),
        ),
      );
      if (plain === null || moved === null) return false;
      return Math.abs(moved.slope - 2 * plain.slope) < 1e-9 * (1 + Math.abs(plain.slope)) && moved.p === plain.p;
    }),
  );
  t.pass('holds');
});

test('the cheap look never refuses what the full test would accept', async (t) => {
  fc.assert(
    fc.property(anySeries, (values) => {
      const array = Float64Array.from(values);
      const found = finish(trendOf(times(array.length), array));
      return found === null || !isGrowing(found, thresholds) || finish(mayGrow(array, thresholds.alpha));
    }),
  );
  t.pass('holds');
});

test('the inputs are left as they were', async (t) => {
  const values = series(50, (i) => (i * 7919) % 50);
  const copy = Float64Array.from(values);
  finish(trendOf(times(50), values));
  finish(mayGrow(values, 0.01));
  median(values);
  finish(theilSenSlope(times(50), values));
  t.strictSame(values, copy);
});

test('trends that are worked out a step of each at a time are those that are worked out alone', async (t) => {
  const all = [7, 5, 3].map((factor) => series(120, (i) => 100 + 0.1 * i + wobble(factor * i)));
  const works = all.map((values) => trendOf(times(120), values));
  const found: unknown[] = works.map(() => undefined);
  let steps = 0;
  while (found.includes(undefined)) {
    works.forEach((work, i) => {
      const step = work.next();
      if (step.done) found[i] ??= step.value;
      else steps++;
    });
  }
  t.ok(steps > 3 * 10, 'they were put down in between');
  t.strictSame(
    found,
    all.map((values) => finish(trendOf(times(120), values))),
  );
});

test('medians', async (t) => {
  t.equal(median(Float64Array.of(3, 1, 2)), 2);
  t.equal(median(Float64Array.of(4, 1, 2, 3)), 2.5);
  t.ok(Number.isNaN(median(new Float64Array())));
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 99 }),
      (values) => {
        const sorted = [...values].sort((a, b) => a - b);
        const half = sorted.length >> 1;
        const expected = sorted.length % 2 ? sorted[half] : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
        return median(Float64Array.from(values)) === expected;
      },
    ),
  );
});
