// Real services, leaky and healthy (test/programs/services.cjs), in plain Node processes: which verdicts are found, on
// which sample. Prints the table of docs/verdicts.md.
//
//   npm run build && npm run build:addon && node bench/services.mjs [--nodes 20,22,24,26] [--only REGEXP] [--runs 1]
//
// Each service runs for 22 s (leaky) or 40 s (healthy) at 200 ms a sample; `--parallel` of them at a time.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values: args } = parseArgs({
  options: {
    nodes: { type: 'string', default: '20,22,24,26' },
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '4' },
    recordings: { type: 'string' },
  },
});
const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const services = JSON.parse(readFileSync(join(root, 'test/programs/services.json'), 'utf8'));
const majors = args.nodes.split(',').map(Number);

const jobs = [];
for (let run = 1; run <= Number(args.runs); run++) {
  for (const [name, service] of Object.entries(services)) {
    if (!new RegExp(args.only).test(name)) continue;
    for (const major of service.nodes ?? majors) if (majors.includes(major)) jobs.push({ name, service, major, run });
  }
}

function runService({ name, service, major, run }) {
  const node = join(root, `test/nodes/node_modules/node${major}/bin/node`);
  const samples = service.id === null ? '200' : '110';
  const recording = args.recordings ? [join(args.recordings, `${name}.${major}.${run}.ndjson`)] : [];
  return new Promise((resolve) => {
    const child = spawn(node, ['test/programs/services.cjs', name, samples, ...recording], {
      cwd: root,
      env: { PATH: process.env.PATH },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('close', (code) => {
      if (code !== 0) throw new Error(`Expected ${name} on Node ${major} to end with 0, received ${code}: ${stderr}`);
      resolve(JSON.parse(stdout).found.filter(({ state }) => state === 'found'));
    });
  });
}

/** Ids that a case may find beside the one it is about: they are true too. */
const companions = { contexts: ['js-heap'], hidden: ['js-heap'] };

const cells = new Map();
const totals = { leaky: 0, right: 0, sited: 0, sites: 0, healthy: 0, falseAlarms: 0 };
async function work() {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    const { name, service, major } = job;
    const found = await runService(job);
    const key = `${name}/${major}`;
    let cell;
    if (service.id === null) {
      totals.healthy++;
      if (found.length > 0) totals.falseAlarms++;
      cell = found.length === 0 ? '–' : `**${found.map(({ id, at }) => `${id} @${at}`).join(', ')}**`;
    } else {
      totals.leaky++;
      const hit = found.find(({ id }) => id === service.id);
      const others = found.filter(({ id }) => id !== service.id && !companions[name]?.includes(id));
      const right = hit !== undefined && hit.at <= 100 && others.length === 0;
      if (right) totals.right++;
      cell = hit === undefined ? '**missed**' : `@${hit.at}`;
      if (others.length > 0) cell += ` **${others.map(({ id, at }) => `${id} @${at}`).join(', ')}**`;
      if (service.site !== undefined && hit !== undefined) {
        totals.sites++;
        const sited = found.some(({ suspects }) => suspects.some((site) => new RegExp(service.site).test(site)));
        if (sited) totals.sited++;
        else cell += ' (site missed)';
      }
    }
    cells.set(key, [...(cells.get(key) ?? []), cell]);
    console.error(`${key}: ${cell}`);
  }
}
await Promise.all(Array.from({ length: Number(args.parallel) }, work));

console.log(`| service | right answer | ${majors.map((major) => `Node ${major}`).join(' | ')} |`);
console.log(`|---|---|${majors.map(() => '---|').join('')}`);
for (const [name, { id, what }] of Object.entries(services)) {
  const row = majors.map((major) => (cells.get(`${name}/${major}`) ?? ['']).join(', '));
  if (row.some((cell) => cell !== ''))
    console.log(`| ${what} | ${id === null ? 'nothing' : `\`${id}\``} | ${row.join(' | ')} |`);
}
console.log('');
console.log(
  `Leaky: ${totals.right} of ${totals.leaky} right by sample 100; ${totals.sited} of ${totals.sites} JS-heap leaks with their function among the first two suspects. Healthy: ${totals.falseAlarms} of ${totals.healthy} with a false alarm.`,
);
