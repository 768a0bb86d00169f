/**
 * The tree is what it says: every import and every include goes down, and none in a circle. A type counts like code: who
 * needs to know a shape depends on it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import t from 'tap';
import { preProcessFile } from 'typescript';
import { root } from './plain.js';

/** Rooms of one height, and what their code keeps to. They see themselves and the rows below, not each other. */
interface Floor {
  readonly rooms: readonly string[];
  readonly rule: string;
}

const lib: readonly Floor[] = [
  { rooms: ['index.mts', 'register.ts'], rule: 'doors to index.ts: for ESM, and as a preload that never throws' },
  { rooms: ['index.ts'], rule: 'the door: what a user may call, and the one state of the process' },
  { rooms: ['cli'], rule: 'text in, text out, exit codes; what it prints is for people' },
  { rooms: ['running.ts'], rule: 'the one session of an isolate, whichever copy of the package started it' },
  { rooms: ['session.ts'], rule: 'start and stop; calls the others in order and decides nothing' },
  { rooms: ['ticks.ts'], rule: 'what a session does on each pass; loaded after the first turn of the event loop' },
  { rooms: ['compare.ts', 'doctor.ts'], rule: 'one public verb a file' },
  { rooms: ['live-judge.ts'], rule: 'the judge fed live, and what it escalates to' },
  { rooms: ['sampler.ts'], rule: 'the one place where sources meet: a Sample leaves it complete' },
  { rooms: ['log'], rule: 'lines: written, read back, replayed' },
  { rooms: ['judge'], rule: 'pure: no clock, no I/O; samples in, verdicts and sentences out' },
  { rooms: ['capabilities.ts'], rule: 'what works here, as one sentence each' },
  { rooms: ['profile', 'streams'], rule: 'sources that escalate: who allocates, who forgets' },
  { rooms: ['process'], rule: 'what this process says of itself' },
  { rooms: ['binding'], rule: 'the border: loads the addon, types it, reads its numbers' },
  {
    rooms: ['metrics.ts', 'options.ts', 'sample.ts'],
    rule: 'tables and the vocabulary; sample.ts imports site.ts only',
  },
  { rooms: ['site.ts'], rule: 'a line of code that holds memory' },
  { rooms: ['call-sites.ts'], rule: 'the running stack, by settings that everybody shares' },
  { rooms: ['slices.ts'], rule: 'when the steps of a work are done' },
  {
    rooms: ['attended.ts', 'enabled.ts', 'errors.ts', 'own-only.ts', 'package.ts', 'text.ts', 'work.ts'],
    rule: 'words that everybody uses; they import nothing',
  },
];

const native: readonly Floor[] = [
  { rooms: ['binding'], rule: 'alone speaks Node-API; runs on JavaScript threads' },
  { rooms: ['ledger'], rule: 'the reader thread: reads /proc and asks the allocator' },
  { rooms: ['profile'], rule: 'may run inside malloc: no allocation, no lock of libc, no loader' },
  { rooms: ['v8'], rule: 'everything tied to a version of V8' },
  { rooms: ['os'], rule: 'everything tied to kernel, ELF, libc, CPU; a port is a new suffix here' },
];

/** File to the files that it needs, all relative to their tree. */
type Graph = ReadonlyMap<string, readonly string[]>;

function graphOf(tree: string, endings: RegExp, needs: (file: string, text: string) => readonly string[]): Graph {
  const files = readdirSync(join(root, tree), { recursive: true, encoding: 'utf8' }).filter((file) =>
    endings.test(file),
  );
  return new Map(files.sort().map((file) => [file, needs(file, readFileSync(join(root, tree, file), 'utf8'))]));
}

const libFiles = graphOf('lib', /\.m?ts$/, (file, text) =>
  preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => /^\..*\.m?js$/.test(name))
    .map((name) => join(dirname(file), name).replace(/js$/, 'ts'))
    .map((path) => (path === 'binding/binding.ts' ? 'binding/binding.d.ts' : path)),
);

const nativeFiles = graphOf('native', /\.(cc|h)$/, (_, text) =>
  [...text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].map(([, name]) => name ?? ''),
);

const roomOf = (file: string) => file.split('/')[0] ?? '';

/** From the top; `null` when no row names the room. */
function heightOf(floors: readonly Floor[], file: string): number | null {
  const height = floors.findIndex(({ rooms }) => rooms.includes(roomOf(file)));
  return height === -1 ? null : height;
}

function breaches(floors: readonly Floor[], graph: Graph): string[] {
  return [...graph].flatMap(([file, needed]) => {
    const height = heightOf(floors, file);
    if (height === null) return [`${file} has no place in the table`];
    return needed.flatMap((other) => {
      if (!graph.has(other)) return [`${file} needs ${other}, which is not there`];
      const allowed = roomOf(other) === roomOf(file) || (heightOf(floors, other) ?? -1) > height;
      return allowed ? [] : [`${file} needs ${other}, which is no lower (${floors[height]?.rule})`];
    });
  });
}

/** Each circle once, as the path around it. */
function circles(graph: Graph): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' > '));
    if (done.has(file) || path.includes(file)) return;
    path.push(file);
    for (const other of graph.get(file) ?? []) visit(other);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

for (const [tree, floors, graph] of [
  ['lib', lib, libFiles],
  ['native', native, nativeFiles],
] as const) {
  t.test(`${tree}: what is needed lies lower, and is not needed in a circle`, (t) => {
    t.ok(graph.size > 20, 'files were read');
    t.ok([...graph.values()].flat().length > graph.size, 'and what they need');
    t.same(breaches(floors, graph), []);
    t.same(circles(graph), []);
    t.end();
  });
}

t.test('native: binding alone speaks Node-API', (t) => {
  const speaks = /^\s*#\s*include\s+[<"](js_native_api|node_api|napi)\.h[>"]/m;
  const speaking = [...nativeFiles.keys()].filter((file) =>
    speaks.test(readFileSync(join(root, 'native', file), 'utf8')),
  );
  t.ok(speaking.length > 0, 'somebody does');
  t.same(
    speaking.filter((file) => roomOf(file) !== 'binding'),
    [],
  );
  t.end();
});

/** What a file imports, as it is written. */
const importsOf = (file: string) =>
  preProcessFile(readFileSync(join(root, 'lib', file), 'utf8'), true, true).importedFiles.map(
    ({ fileName }) => fileName,
  );

t.test('lib: the judge is pure, and the vocabulary needs one word', (t) => {
  const judge = [...libFiles.keys()].filter((file) => roomOf(file) === 'judge');
  const words = /^(\.\/|\.\.\/(site|text|sample|work)\.js$)/;
  t.same(
    judge.flatMap((file) => importsOf(file).filter((name) => !words.test(name))),
    [],
  );
  t.same(importsOf('sample.ts'), ['./site.js']);
  t.end();
});
