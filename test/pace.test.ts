import fc from 'fast-check';
import { test } from 'tap';
import { Pace } from '../lib/process/pace.js';

test('a job rests 200 times its last duration', async (t) => {
  const pace = new Pace();
  t.ok(pace.permits(0), 'the first run is free');
  pace.ran(10, 5_000);
  t.notOk(pace.permits(1_009), '5 ms at 10 ms: not before 1010 ms');
  t.ok(pace.permits(1_010));
  t.equal(pace.skipped, 1);
});

test('one run over the limit is the last', async (t) => {
  const pace = new Pace(20_000);
  pace.ran(0, 20_000);
  t.ok(pace.permits(1e9), 'at the limit is not over it');
  pace.ran(1e9, 20_001);
  t.notOk(pace.permits(1e12));
  t.equal(pace.stoppedAtUs, 20_001);
});

test('an unknown run, and the same run told twice, change nothing', async (t) => {
  const pace = new Pace(20_000);
  pace.ran(Number.NaN, 99_999);
  pace.ran(1, Number.NaN);
  t.ok(pace.permits(0));
  pace.ran(1, 1);
  pace.ran(1, 99_999);
  t.equal(pace.stoppedAtUs, null);
});

test('whatever the durations, the job takes at most 0.5 % of a core', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 2, maxLength: 50 }),
      fc.integer({ min: 10, max: 60_000 }),
      (durationsUs, intervalMs) => {
        const pace = new Pace();
        let nowMs = 0;
        let spentMs = 0;
        for (const durationUs of durationsUs) {
          while (!pace.permits(nowMs)) nowMs += intervalMs;
          spentMs += durationUs / 1000;
          pace.ran(nowMs + durationUs / 1000, durationUs);
          nowMs += intervalMs;
        }
        while (!pace.permits(nowMs)) nowMs += intervalMs;
        return spentMs <= nowMs * 0.005 + 1e-6;
      },
    ),
    { seed: 20261122 },
  );
  t.pass('for any series');
});
