/** What a preload loads, and when: every child process inherits it, and most end before the first turn of the event loop. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Node, nodes, root, run, runForJson } from './plain.js';

const register = join(root, 'dist', 'register.js');
const env = { EXTMEM_DEST: '/dev/null', EXTMEM_INTERVAL: '50ms' };

/** Prints what `expression` is, as JSON, in a program that was preloaded or in a plain one. */
const evaluate = <T>(node: Node, expression: string, preload: boolean) =>
  runForJson<T>(
    node,
    [...(preload ? ['--require', register] : []), '-e', `fs.writeSync(1, JSON.stringify(${expression}) + '\\n')`],
    { env },
  );

const ownFiles = `Object.keys(require.cache).filter((file) => file.startsWith(${JSON.stringify(join(root, 'dist'))}))`;

for (const node of nodes) {
  t.test(
    `Node ${node.major}: the first turn loads three files of ours, and no part of Node but what they use`,
    async (t) => {
      const files = await evaluate<string[]>(node, ownFiles, true);
      t.strictSame(
        files.map((file) => file.slice(root.length)),
        ['/dist/register.js', '/dist/enabled.js', '/dist/index.js'],
      );
      const loaded = 'process.moduleLoadList.filter((name) => name.startsWith("NativeModule "))';
      const plain = new Set(await evaluate<string[]>(node, loaded, false));
      const added = (await evaluate<string[]>(node, loaded, true)).filter((name) => !plain.has(name));
      t.strictSame(
        added.filter((name) => !/ (os|diagnostics_channel)$/.test(name)),
        [],
      );
    },
  );

  t.test(`Node ${node.major}: what the program creates in that turn is tracked by its line`, async (t) => {
    const program = `
      const { Readable } = require('node:stream');
      const held = [new Readable(), new Readable()];
      setTimeout(() => {
        const web = new ReadableStream();
        const { sites } = require(${JSON.stringify(join(root, 'dist', 'index.js'))}).start().streams();
        const of = (name) => sites.filter(({ className }) => className === name);
        console.log(JSON.stringify({
          readables: of('Readable').map(({ created, site }) => [created, site.includes('[eval]')]),
          web: of('ReadableStream (web)').map(({ created }) => created),
        }));
      }, 100);`;
    const seen = await runForJson<{ readables: unknown; web: unknown }>(node, ['--require', register, '-e', program], {
      env,
    });
    t.strictSame(seen, {
      readables: [
        [1, true],
        [1, true],
      ],
      web: [1],
    });
  });

  t.test(
    `Node ${node.major}: a program that freezes what is hooked runs as without us, and a line says so`,
    async (t) => {
      const program = `
      Object.freeze(process);
      const { EventEmitter } = require('node:events');
      const emitter = new EventEmitter();
      setTimeout(() => console.log(emitter.listenerCount('x')), 200);`;
      const lines = { ...env, EXTMEM_DEST: 'stderr' };
      const frozen = await run(node.path, ['--require', register, '-e', program], { env: lines });
      t.equal(frozen.stdout, '0\n', frozen.stderr);
      t.match(frozen.stderr, /"capabilities":\{.*"streams":"streams cannot be tracked in this program: /);
      const healthy = program.replace('Object.freeze(process);', '');
      const free = await run(node.path, ['--require', register, '-e', healthy], { env: lines });
      t.match(free.stderr, /"kind":"sample"/);
      t.notMatch(free.stderr, /cannot be tracked/);
    },
  );
}

for (const node of nodes) {
  t.test(`Node ${node.major}: what cannot be loaded any more ends the session, not the program`, async (t) => {
    const program = (extension: string) => `
      require('node:module')._extensions['${extension}'] = () => { throw new Error('no more files'); };
      setTimeout(() => console.log('the end'), 200);`;
    const lines = { ...env, EXTMEM_DEST: 'stderr' };
    const ended = await run(node.path, ['--require', register, '-e', program('.js')], { env: lines });
    t.equal(ended.stdout, 'the end\n');
    t.match(ended.stderr, /extmem stopped, since it could not go on: no more files/);
    t.match(ended.stderr, /"kind":"stop","samples":0/);
    const healthy = await run(node.path, ['--require', register, '-e', program('.other')], { env: lines });
    t.match(healthy.stderr, /"kind":"sample"/);
    t.notMatch(healthy.stderr, /could not go on/);
  });
}

t.test('no file raises what glibc maps in the program that reads it', async (t) => {
  const later = ['index.js', 'index.streams.js', 'index.judge.js', 'index.ticks.js', 'index.asked.js'];
  for (const file of later) t.ok(statSync(join(root, 'dist', file)).size < 128 * 1024, file);
});
