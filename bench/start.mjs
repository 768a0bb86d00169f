// What the preload adds to the life of a process that does nothing: every child process inherits it.
//
// Whole processes, `node -e 0` from spawn to exit, in turns; the second "off" column is what the machine's noise alone
// does. "disabled" is the preload with EXTMEM_ENABLED=false.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main, median, quantile } from './trial.mjs';

const preload = ['--require', fileURLToPath(import.meta.resolve('extmem/register'))];
const rounds = 25;
const cases = {
  off: { flags: [], env: {} },
  offAgain: { flags: [], env: {} },
  on: { flags: preload, env: {} },
  disabled: { flags: preload, env: { EXTMEM_ENABLED: 'false' } },
};

const nodes = [20, 22, 24, 26]
  .map((major) => fileURLToPath(new URL(`../test/nodes/node_modules/node${major}/bin/node`, import.meta.url)))
  .filter(existsSync);

function lifeMs(node, { flags, env }) {
  const startedMs = performance.now();
  const { status } = spawnSync(node, [...flags, '-e', '0'], {
    env: { ...process.env, NODE_OPTIONS: '', EXTMEM_DEST: '/dev/null', ...env },
    stdio: 'ignore',
  });
  if (status !== 0) throw new Error(`Expected ${node} ${flags.join(' ')} to exit with 0, received ${status}`);
  return performance.now() - startedMs;
}

export async function bench() {
  const rows = [];
  for (const node of nodes.length > 0 ? nodes : [process.execPath]) {
    const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, one] of Object.entries(cases)) times[name].push(lifeMs(node, one));
    }
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    const offMs = median(times.off);
    // The halves of the distribution around the median, as the spread of what was added.
    const added = (values) =>
      `+${(median(values) - offMs).toFixed(1)} (${[0.25, 0.75].map((q) => (quantile(values, q) - offMs).toFixed(1)).join(' to ')})`;
    rows.push(
      { what: `${version}: \`node -e 0\``, value: `${offMs.toFixed(1)} / again ${added(times.offAgain)} ms` },
      { what: `${version}: with the preload`, value: `${added(times.on)} ms`, goal: '+15' },
      { what: `${version}: with EXTMEM_ENABLED=false`, value: `${added(times.disabled)} ms`, goal: '+3' },
    );
  }
  return rows;
}

await main(import.meta.url, bench);
