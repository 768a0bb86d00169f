/** Work in slices: all of it, in its order, once, and nothing of it lost when a session ends in between. */
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'tap';
import { Judge } from '../lib/judge/judge.js';
import { Slices } from '../lib/slices.js';
import { finish, type Work } from '../lib/work.js';
import { nodes, root, runForJson } from './plain.js';
import { intervalMs, sampler, startMs, wobble } from './services.js';

/** Takes its time, so that each step is a slice. */
function* steps(did: string[], name: string, count = 3): Work<string> {
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    while (performance.now() - startedMs < 1);
    did.push(`${name}${i}`);
    yield;
  }
  return name;
}

test('the loop turns between slices, and what was done is told once', async (t) => {
  const did: string[] = [];
  const slices = new Slices<string>();
  slices.start(steps(did, 'a'), (name) => did.push(`done ${name}`));
  t.strictSame(did, ['a0'], 'the first slice is done at once');
  setImmediate(() => did.push('the program'));
  while (!did.includes('done a')) await turn();
  t.ok(did.indexOf('the program') < did.indexOf('done a'), did.join());
  t.strictSame(
    did.filter((entry) => entry !== 'the program'),
    ['a0', 'a1', 'a2', 'done a'],
  );
  t.ok(slices.spentUs >= 3000 && slices.longestUs < slices.spentUs);
});

test('a work that is under way comes to its end before the next one, and before the end', async (t) => {
  const did: string[] = [];
  const slices = new Slices<string>();
  const done = (name: string) => did.push(`done ${name}`);
  slices.start(steps(did, 'a'), done);
  slices.start(steps(did, 'b'), done);
  t.strictSame(did, ['a0', 'a1', 'a2', 'done a', 'b0']);
  slices.stop();
  t.strictSame(did.slice(5), ['b1', 'b2', 'done b']);
  slices.start(steps(did, 'c'), done);
  t.equal(did.length, 8, 'and takes no more');
});

test('what throws is over', async (t) => {
  const slices = new Slices<string>();
  const fail = () => {
    throw new Error('of a listener');
  };
  t.throws(() => slices.start(steps([], 'a', 0), fail), /of a listener/);
  const did: string[] = [];
  slices.start(steps(did, 'b', 0), (name) => did.push(name));
  t.strictSame(did, ['b']);
});

/** As a session that is asked in between, and as a replay: the same samples, other cuts. */
test('a judge that is put down at each step says what one says that is not', async (t) => {
  const services = {
    leaking: sampler({ native: (i) => 5 + 0.4 * i + wobble(i) }),
    late: sampler({ native: (i) => 5 + 0.6 * Math.max(0, i - 150), jsHeap: (i) => 20 + wobble(i) }),
    healthy: sampler({ jsHeap: (i) => 20 + wobble(i), native: (i) => 5 + wobble(i + 1) }),
  };
  for (const [name, sampleAt] of Object.entries(services)) {
    const atOnce = new Judge({ window: 120, confirmations: 3 });
    const inSteps = new Judge({ window: 120, confirmations: 3 });
    let yields = 0;
    for (let i = 0; i < 300; i++) {
      const timeMs = startMs + i * intervalMs;
      const expected = atOnce.push(timeMs, sampleAt(i));
      const work = inSteps.take(timeMs, sampleAt(i));
      let step = work.next();
      for (; step.done !== true; step = work.next()) {
        yields++;
        // Somebody asks, and somebody else judges: neither changes the answer.
        if (yields % 97 === 0) inSteps.verdicts();
        if (yields % 89 === 0) finish(new Judge({ window: 60, confirmations: 3 }).take(timeMs, sampleAt(i)));
      }
      t.strictSame(step.value, expected, `${name} ${i}`);
    }
    t.strictSame(inSteps.verdicts(), atOnce.verdicts(), name);
    t.ok(yields > 1000, `${name} was put down ${yields} times`);
  }
});

/** Ends in the middle of a tick: by stop(), by the end of the program, by process.exit(). */
const ending = (how: string) => `
  // In parts, not the one file that is shipped: the sampler is taken hold of.
  const part = (name) => require(${JSON.stringify(`${root}/dist/`)} + name);
  const lines = [];
  const ended = { samples: 0 };
  const { options } = part('options.js').resolveOptions({
    interval: 20,
    destination: (line) => lines.push(JSON.parse(line).extmem),
  });
  const session = new (part('session.js').Session)(options, part('binding/load.js').loadNative(), false, () => {});
  const keep = setInterval(() => {}, 10);
  session.on('sample', () => ended.samples++);
  const { compose } = part('sampler.js').Sampler.prototype;
  let ticks = 0;
  // The third tick is put down in its middle, and then the program does what the test is about.
  part('sampler.js').Sampler.prototype.compose = function* (...args) {
    const sample = yield* compose.apply(this, args);
    if (++ticks === 3) {
      const until = performance.now() + 5;
      while (performance.now() < until);
      setImmediate(() => { ${how} });
      yield;
    }
    return sample;
  };
  process.on('exit', () => {
    const kinds = lines.map(({ kind }) => kind);
    const seqs = lines.filter(({ kind }) => kind === 'sample').map(({ seq }) => seq);
    const result = { kinds, seqs, told: ended.samples, stop: lines.at(-1).samples };
    require('node:fs').writeSync(1, JSON.stringify(result) + '\\n');
  });`;

for (const node of nodes) {
  for (const [how, code] of Object.entries({
    'stop()': 'session.stop(); clearInterval(keep);',
    'process.exit()': 'process.exit();',
    'its last handle': 'clearInterval(keep);',
  })) {
    test(`Node ${node.major}: a tick that is under way when a session ends by ${how} is written and told`, async (t) => {
      const { kinds, seqs, told, stop } = await runForJson<{
        kinds: string[];
        seqs: number[];
        told: number;
        stop: number;
      }>(node, ['-e', ending(code)]);
      t.strictSame(kinds, ['start', ...seqs.map(() => 'sample'), 'stop']);
      t.strictSame(seqs, [...seqs.keys()]);
      t.ok(seqs.length >= 3);
      t.strictSame([told, stop], [seqs.length, seqs.length]);
    });
  }
}
