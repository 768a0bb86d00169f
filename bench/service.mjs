// CPU per request of an HTTP service with several streams and Buffers each, with the profiler on and off in turn:
//   node bench/service.mjs [SECONDS]     300 by default; meant for a quiet machine, tells how quiet it was
//
// On and off are sessions that differ in `sampleBytes` only. Both begin outside of what is measured, track no streams,
// and take no sample of the process meanwhile.
//
// The service is a process of its own, of which only the CPU time counts; four of them one after the other, since two
// processes differ by a percent. Slices of 100 requests, each after a few to settle, come in blocks of four, on-off-off-on
// or off-on-on-off, so that what drifts evenly drops out; every second block is off in all four and shows the noise (A/A).
// A major collection falls into one slice or another, so the ratios have two humps: printed is their geometric mean
// without the tenth at either end, and its 95 % interval (bootstrap).
//
// A session lowers the rate until samples stay below its limit per second, within seconds. Slices are shorter than that,
// so they begin with the rate at which a session that runs on came to rest under the same load.
import { fork } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { start } from 'extmem';
import { pin, quantile } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const requestsPerSlice = 100;
const requestsToSettle = 20;
const slicesToWarmUp = 40;
const requestsToRest = 10_000;
const processes = 4;
const wishedBytes = 512 * 1024;

function serve() {
  let session = null;
  let startedUs = 0;
  let sampleBytes = wishedBytes;
  const cpuUs = () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  };
  const commands = {
    turn(on) {
      session?.stop();
      session = start({
        sampleBytes: on ? sampleBytes : 0,
        interval: '24h',
        streams: false,
        destination: 'none',
      });
    },
    rest() {
      ({ sampleBytes } = session.sample().native);
      return sampleBytes;
    },
    begin() {
      startedUs = cpuUs();
    },
    end: () => cpuUs() - startedUs,
  };
  process.on('message', ({ name, argument }) => process.send({ value: commands[name](argument) ?? null }));
  const server = createServer(async (incoming, response) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat([...chunks, Buffer.alloc(20_000, 1)]);
    response.setHeader('x-length', body.length);
    await pipeline(createReadStream(file), createGzip(), response);
  });
  server.listen(0, '127.0.0.1', () => process.send({ value: server.address().port }));
}

/** Geometric, as of ratios, without the tenth at either end. */
function trimmedMean(values) {
  const cut = Math.floor(values.length / 10);
  const kept = values.toSorted((a, b) => a - b).slice(cut, values.length - cut);
  return Math.exp(kept.reduce((sum, value) => sum + Math.log(value), 0) / kept.length);
}

function bootstrap(values) {
  const means = [];
  for (let i = 0; i < 2000; i++) {
    means.push(trimmedMean(values.map(() => values[Math.floor(Math.random() * values.length)])));
  }
  return [quantile(means, 0.025), quantile(means, 0.975)];
}

async function measure(seconds) {
  const child = fork(file, ['serve']);
  const answer = () => new Promise((resolve) => child.once('message', ({ value }) => resolve(value)));
  const ask = (name, argument) => {
    const answered = answer();
    child.send({ name, argument });
    return answered;
  };
  const port = await answer();
  const pinned = pin(process.pid, 0) && pin(child.pid, 1);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const body = Buffer.alloc(8000, 2);
  const once = () =>
    new Promise((resolve, reject) => {
      const outgoing = request({ port, agent, method: 'POST', path: '/' }, (response) => {
        response.resume().on('end', resolve);
      });
      outgoing.on('error', reject).end(body);
    });
  const requests = async (count) => {
    for (let i = 0; i < count; i += 5) await Promise.all([once(), once(), once(), once(), once()]);
  };
  const slice = async (on) => {
    await ask('turn', on);
    await requests(requestsToSettle);
    await ask('begin');
    await requests(requestsPerSlice);
    return ask('end');
  };
  // The ratio of what is called on to what is called off; in a block of noise both are off.
  const block = async (order, really) => {
    const us = { true: 0, false: 0 };
    for (const on of order) us[on] += await slice(on && really);
    return { ratio: us.true / us.false, offUs: us.false / 2 / requestsPerSlice };
  };
  const order = () => (Math.random() < 0.5 ? [true, false, false, true] : [false, true, true, false]);

  // Until the compilers have come to rest, with both.
  for (let i = 0; i < slicesToWarmUp; i++) await slice(i % 2 === 0);
  await ask('turn', true);
  const startedMs = performance.now();
  await requests(requestsToRest);
  const perSecond = (1000 * requestsToRest) / (performance.now() - startedMs);
  const sampleBytes = await ask('rest');
  const end = performance.now() + seconds * 1000;
  const ratios = [];
  const noise = [];
  const offUs = [];
  while (performance.now() < end) {
    const { ratio, offUs: us } = await block(order(), true);
    ratios.push(ratio);
    offUs.push(us);
    noise.push((await block(order(), false)).ratio);
  }
  child.kill();
  agent.destroy();
  const where = pinned ? '' : ', not pinned to CPUs';
  console.log(
    `${perSecond.toFixed(0)} requests a second${where}, one sample per ${sampleBytes / 1024} KiB (wished: ${wishedBytes / 1024})`,
  );
  return { ratios, noise, offUs };
}

async function bench(seconds) {
  const runs = [];
  for (let i = 0; i < processes; i++) runs.push(await measure(seconds / processes));
  const all = (name) => runs.flatMap((run) => run[name]);
  const shown = (values) => {
    const [low, high] = bootstrap(values).map((value) => value.toFixed(4));
    return `${trimmedMean(values).toFixed(4)} (95 % ${low} to ${high})`;
  };
  console.log(
    `# ${process.version}, ${all('ratios').length} blocks of 4 x ${requestsPerSlice} requests, ${new Date().toISOString().slice(0, 10)}`,
  );
  console.log(
    `off ${quantile(all('offUs'), 0.5).toFixed(0)} us CPU per request; on/off ${shown(all('ratios'))}; A/A ${shown(all('noise'))}`,
  );
}

if (process.argv[2] === 'serve') serve();
else await bench(Number(process.argv[2] ?? 300));
