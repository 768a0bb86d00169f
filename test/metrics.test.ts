/** The metric table against a live sample, in both directions, and the generated documents against the tables. */
import { test } from 'tap';
import { metrics } from '../lib/metrics.js';
import { nodes, root, run, runForJson } from './plain.js';

/** Parts of a sample whose keys are names that others gave. */
const named = ['v8.spaces', 'process.resources'];

/** Paths of all numbers, with `*` for names and `[]` for elements. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((element) => pathsOf(element, `${path}[]`));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) =>
      pathsOf(inner, named.includes(path) ? `${path}.*` : path === '' ? key : `${path}.${key}`),
    );
  }
  return typeof value === 'number' ? [path] : [];
}

const source = `
  const extmem = require(${JSON.stringify(root)});
  const { Worker } = require('node:worker_threads');
  const session = extmem.start({ destination: 'none', interval: '1h' });
  const worker = new Worker('const extmem = require(${JSON.stringify(root)}); extmem.start(); require("node:worker_threads").parentPort.postMessage(1); setInterval(() => {}, 1000);', { eval: true });
  worker.once('message', () => {
    session.sample(); session.addLoad(3); gc();
    setImmediate(() => setImmediate(() => process.stdout.write(JSON.stringify(session.sample()) + '\\n', () => process.exit())));
  });`;

test('every number of a sample has a row, and every row is in a sample', async (t) => {
  const node = nodes[0];
  if (node === undefined) throw new Error('Expected node 20 in the matrix, received none.');
  const sample = await runForJson<object>(node, ['--expose-gc', '-e', source]);
  const found = new Set(pathsOf(sample));
  const listed = new Set(metrics.map((metric) => metric.path));
  t.same(
    [...found].filter((path) => !listed.has(path)),
    [],
    'no row is missing',
  );
  // Cost of the previous tick and time to the limit are null in a sample that was asked for.
  const later = ['cost.mainThreadUs', 'cost.longestUs', 'limit.etaMs[]'];
  t.same(
    [...listed].filter((path) => !found.has(path) && !later.includes(path)),
    [],
    'no row is stale',
  );
});

test('rows are unique, carry their unit and say something', async (t) => {
  t.equal(new Set(metrics.map((metric) => metric.path)).size, metrics.length);
  const count =
    /(Count|seq|mappings|Threads|threads|workers|requests|peekFailures|Contexts|threadId|fds\.\w+|ledgerSkipped|timers|resources\.\*|streams\.\w+|samples|tracked|[dD]ropped|missedFrees|coverage\.\w+)$/;
  for (const { path, sentence } of metrics) {
    t.match(
      path,
      /(Bytes|BytesError|Bytes\[\]|leafBytes\.\w+|Ms|Ms\[\]|Us|Ratio|limit\.bytes)$/.test(path) ? /./ : count,
      path,
    );
    t.match(sentence, /^[A-Z].*\.$|^[a-z]\w+ .*\.$/, sentence);
  }
});

test('docs/options.md and docs/metrics.md are as generated', async (t) => {
  const ended = await run(process.execPath, [`${root}/scripts/docs.mjs`, '--check']);
  t.equal(ended.code, 0, ended.stderr);
});
