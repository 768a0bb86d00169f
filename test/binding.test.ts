/** The native binding as it is: its declaration, its numbers, and that it survives how programs use and leave it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Binding, PassNumbers } from '../lib/binding/binding.js';
import { FieldReader, rowsOf } from '../lib/binding/fields.js';
import { nodes, root, run } from './plain.js';

const addon = join(root, 'build', 'Release', 'extmem.node');
const lifecycle = join(__dirname, 'native', 'lifecycle.cjs');

function load(): Binding {
  return require(addon) as Binding;
}

function pass(binding: Binding, parts: number): PassNumbers {
  binding.run(parts);
  return new FieldReader(binding.passFields, (into) => binding.read(into)).read();
}

t.test('the declaration is what the addon says it is', (t) => {
  const written = readFileSync(join(root, 'lib', 'binding', 'binding.d.ts'), 'utf8');
  t.equal(written, load().declaration, 'lib/binding/binding.d.ts is stale: run node scripts/binding-types.mjs');
  const { passFields, isolateFields, profileFields, stackFields } = load();
  for (const [type, fields] of Object.entries({
    PassNumbers: passFields,
    IsolateNumbers: isolateFields,
    ProfileNumbers: profileFields,
    StackNumbers: stackFields,
  })) {
    const [body] = written.split(`export interface ${type} {\n`)[1]?.split('\n}') ?? [];
    const declared = [...(body ?? '').matchAll(/^ {2}readonly (\w+): number;$/gm)].map(([, name]) => name);
    t.same(declared, fields, type);
  }
  t.end();
});

t.test('the declaration names every property', (t) => {
  const binding = load();
  for (const name of Object.keys(binding)) t.match(binding.declaration, new RegExp(`^  (readonly )?${name}[:(]`, 'm'));
  t.end();
});

t.test('a part fills its fields and no others', (t) => {
  const binding = load();
  const quick = pass(binding, binding.parts.quick);
  t.ok(quick.rssBytes > 0);
  t.ok(quick.threads > 1);
  t.ok(Number.isNaN(quick.fdCount));
  const fds = pass(binding, binding.parts.descriptors);
  t.ok(fds.fdCount >= 3);
  t.equal(fds.fdFiles + fds.fdSockets + fds.fdPipes + fds.fdOther, fds.fdCount);
  t.ok(Number.isNaN(quick.ledgerRssBytes));
  t.ok(Number.isNaN(quick.mallocInUseBytes));
  const ledger = pass(binding, binding.parts.ledger);
  t.equal(ledger.quickAtMs, quick.quickAtMs);
  t.equal(ledger.ledgerTruncated, 0);
  const leaves = binding.passFields.filter((name) => name.startsWith('leaf'));
  t.equal(
    leaves.reduce((sum, name) => sum + ledger[name], 0),
    ledger.ledgerRssBytes,
  );
  t.ok(ledger.ledgerPssBytes <= ledger.ledgerRssBytes);
  const malloc = pass(binding, binding.parts.allocator);
  t.ok(malloc.mallocInUseBytes <= malloc.mallocSystemBytes);
  t.ok(malloc.mallocReclaimableBytes < malloc.mallocSystemBytes);
  t.end();
});

t.test('every counter of the profiler is filled, before the first start too', (t) => {
  const binding = load();
  const counters = new FieldReader(binding.profileFields, (into) => binding.profileCounters(into)).read();
  for (const name of binding.profileFields) t.ok(Number.isFinite(counters[name]), name);
  t.equal(binding.profileTotals().length, 0);
  t.end();
});

t.test('rows keep their names', (t) => {
  const rows = rowsOf<{ a: number; b: number }>(['a', 'b'], Float64Array.of(1, 2, 3, 4, 5));
  t.same(
    Array.from(rows, ({ a, b }) => [a, b]),
    [
      [1, 2],
      [3, 4],
    ],
    'what is left over is no row',
  );
  t.end();
});

t.test('watched texts', (t) => {
  const binding = load();
  binding.watch(['/proc/self/comm', join(root, 'no-such-file')]);
  t.same(binding.texts(), [null, null]);
  binding.run(binding.parts.quick);
  t.match(binding.texts()[0], /\S/);
  t.equal(binding.texts()[1], null);
  binding.watch([]);
  t.same(binding.texts(), []);
  t.end();
});

t.test('declared bytes follow a Buffer', (t) => {
  const binding = load();
  const before = binding.declaredBytes();
  const buffer = Buffer.alloc(16 << 20);
  t.ok(binding.declaredBytes() - before >= 16 << 20);
  t.equal(buffer.length, 16 << 20);
  t.end();
});

t.test('what a binary needs of its system is read from the binary', async (t) => {
  const ceiling = join(root, 'scripts', 'glibc-ceiling.mjs');
  const ours = await run(process.execPath, [ceiling, addon]);
  t.match(ours.stdout, /: fits \(.*GLIBC_2\.14/);
  t.equal(ours.code, 0);
  // Node 24 itself needs CXXABI_1.3.11, which the oldest supported one does not bring.
  const node24 = nodes.find(({ major }) => major === 24);
  const theirs = await run(process.execPath, [ceiling, node24?.path ?? '']);
  t.match(theirs.stdout, /too new: CXXABI_1\.3\.11/);
  t.equal(theirs.code, 1);
});

const cases: Readonly<Record<string, { readonly code?: number }>> = {
  passes: {},
  openCloseThousandTimes: {},
  workersLoadAndUnload: {},
  ownerIsTerminatedDuringAPass: {},
  terminatedInsideCalls: {},
  othersComeAndGoWhileMainOwns: {},
  childrenAreForkedDuringPasses: {},
  twoCopies: {},
  keepsNothingAlive: {},
  exitDuringAPass: { code: 7 },
  callbackThrows: {},
  wrongArguments: {},
};

for (const node of nodes) {
  t.test(`life and death on Node ${node.major}`, { timeout: 300_000 }, async (t) => {
    for (const [name, { code = 0 }] of Object.entries(cases)) {
      const ended = await run(node.path, [lifecycle, name, addon]);
      t.equal(ended.signal, null, `${name}: ${ended.stderr}`);
      t.equal(ended.code, code, `${name}: ${ended.stderr}`);
      t.equal(ended.stdout, 'done\n', name);
    }
    const probe = 'const b = require(process.argv[1]); const p = b.probe(); console.log(b.allocator(), p)';
    const probed = await run(node.path, ['-e', probe, addon]);
    const all = Object.values(load().probes).reduce((sum, bit) => sum + bit, 0);
    t.equal(probed.stdout, `glibc ${all}\n`, 'every capability is there on this machine');
  });
}
