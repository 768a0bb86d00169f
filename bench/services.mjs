// Real services, leaky and healthy (test/programs/services.json), in plain Node processes: which verdicts are found, on
// which sample, and whom they suspect. Prints the table of docs/verdicts.md; --write puts it there.
//
//   npm run build && npm run build:addon && node bench/services.mjs [--nodes 20,22,24,26] [--only REGEXP] [--runs 1]
//     [--parallel 4] [--recordings DIR] [--replay] [--results FILE] [--write]
//
// Each service runs for 22 s (leaky) or 40 s (healthy) at 200 ms a sample; `--parallel` of them at a time. A run that
// served less than half of its requests says nothing of the service, only of the machine: it is put aside, counted, and
// repeated. Results are added to the file of --results, and the table is of all that stand there: so it can be made in
// parts. With --replay, the recordings in DIR are judged anew and nothing is run: as live, by `extmem check`.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check } from './check.mjs';
import { replaceTable } from './table.mjs';

const { values: args } = parseArgs({
  options: {
    nodes: { type: 'string', default: '20,22,24,26' },
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '4' },
    recordings: { type: 'string' },
    replay: { type: 'boolean', default: false },
    results: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const services = JSON.parse(readFileSync(join(root, 'test/programs/services.json'), 'utf8'));
const majors = args.nodes.split(',').map(Number);
/** A leak has to be found by this sample. */
const lastSample = 100;
/** Of 20 requests a sample. */
const leastServed = 10;
const mostAttempts = 3;

const jobs = [];
for (let run = 1; run <= Number(args.runs); run++) {
  for (const major of majors) {
    for (const [name, { nodes = majors }] of Object.entries(services)) {
      if (new RegExp(`^(${args.only})`).test(name) && nodes.includes(major)) jobs.push({ name, major, run });
    }
  }
}

/** Judges the last session in the recording of a run. */
async function replayService({ name, major, run }) {
  const path = join(args.recordings, `${name}.${major}.${run}.ndjson`);
  if (!existsSync(path)) return null;
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const records = lines.map((line) => JSON.parse(line));
  const first = records.findLastIndex(({ extmem }) => extmem.kind === 'start');
  const samples = records.slice(first).filter(({ extmem }) => extmem.kind === 'sample');
  const [{ changes, verdicts }] = await check(lines.slice(first).map((line) => `${line}\n`));
  const found = changes.map(({ timeMs, verdict: { id, state, suspects } }) => ({
    id,
    state,
    at: samples.findIndex(({ time }) => time === timeMs) + 1,
    suspects: suspects.slice(0, 2).map(({ site }) => site),
  }));
  const states = Object.fromEntries(verdicts.map(({ id, state, reason }) => [id, `${state}: ${reason}`]));
  const served = samples.reduce((sum, { extmem }) => sum + (extmem.load?.requests ?? 0), 0);
  return { name, major, run, found, states, samples: samples.length, served };
}

function runService({ name, major, run }) {
  const node = join(root, `test/nodes/node_modules/node${major}/bin/node`);
  const samples = String(services[name].samples ?? (services[name].id === null ? 200 : 110));
  const recording = args.recordings ? [join(args.recordings, `${name}.${major}.${run}.ndjson`)] : [];
  return new Promise((resolve, reject) => {
    const child = spawn(node, ['test/programs/services.cjs', name, samples, ...recording], {
      cwd: root,
      env: { PATH: process.env.PATH },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('close', (code) => {
      if (code === 0) resolve({ name, major, run, ...JSON.parse(stdout) });
      else reject(new Error(`Expected ${name} on Node ${major} to end with 0, received ${code}: ${stderr}`));
    });
  });
}

/** What a run came to: the text of its cell, and whether each thing asked of it holds. */
function judge({ name, found, states }) {
  const { id, also = [], site, says, hides } = services[name];
  const finds = found.filter(({ state }) => state === 'found');
  const wrong = finds.filter((each) => each.id !== id && !also.includes(each.id));
  const others = wrong.map((each) => ` **${each.id} @${each.at}**`).join('');
  if (id === null) {
    const expected = says === undefined || states[says.id] === says.state;
    return {
      leaks: false,
      right: wrong.length === 0 && expected,
      cell: `${expected ? '–' : `**${states[says.id]}**`}${others}`,
    };
  }
  const hit = finds.find((each) => each.id === id);
  const inTime = hit !== undefined && hit.at <= lastSample;
  const sited =
    site === undefined || hit === undefined ? null : hit.suspects.some((text) => new RegExp(site).test(text));
  // A leak under another takes longer, but has to be told.
  const hidden = hides === undefined ? null : (finds.find((each) => each.id === hides)?.at ?? 'missed');
  const beside = hidden === null ? '' : `, ${hides} ${hidden === 'missed' ? '**missed**' : `@${hidden}`}`;
  const cell = `${hit === undefined ? '**missed**' : `@${hit.at}`}${beside}${sited === false ? ' (site missed)' : ''}${others}`;
  return { leaks: true, right: inTime && wrong.length === 0 && hidden !== 'missed', sited, cell };
}

const results = args.results && existsSync(args.results) ? readFileSync(args.results, 'utf8').trim().split('\n') : [];
const outcomes = results.filter(Boolean).map((line) => JSON.parse(line));
let repeated = 0;
async function work() {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    const outcome = args.replay ? await replayService(job) : await runService(job);
    if (outcome === null) continue;
    const { samples, served } = outcome;
    const attempt = (job.attempt ?? 1) + 1;
    if (!args.replay && served / samples < leastServed && attempt <= mostAttempts) {
      repeated++;
      jobs.push({ ...job, attempt });
      continue;
    }
    outcomes.push(outcome);
    if (args.results) appendFileSync(args.results, `${JSON.stringify(outcome)}\n`);
    console.error(
      `${job.name}/${job.major}: ${judge(outcome).cell} (${(served / samples).toFixed(1)} requests a sample)`,
    );
  }
}
await Promise.all(Array.from({ length: Number(args.parallel) }, work));

const nodes = [...new Set(outcomes.map(({ major }) => major))].sort();
const lines = [
  `| service | right answer | ${nodes.map((major) => `Node ${major}`).join(' | ')} |`,
  `|---|---|${nodes.map(() => '---|').join('')}`,
];
for (const [name, { id, what }] of Object.entries(services)) {
  const own = outcomes.filter((outcome) => outcome.name === name);
  if (own.length === 0) continue;
  const cells = nodes.map((major) => own.filter((outcome) => outcome.major === major).map((each) => judge(each).cell));
  lines.push(
    `| ${what} | ${id === null ? 'nothing' : `\`${id}\``} | ${cells.map((cell) => cell.join(', ')).join(' | ')} |`,
  );
}
const judged = outcomes.map(judge);
const leaky = judged.filter(({ leaks }) => leaks);
const sited = leaky.filter((each) => each.sited !== null);
const healthy = judged.filter(({ leaks }) => !leaks);
const count = (list, key) => list.filter((each) => each[key]).length;
lines.push(
  '',
  `Leaky: ${count(leaky, 'right')} of ${leaky.length} right by sample ${lastSample}. Culprit: ${count(sited, 'sited')} of ${sited.length} named by one of the first two suspects. Healthy: ${healthy.length - count(healthy, 'right')} of ${healthy.length} with a false alarm.`,
);
console.log(lines.join('\n'));
console.error(`${repeated} runs were repeated, because the machine did not keep the pace.`);
if (args.write) replaceTable('services', lines);
