// One trial = one plain Node process that prints one line of JSON. Results are rows of one table.
import { execFileSync, spawn } from 'node:child_process';
import { cpus, release } from 'node:os';
import { pathToFileURL } from 'node:url';

/** Runs `node [flags] file child ...args`; the environment does not bring options along. */
export function trial(file, args, { flags = [], node = process.execPath } = {}) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(node, [...flags, file, 'child', ...args.map(String)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`Expected ${file} ${args.join(' ')} to exit with 0, received ${code}`));
    });
  });
}

/** Gives a process a CPU of its own. Returns whether it could be done. */
export function pin(pid, cpu) {
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(cpu), String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export const median = (values) => quantile(values, 0.5);

/** Ends a trial at once: sessions and kept memory do not matter any more. */
export function report(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

export function printTable(rows) {
  const day = new Date().toISOString().slice(0, 10);
  console.log(`${day} · Node ${process.version} · Linux ${release()} · ${cpus().length} × ${cpus()[0]?.model}\n`);
  const headings = { what: 'what', value: 'median', goal: 'goal' };
  const columns = Object.keys(headings);
  const cells = [headings, ...rows].map((row) => columns.map((column) => String(row[column] ?? '')));
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  for (const row of cells) console.log(row.map((cell, i) => cell.padEnd(widths[i])).join('  '));
}

/** Each bench runs alone, or as a part of `npm run bench`, or as one of its own trials. */
export async function main(url, bench, child) {
  if (pathToFileURL(process.argv[1]).href !== url) return;
  if (process.argv[2] === 'child') await child(...process.argv.slice(3));
  else printTable(await bench());
}
