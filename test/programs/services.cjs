// Small HTTP services under a steady load of their own, leaky and healthy. Run as:
//   node services.cjs NAME [SAMPLES [RECORDING]]
// Samples every 200 ms, and prints one line of JSON: which verdicts were found on which sample, with their suspects.
//
// The client lives in the same process, so its garbage is part of the noise, as a service's own clients are. Leaks are
// paced by requests: about 100 a second.
'use strict';
const http = require('node:http');
const { start } = require('extmem');

const services = {
  ...require('./services-leaky.cjs'),
  ...require('./services-counts.cjs'),
  ...require('./services-healthy.cjs'),
};

const [name, sampleCount = '110', recording = 'none'] = process.argv.slice(2);
const session = start({ interval: 200, destination: recording, sampleBytes: process.env.SAMPLE_BYTES ?? '512KiB' });
const handle = services[name]();
const found = [];
let samples = 0;
session.on('verdict', ({ id, state, sentence, shares, suspects }) => {
  const sites = suspects.slice(0, 2).map((suspect) => suspect.site);
  found.push({ id, state, at: samples, shares, suspects: sites, sentence });
});
session.on('sample', (sample) => {
  if (++samples < Number(sampleCount)) return;
  const states = Object.fromEntries(session.verdicts().map(({ id, state, reason }) => [id, `${state}: ${reason}`]));
  process.stdout.write(`${JSON.stringify({ found, states, samples, served, rssBytes: sample.rssBytes })}\n`);
  session.stop();
  process.exit();
});

let served = 0;
const server = http.createServer(async (_, response) => {
  await handle(served++);
  response.end('ok');
});
server.listen(0, '127.0.0.1', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const { port } = server.address();
  setInterval(() => {
    for (let n = 0; n < 2; n++) {
      const request = http.get({ port, host: '127.0.0.1', agent }, (response) => response.resume());
      // A keep-alive socket may be closed in the moment it is used again.
      request.on('error', () => {});
    }
  }, 20);
});
