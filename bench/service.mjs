// CPU per request of an HTTP service with several streams and Buffers each, with the profiler off and on in turn:
//   node bench/service.mjs [PAIRS]
// Prints the median ratio on / off of interleaved slices, and the same of off / off, which shows the noise.
import { createReadStream } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';

const require = createRequire(import.meta.url);
const binding = require('../build/Release/extmem.node');
const pairs = Number(process.argv[2] ?? 60);
const requestsPerSlice = 150;
const file = fileURLToPath(import.meta.url);

const server = createServer(async (incoming, response) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat([...chunks, Buffer.alloc(20_000, 1)]);
  response.setHeader('x-length', body.length);
  await pipeline(createReadStream(file), createGzip(), response);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address();
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

const once = () =>
  new Promise((resolve, reject) => {
    const outgoing = request({ port, agent, method: 'POST', path: '/' }, (response) => {
      response.resume().on('end', resolve);
    });
    outgoing.on('error', reject).end(Buffer.alloc(8000, 2));
  });

async function slice() {
  const before = process.cpuUsage();
  for (let i = 0; i < requestsPerSlice; i += 5) await Promise.all([once(), once(), once(), once(), once()]);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / requestsPerSlice;
}

async function sliceOn() {
  const status = binding.profileStart(512 * 1024, 0, 64, 0);
  if (status !== 0) throw new Error(`Expected the allocator to be intercepted, received status ${status}`);
  const us = await slice();
  binding.profileStop();
  return us;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
binding.profileRegister();
binding.profileLevel(2);
// Until the compilers have come to rest.
for (let i = 0; i < 60; i++) await slice();
const ratios = [];
const noise = [];
const us = [];
for (let i = 0; i < pairs; i++) {
  // off on off: drift cancels out of the ratio, and the two offs give the noise.
  const first = await slice();
  const on = await sliceOn();
  const second = await slice();
  ratios.push(on / ((first + second) / 2));
  noise.push(second / first);
  us.push(first);
}
console.log(
  `# ${process.version}, ${pairs} pairs of ${requestsPerSlice} requests, ${new Date().toISOString().slice(0, 10)}`,
);
console.log(
  `off ${median(us).toFixed(0)} us CPU per request; on/off ${median(ratios).toFixed(4)}; A/A ${median(noise).toFixed(4)}`,
);
server.close();
agent.destroy();
