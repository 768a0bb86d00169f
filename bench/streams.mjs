/**
 * CPU per request of an HTTP service that creates four streams a request (IncomingMessage, ServerResponse, two
 * PassThrough), with streams tracked against not tracked.
 *
 * Both are measured in one process, in slices that take turns (ABBA), because two processes on a shared machine differ
 * by more than the effect. The A/A ratio beside it is the same measurement with nothing switched on: its interval says
 * what could have been resolved.
 *
 *   node bench/streams.mjs [pairs]
 */
import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { PassThrough, pipeline } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const { StreamTracker } = createRequire(import.meta.url)('../dist/streams.js');

/** Longer than the pulses in which the tracker adapts its sampling, or each slice would begin with a burst. */
const sliceMs = 1500;
const settleMs = 50;
const concurrency = 16;

/** The client runs in a process of its own: its streams are not measured. */
function load(port) {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const send = () => {
    const sent = request({ port, agent }, (message) => message.resume().on('end', send));
    sent.on('error', () => process.exit());
    sent.end();
  };
  for (let i = 0; i < concurrency; i++) send();
}

let requests = 0;
const body = Buffer.alloc(512, 'a');
function handle(_request, response) {
  requests++;
  const first = new PassThrough();
  pipeline(first, new PassThrough(), response, () => {});
  first.end(body);
}

/**
 * The tracker runs all the time, as in a service; a slice switches its hook. Its pulses and samples fall into slices of
 * both kinds, so they are taken out of each and charged to the tracked ones in full.
 */
const plainInit = EventEmitter.init;
const tracker = new StreamTracker({ intervalMs: 1000, window: 120 });
const hookedInit = EventEmitter.init;
setInterval(() => tracker.sample(), 10_000).unref();
const began = performance.now();

async function slice(tracked) {
  EventEmitter.init = tracked ? hookedInit : plainInit;
  await wait(settleMs);
  const [before, spentBefore, from] = [requests, tracker.spentMs, process.cpuUsage()];
  await wait(sliceMs);
  const { user, system } = process.cpuUsage(from);
  const spentUs = (tracker.spentMs - spentBefore) * 1000;
  const pulsesUs = tracked ? (1000 * sliceMs * tracker.spentMs) / (performance.now() - began) : 0;
  return (user + system - spentUs + pulsesUs) / (requests - before);
}

/** Median, with a 95 % interval from order statistics. */
function summarize(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.floor(sorted.length * share)))];
  const half = 0.98 / Math.sqrt(sorted.length);
  return { median: at(0.5), low: at(0.5 - half), high: at(0.5 + half) };
}

const show = ({ median, low, high }) => `${median.toFixed(3)} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)})`;

/** Ratios of two slices each; `on` says what the first of them switches on. */
async function compare(pairs, on) {
  const ratios = [];
  const base = [];
  for (let i = 0; i < pairs; i++) {
    const forwards = i % 2 === 0;
    const first = await slice(forwards && on);
    const second = await slice(!forwards && on);
    const [a, b] = forwards ? [first, second] : [second, first];
    ratios.push(a / b);
    base.push(b);
  }
  return { ...summarize(ratios), base: summarize(base).median };
}

if (process.argv[2] === 'load') load(Number(process.argv[3]));
else {
  const pairs = Number(process.argv[2] ?? 30);
  const server = createServer(handle).listen(0, async () => {
    const client = fork(fileURLToPath(import.meta.url), ['load', String(server.address().port)]);
    await wait(3000);
    await compare(6, true);
    const nothing = await compare(pairs, false);
    const tracked = await compare(pairs, true);
    console.log(`${process.version}: ${Math.round(tracked.base)} us of CPU per request, ${pairs} pairs`);
    console.log(`  CPU per request, tracked / not: ${show(tracked)}`);
    const share = tracker.spentMs / (performance.now() - began);
    console.log(`  of which looks and samples: ${(100 * share).toFixed(2)} % of a core`);
    console.log(`  A/A:                            ${show(nothing)}`);
    client.kill();
    process.exit();
  });
}
