// What the sampler costs beside a service, in one table: `npm run bench`. About nine minutes; each bench also runs alone, and
// the README names the command of every other figure.
import { bench as loop } from './loop.mjs';
import { bench as mappings } from './mappings.mjs';
import { bench as tick } from './tick.mjs';
import { printTable } from './trial.mjs';

const rows = [];
for (const bench of [tick, loop, mappings]) rows.push(...(await bench()));
printTable(rows);
