/** JavaScript of each compiler of V8 is shown when the self-test has seen it decoded rightly, and not before. */
import { join } from 'node:path';
import t from 'tap';
import { nodes, programs, runForJson } from './plain.js';

const program = join(programs, 'tiers.cjs');

interface Shown {
  readonly capability: true | string;
  readonly shown: Readonly<Record<string, { readonly before: string; readonly after: string }>>;
}

/** Those that code comes to by itself; maglev exists on Node 24 and later. */
const tiersOf = (major: number) => ['interpreter', 'baseline', ...(major < 24 ? [] : ['maglev']), 'turbofan'];

for (const node of nodes) {
  const tiers = tiersOf(node.major);
  const shows = (...args: string[]) => runForJson<Shown>(node, [program, ...args]);
  const after = ({ shown }: Shown) =>
    Object.fromEntries(Object.entries(shown).map(([tier, { after }]) => [tier, after]));
  // On a busy machine V8's threads may optimise a function before the program meets it in the tier between.
  const allAre = <State>({ shown }: Shown, state: State, but: Record<string, State> = {}) =>
    Object.fromEntries(Object.keys(shown).map((tier) => [tier, but[tier] ?? state]));

  t.test(`node ${node.major}`, async (t) => {
    t.test('what was met before the test is shown after it', async (t) => {
      const all = await shows();
      t.equal(all.capability, true);
      t.same(all.shown, allAre(all, { before: 'hidden', after: 'right' }));
      t.match(all.shown, { interpreter: {}, turbofan: {} });
    });

    t.test('while it runs: what it has seen', async (t) => {
      const { capability, shown } = await shows('later');
      t.equal(capability, true);
      t.same(shown.interpreter, { before: 'right', after: 'right' });
      t.same(shown.turbofan, { before: 'hidden', after: 'right' });
    });

    for (const tier of tiers.slice(1)) {
      t.test(`${tier} decoded wrongly is refused, and no other`, async (t) => {
        const names = await shows('names', tier);
        t.match(
          names.capability,
          new RegExp(`^in code of ${tier} names and lines are not shown: the self-test failed`),
        );
        t.same(after(names), allAre(names, 'right', { [tier]: 'hidden' }));
        const lines = await shows('lines', tier);
        t.match(lines.capability, new RegExp(`^in code of ${tier} names without lines: the self-test failed`));
        t.same(after(lines), allAre(lines, 'right', { [tier]: 'name' }));
      });
    }

    t.test('the interpreter decoded wrongly: native frames only', async (t) => {
      const wrong = await shows('names', 'interpreter');
      t.match(wrong.capability, /^the self-test failed: .*: native frames only$/);
      t.same(after(wrong), allAre(wrong, 'hidden'));
    });

    t.test('a tier that is not reached is refused, one that is not in use is not missed', async (t) => {
      const capabilityWith = async (...flags: string[]) =>
        (await runForJson<Shown>(node, [...flags, program])).capability;
      t.match(await capabilityWith('--no-opt'), /code of .*turbofan are not shown: the self-test did not come to it$/);
      t.match(await capabilityWith('--jitless'), /code of baseline, maglev, turbofan are not shown/);
      t.match(await capabilityWith('--no-sparkplug'), /^names and lines in code of baseline(, maglev)? are not shown/);
      for (const flag of ['--no-maglev', '--always-sparkplug']) t.equal(await capabilityWith(flag), true);
    });

    for (const kind of ['idle', 'busy']) {
      t.test(`all of them are reached in a program that is ${kind}`, async (t) => {
        const told = await runForJson<(true | string)[]>(node, [join(programs, 'licence.cjs'), kind]);
        t.match(told[0], /^names and lines in code of .*turbofan are not shown: until the self-test has come to it$/);
        t.equal(told.at(-1), true);
      });
    }
  });
}
