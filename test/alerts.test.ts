import { test } from 'tap';
import { Alerts } from '../lib/judge/alerts.js';

const minuteMs = 60_000;
const heap = (ratio: number) => ({ v8: { heapUsedBytes: 1000 * ratio, heapLimitBytes: 1000, detachedContexts: 0 } });
const limit = (usedRatio: number | null, source = 'cgroup-v2') => ({ limit: { usedRatio, source } });
const ids = (alerts: Alerts, sample: unknown, timeMs = 0) =>
  alerts.check(timeMs, sample, false).map(({ id, threshold }) => `${id} ${threshold}`);

test('a threshold is said once per crossing, with hysteresis', async (t) => {
  const alerts = new Alerts();
  t.strictSame(ids(alerts, heap(0.69)), []);
  t.strictSame(ids(alerts, heap(0.7)), ['heap-limit 0.7']);
  t.strictSame(ids(alerts, heap(0.72)), []);
  t.strictSame(ids(alerts, heap(0.66)), [], 'not clearly below');
  t.strictSame(ids(alerts, heap(0.71)), []);
  t.strictSame(ids(alerts, heap(0.6)), []);
  t.strictSame(ids(alerts, heap(0.9)), ['heap-limit 0.7', 'heap-limit 0.85'], 'both, when it jumps');
});

test('an unknown value neither raises nor arms', async (t) => {
  const alerts = new Alerts();
  t.strictSame(ids(alerts, limit(0.85)), ['memory-limit 0.8']);
  t.strictSame(ids(alerts, limit(null)), []);
  t.strictSame(ids(alerts, {}), []);
  t.strictSame(ids(alerts, limit(0.85)), []);
  t.strictSame(ids(alerts, { v8: { heapUsedBytes: 1000, heapLimitBytes: 0 } }), [], 'a limit of 0 is a broken counter');
});

test('a full machine is no alert, a full container is', async (t) => {
  t.strictSame(ids(new Alerts(), limit(0.95, 'physical')), []);
  t.strictSame(ids(new Alerts(), limit(0.95)), ['memory-limit 0.8', 'memory-limit 0.9']);
});

test('detached contexts count after ten minutes without a break', async (t) => {
  const alerts = new Alerts();
  const detached = (detachedContexts: number) => ({ v8: { detachedContexts } });
  t.strictSame(ids(alerts, detached(1), 0), []);
  t.strictSame(ids(alerts, detached(0), 5 * minuteMs), []);
  t.strictSame(ids(alerts, detached(1), 6 * minuteMs), []);
  t.strictSame(ids(alerts, detached(2), 15 * minuteMs), []);
  t.strictSame(ids(alerts, detached(2), 16 * minuteMs), ['detached-contexts 600000']);
  t.strictSame(ids(alerts, detached(2), 17 * minuteMs), []);
});

test('growth over six hours is said once until it ends', async (t) => {
  const alerts = new Alerts();
  t.equal(alerts.check(0, {}, true)[0]?.id, 'growth-6h');
  t.strictSame(alerts.check(1, {}, true), []);
  t.strictSame(alerts.check(2, {}, false), []);
  t.equal(alerts.check(3, {}, true).length, 1);
});
