// What the whole product adds to the peak of RSS: an idle program and a small HTTP service, from their start.
//
// Interleaved: off, off, on, in each round; the two "off" columns show what the machine's noise alone does. The peak is
// the kernel's own (VmHWM). Samples come twenty times as often as by default.
import { existsSync, readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { main, median, report, trial } from './trial.mjs';

const file = fileURLToPath(import.meta.url);
const preload = fileURLToPath(import.meta.resolve('extmem/register'));
const rounds = 3;
const trialMs = 4000;
const requests = 2000;

const nodes = [20, 22, 24, 26]
  .map((major) => fileURLToPath(new URL(`../test/nodes/node_modules/node${major}/bin/node`, import.meta.url)))
  .filter(existsSync);

function peakMiB() {
  const [, kib] = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return kib / 1024;
}

/** One request after the other, so that each trial does the same work however busy the machine is. */
async function serve() {
  const server = createServer((_, response) => response.end('x'.repeat(2000)));
  await new Promise((resolve) => server.listen(0, resolve));
  const { port } = server.address();
  for (let i = 0; i < requests; i++) {
    await new Promise((resolve, reject) => {
      get({ port }, (response) => response.resume().on('end', resolve)).on('error', reject);
    });
  }
  server.close();
}

async function child(program) {
  const ended = sleep(trialMs);
  if (program === 'http') await serve();
  await ended;
  report({ version: process.version, peakMiB: peakMiB() });
}

export async function bench() {
  const env = { EXTMEM_INTERVAL: '500ms', EXTMEM_DEST: '/dev/null' };
  Object.assign(process.env, env);
  const rows = [];
  for (const node of nodes.length > 0 ? nodes : [process.execPath]) {
    for (const program of ['idle', 'http']) {
      const results = { off: [], offAgain: [], on: [] };
      let version = '';
      for (let round = 0; round < rounds; round++) {
        for (const [mode, trials] of Object.entries(results)) {
          const flags = mode === 'on' ? ['--require', preload] : [];
          const result = await trial(file, [program], { flags, node });
          version = result.version;
          trials.push(result.peakMiB);
        }
      }
      const [off, offAgain, on] = Object.values(results).map(median);
      const signed = (mib) => `${mib < 0 ? '' : '+'}${mib.toFixed(1)}`;
      rows.push({
        what: `peak RSS, ${program}, ${version}`,
        value: `${off.toFixed(1)} / again ${signed(offAgain - off)} / on ${signed(on - off)} MiB`,
        goal: '+8',
      });
    }
  }
  return rows;
}

await main(import.meta.url, bench, child);
