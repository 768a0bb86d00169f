/**
 * CPU per request of an HTTP service that creates four streams a request (IncomingMessage, ServerResponse, two
 * PassThrough), with streams tracked against not tracked; and how well creations are counted per line. A session runs all
 * the time, and takes its sample every 10 s; not tracked is its hook, EventEmitter.init, put back to what it was.
 *
 * Two processes on a shared machine differ by more than the effect, so both are measured in one: short slices of time
 * take turns, four to a block (ABBA or BAAB, at random), and a block gives one ratio. Blocks in which nothing is
 * switched on, at random in between, give the A/A ratio: its interval says what could have been resolved. Server and
 * client each have a CPU of their own where taskset(1) can give them one.
 *
 *   node bench/streams.mjs [seconds]
 */
import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { PassThrough, pipeline } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { start } from 'extmem';
import { median, pin, quantile } from './trial.mjs';

const sliceMs = 100;
const warmUpMs = 5000;
const concurrency = 16;
const resamples = 2000;

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
let trackedRequests = 0;
let isTracked = false;
const body = Buffer.alloc(512, 'a');
const firstLine = () => new PassThrough();
const secondLine = () => new PassThrough();
function handle(_request, response) {
  requests++;
  if (isTracked) trackedRequests++;
  const first = firstLine();
  pipeline(first, secondLine(), response, () => {});
  first.end(body);
}

/**
 * The timers that a session starts for its streams: they must not go on while its hook is out, since what it tracks is
 * bounded per second.
 */
const timers = [];
function stoppedInterval(run, ms) {
  const timer = { run, ms, leftMs: ms, unref: () => timer };
  timers.push(timer);
  return timer;
}

const { setInterval } = globalThis;
const plainInit = EventEmitter.init;
globalThis.setInterval = stoppedInterval;
const session = start({ interval: '10s', sampleBytes: 0, destination: 'none' });
globalThis.setInterval = setInterval;
const hookedInit = EventEmitter.init;
EventEmitter.init = plainInit;
let trackedMs = 0;
let looksMs = 0;

/** Looks are rare and belong to no request: they are left out of the slices, and charged to all evenly. */
function passTime(ms) {
  trackedMs += ms;
  for (const timer of timers) {
    timer.leftMs -= ms;
    if (timer.leftMs > 0) continue;
    timer.leftMs += timer.ms;
    const beganMs = performance.now();
    timer.run();
    looksMs += performance.now() - beganMs;
  }
}

async function slice(tracked) {
  EventEmitter.init = tracked ? hookedInit : plainInit;
  isTracked = tracked;
  const [before, from, beganMs] = [requests, process.cpuUsage(), performance.now()];
  await wait(sliceMs);
  const { user, system } = process.cpuUsage(from);
  const count = requests - before;
  if (!tracked) return { us: user + system, count };
  passTime(performance.now() - beganMs);
  return { us: user + system + (1000 * sliceMs * looksMs) / trackedMs, count };
}

/** CPU per request of both kinds. @param on what the first kind of slices switches on: the hook, or nothing. */
async function block(on) {
  const first = { us: 0, count: 0 };
  const second = { us: 0, count: 0 };
  for (const kind of Math.random() < 0.5 ? [first, second, second, first] : [second, first, first, second]) {
    const { us, count } = await slice(on && kind === first);
    kind.us += us;
    kind.count += count;
  }
  return { first, second };
}

const usPerRequest = ({ us, count }) => us / count;
const total = (parts) => parts.reduce((sum, { us, count }) => ({ us: sum.us + us, count: sum.count + count }));

/** Median over the blocks: what a request costs when nothing else happens. */
const typical = (blocks) => median(blocks.map(({ first, second }) => usPerRequest(first) / usPerRequest(second)));
/** Ratio of the totals: what is rare and expensive, such as a collection, counts in full. */
const overall = (blocks) =>
  usPerRequest(total(blocks.map(({ first }) => first))) / usPerRequest(total(blocks.map(({ second }) => second)));

/** With a 95 % interval by bootstrap. */
function summarize(blocks, ratio) {
  const others = Array.from({ length: resamples }, () =>
    ratio(blocks.map(() => blocks[Math.floor(Math.random() * blocks.length)])),
  );
  const [low, high] = [quantile(others, 0.025), quantile(others, 0.975)];
  return `${ratio(blocks).toFixed(3)} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)})`;
}

function printCounts() {
  for (const { site, created, createdError } of session.streams().sites) {
    if (!/^(first|second)Line /.test(site)) continue;
    const [name] = site.split(' ');
    console.log(`  ${name}: ${trackedRequests} created, counted as ${created} ± ${createdError}`);
  }
}

async function measure(port, seconds) {
  const client = fork(fileURLToPath(import.meta.url), ['load', String(port)]);
  const pinned = pin(process.pid, 0) && pin(client.pid, 1);
  await wait(warmUpMs);
  for (const on of [true, false, true, false]) await block(on);
  const blocks = { tracked: [], nothing: [] };
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    const kind = Math.random() < 0.5 ? 'tracked' : 'nothing';
    const measured = await block(kind === 'tracked');
    // The machine may have been busy elsewhere for a whole slice.
    if (measured.first.count > 0 && measured.second.count > 0) blocks[kind].push(measured);
  }
  client.kill();
  const base = total([...blocks.tracked, ...blocks.nothing].map(({ second }) => second));
  const share = base.us / 1000 / (sliceMs * 2 * (blocks.tracked.length + blocks.nothing.length));
  console.log(
    `${process.version}: ${usPerRequest(base).toFixed(0)} us of CPU per request, ${(100 * share).toFixed(0)} % of a core${pinned ? ', pinned' : ''}`,
  );
  console.log(`  tracked / not, median of ${blocks.tracked.length} blocks: ${summarize(blocks.tracked, typical)}`);
  console.log(`  A/A, median of ${blocks.nothing.length} blocks:           ${summarize(blocks.nothing, typical)}`);
  console.log(`  tracked / not, all together:      ${summarize(blocks.tracked, overall)}`);
  console.log(`  A/A, all together:                ${summarize(blocks.nothing, overall)}`);
  console.log(`  of which looks: ${((100 * looksMs) / trackedMs).toFixed(2)} % of a core`);
  printCounts();
  process.exit();
}

if (process.argv[2] === 'load') load(Number(process.argv[3]));
else {
  const server = createServer(handle).listen(0, () => measure(server.address().port, Number(process.argv[2] ?? 110)));
}
