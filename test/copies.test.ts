/** One session an isolate, however often the package was loaded: a cleared cache, two installations, vm contexts. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { type Node, nodes, programs, root, runForJson } from './plain.js';

const program = join(programs, 'copies.cjs');
const oldest = nodes[0] as Node;
// One of the two copies would find the other's hooks in the allocator, and each session would test all of it anew.
const env = { EXTMEM_DEST: 'none', EXTMEM_SAMPLE_BYTES: '0' };

/** Another installation of this build. */
function installCopy(t: Test, version?: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'extmem-copy-'));
  t.teardown(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
  mkdirSync(join(copy, 'build', 'Release'), { recursive: true });
  cpSync(join(root, 'build', 'Release', 'extmem.node'), join(copy, 'build', 'Release', 'extmem.node'));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(copy, 'package.json'), JSON.stringify({ ...manifest, version: version ?? manifest.version }));
  return copy;
}

for (const node of nodes) {
  for (const what of ['cleared', 'copies', 'contexts']) {
    test(`node ${node.major}: ${what}`, async (t) => {
      t.same(await runForJson(node, [program, what, root, installCopy(t)], { env }), {
        differs: true,
        isSame: true,
        isolates: [],
        lone: [],
        withOptions: 'ERR_EXTMEM_RUNNING',
        restored: true,
        isFoundBack: true,
        restoredAgain: true,
      });
    });
  }
}

test('a cleared cache while native memory is sampled', async (t) => {
  const { isSame, restored } = await runForJson<Record<string, unknown>>(oldest, [program, 'cleared', root, root]);
  t.same([isSame, restored], [true, true]);
});

test('every order of starts and stops of two copies', async (t) => {
  t.same(await runForJson(oldest, [program, 'orders', root, installCopy(t)], { env }), []);
});

test('another version is refused by name, and starts once the first has stopped', async (t) => {
  const copy = installCopy(t, '99.0.0');
  const { message, back, restored } = await runForJson<Record<string, string>>(
    oldest,
    [program, 'versions', root, copy],
    { env },
  );
  t.match(message, /^ERR_EXTMEM_RUNNING .* while this is 99\.0\.0/);
  t.ok(message?.includes(root), 'where the other one lies');
  t.equal(back, 'ERR_EXTMEM_RUNNING');
  t.equal(restored, true);
});

test('a cleared cache in a worker', async (t) => {
  const { isSame, threads, ofWorker } = await runForJson<Record<string, unknown>>(oldest, [program, 'worker', root]);
  t.equal(isSame, true);
  t.same(threads, ofWorker);
});
