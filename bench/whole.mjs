// What a user pays: the CPU time of a program with the whole product loaded (preload, default options, lines to a file)
// against the same program with nothing loaded.
//   node bench/whole.mjs [ROUNDS] [WORKLOAD…]     8 rounds of each by default, on the Node that runs it
//
// Each run is a process of its own that does a fixed amount of work and tells the CPU time of all its threads since it
// was started, and since a third of the work was done. Two processes of a pair take turns of 25 ms on one CPU, so that
// what disturbs the machine hits both; a second pair, plain against plain (A/A), does so on the other CPU at the same
// time, and tells what could have been resolved. The pairs change CPUs with each round. A ratio is the geometric mean
// over the rounds, with its 95 % interval (bootstrap).
//
// A process that takes turns has half a CPU, so what is bounded by the clock instead of by CPU time weighs twice as much
// as on a machine of its own. The work takes some three to six seconds of CPU: the start weighs more in shorter lives.
// Needs `npm run build` and `npm run build:addon`.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pin, quantile } from './trial.mjs';
import { requestAll } from './whole-client.mjs';

const program = fileURLToPath(new URL('./whole-workloads.mjs', import.meta.url));
const register = fileURLToPath(new URL('../dist/register.js', import.meta.url));
const turnMs = 25;
const resamples = 5000;
const workloads = ['http', 'files', 'natives', 'buffers', 'tsc', 'javascript'];

/** One run. It stands still until its first turn. */
function begin(workload, loaded, cpu, folder) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const flags = loaded ? ['--require', register] : [];
  const child = spawn(process.execPath, [...flags, program, workload], {
    env: { ...env, EXTMEM_DEST: join(folder, `${workload}.ndjson`) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.kill('SIGSTOP');
  pin(child.pid, cpu);
  const run = { child, ended: false, result: null };
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
    const port = /^port (\d+)\n/.exec(output);
    if (port === null) return;
    output = output.slice(port[0].length);
    requestAll(Number(port[1]));
  });
  run.end = new Promise((resolve, reject) => {
    child.on('close', (code) => {
      run.ended = true;
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`Expected ${workload} to exit with 0, received ${code}`));
    });
  });
  return run;
}

async function takeTurns(runs) {
  for (let turn = Math.random() < 0.5 ? 0 : 1; runs.some((run) => !run.ended); turn++) {
    const run = runs[turn % 2];
    if (run.ended) continue;
    run.child.kill('SIGCONT');
    await Promise.race([sleep(turnMs), run.end.catch(() => {})]);
    run.child.kill('SIGSTOP');
  }
}

/** Ratio of what the first of a pair took to what the second took, from the start and since it had settled. */
async function pair(workload, loaded, cpu, folder) {
  const runs = [begin(workload, loaded, cpu, folder), begin(workload, false, cpu, folder)];
  await takeTurns(runs);
  const [first, second] = await Promise.all(runs.map(({ end }) => end));
  return {
    fromStart: first.fromStartUs / second.fromStartUs,
    settled: first.settledUs === null ? null : first.settledUs / second.settledUs,
    plainMs: second.fromStartUs / 1000,
  };
}

const geometricMean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

function shown(ratios) {
  if (ratios.includes(null)) return '–';
  const means = Array.from({ length: resamples }, () =>
    geometricMean(ratios.map(() => ratios[Math.floor(Math.random() * ratios.length)])),
  );
  const [low, high] = [quantile(means, 0.025), quantile(means, 0.975)];
  return `${geometricMean(ratios).toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

async function measure(workload, rounds, folder) {
  const pairs = { loaded: [], plain: [] };
  for (let round = 0; round < rounds; round++) {
    const [loaded, plain] = await Promise.all([
      pair(workload, true, round % 2, folder),
      pair(workload, false, 1 - (round % 2), folder),
    ]);
    pairs.loaded.push(loaded);
    pairs.plain.push(plain);
  }
  const of = (name, key) => pairs[name].map((each) => each[key]);
  console.log(
    [
      workload.padEnd(10),
      `${(geometricMean(of('plain', 'plainMs')) / 1000).toFixed(2)} s`,
      ...['fromStart', 'settled'].flatMap((key) => [shown(of('loaded', key)), shown(of('plain', key))]),
    ].join(' | '),
  );
}

const [rounds = '8', ...wanted] = process.argv.slice(2);
console.log(`# ${process.version}, ${rounds} rounds, ${new Date().toISOString().slice(0, 10)}`);
console.log('workload   | plain | from start, loaded / plain | A/A | settled, loaded / plain | A/A');
const folder = mkdtempSync(join(tmpdir(), 'extmem-whole-'));
for (const workload of wanted.length > 0 ? wanted : workloads) await measure(workload, Number(rounds), folder);
rmSync(folder, { recursive: true });
process.exit();
