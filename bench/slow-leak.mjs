/**
 * How long until a leak of 1 in 1000 streams is said, in a class of which 2000 are created in a second, with intervals of
 * three seconds; and that nothing is said of a pool that grows as slowly and levels off (test/programs/streams-slow.cjs).
 * All at once, one process each: on Node 20 to 26 where `npm ci --prefix test/nodes` brought them.
 *
 *   node bench/slow-leak.mjs [most seconds]     600 by default
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const at = (path) => fileURLToPath(new URL(`../test/${path}`, import.meta.url));
const mostSeconds = process.argv[2] ?? '600';
const installed = [20, 22, 24, 26].map((major) => at(`nodes/node_modules/node${major}/bin/node`)).filter(existsSync);
const nodes = installed.length > 0 ? installed : [process.execPath];

async function run(node, mode) {
  const flags = ['--max-old-space-size=100', at('programs/streams-slow.cjs')];
  const { stdout } = await promisify(execFile)(node, [...flags, mode, '3000', '1000', mostSeconds]);
  const { seconds, created, kept, collections, suspect } = JSON.parse(stdout);
  const { stdout: version } = await promisify(execFile)(node, ['--version']);
  const said = suspect === null ? 'nothing said' : 'said';
  console.log(`${version.trim()}, ${mode}: ${said} after ${seconds} s`);
  console.log(`  ${created} created, ${kept} kept, ${collections} major collections`);
  if (suspect !== null) console.log(`  ${suspect.sentence}`);
}

await Promise.all(nodes.flatMap((node) => ['leak', 'pool'].map((mode) => run(node, mode))));
