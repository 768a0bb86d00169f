/** What extmem shares with its host is the host's: as it was after a stop, and theirs where they set or wrapped it. */
import { join } from 'node:path';
import { test } from 'tap';
import { nodes, programs, root, runForJson } from './plain.js';

const program = join(programs, 'shared.cjs');

for (const node of nodes) {
  test(`node ${node.major}: shared with the host`, async (t) => {
    t.same(await runForJson(node, [program, root, 'restored']), { functions: true, rest: true });
    const { stays, counted } = await runForJson<{ stays: boolean; counted: { init: number } }>(node, [
      program,
      root,
      'wrappedLater',
    ]);
    t.same(
      { stays, counted },
      {
        stays: true,
        counted: { init: 1, emitWarning: 1, dlopen: 0 },
      },
    );
    t.same(await runForJson(node, [program, root, 'errors']), {
      plain: true,
      set: true,
      accessor: true,
      deleted: true,
      fixed: true,
    });
    t.equal(await runForJson(node, [program, root, 'fakeTimers']), 'fine');
  });
}
