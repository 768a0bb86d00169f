/**
 * Real services, leaky and healthy, each in a plain process: a selection of what `node bench/services.mjs` runs in full,
 * one of each kind of evidence, spread over the versions of Node.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, runForJson } from './plain.js';

interface Found {
  readonly id: string;
  readonly state: string;
  readonly at: number;
  readonly suspects: readonly string[];
}

const services = JSON.parse(readFileSync(join(programs, 'services.json'), 'utf8')) as Record<
  string,
  { readonly id: string | null; readonly site?: string }
>;

const selection: readonly (readonly [name: string, major: number])[] = [
  ['jsObjects', 26],
  ['buffers', 20],
  ['zlibKept', 22],
  ['nativeSmall', 24],
  ['mmapAnonymous', 20],
  ['workersAlive', 22],
  ['openFiles', 26],
  ['jsonApi', 20],
  ['bufferChurn', 26],
  ['zlibDropped', 22],
  ['workerChurn', 24],
];

t.jobs = 4;
for (const [name, major] of selection) {
  const service = services[name];
  const node = nodes.find((each) => each.major === major);
  if (service === undefined || node === undefined) throw new Error(`no service ${name} or no Node ${major}`);
  t.test(`${name} on Node ${major}: ${service.id ?? 'nothing'}`, async (t) => {
    // A busy machine stretches intervals, not the number of samples; two more evaluations leave room for a late one.
    const { found } = await runForJson<{ found: Found[] }>(node, [join(programs, 'services.cjs'), name, '124']);
    const ids = new Set(found.filter(({ state }) => state === 'found').map(({ id }) => id));
    t.strictSame([...ids], service.id === null ? [] : [service.id]);
    if (service.site !== undefined) {
      const named = found.flatMap(({ suspects }) => suspects);
      t.ok(
        named.some((site) => new RegExp(service.site ?? '').test(site)),
        named.join(),
      );
    }
  });
}
