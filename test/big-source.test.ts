/** Lines in scripts too large to be searched while an allocation waits: right whenever they are shown, and found in the end. */
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, run } from './plain.js';

const program = join(programs, 'big-source.cjs');

interface Found {
  readonly atOnce: number;
  readonly wrong: readonly string[];
  readonly rounds: number | null;
  readonly known: number;
  readonly places: number;
}

for (const node of nodes) {
  t.test(`node ${node.major}`, async (t) => {
    for (const shape of ['ascii', 'wide', 'line', 'crlf']) {
      const look = async (megabytes: number): Promise<Found> => {
        const ended = await run(node.path, [program, String(megabytes), shape]);
        t.equal(ended.code, 0, ended.stderr);
        return JSON.parse(ended.stdout) as Found;
      };
      const big = await look(8);
      t.same(big.wrong, [], `${shape}: no line is ever another one`);
      t.ok(big.atOnce < big.places, `${shape}: the first samples do not search the whole text`);
      t.type(big.rounds, 'number', `${shape}: the lines of the first stacks are found by later samples`);
      t.equal(big.known, big.places, `${shape}: then all are known at once`);
      const small = await look(0.01);
      t.same(small, { ...small, atOnce: small.places, wrong: [], rounds: 0, known: small.places }, `${shape}: small`);
    }
  });
}
