/** Preloading changes nothing that a program can see: each program runs with and without it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { type Ended, type Node, nodes, programs, type RunOptions, root, run } from './plain.js';

const register = join(root, 'dist', 'register.js');
const preloadFlags = ['--require', register];

interface Program {
  readonly args: readonly string[];
  readonly flags?: readonly string[] | ((node: Node) => readonly string[]);
  readonly input?: string;
  /** Sent when the program has written to stdout. */
  readonly signal?: NodeJS.Signals;
  /** How to preload, where it is not --require. */
  readonly preload?: 'import' | 'NODE_OPTIONS';
  /** The flags forbid the addon and the file: the program runs the same, but for one warning. */
  readonly deprived?: true;
}

const behaviours = `${programs}/behaviours.cjs`;
const does = (name: string, more: Omit<Program, 'args'> = {}): Program => ({ args: [behaviours, name], ...more });

/** Stable since Node 24; the older name went away in 26. */
const permissionFlag = (node: Node) => (node.major >= 24 ? '--permission' : '--experimental-permission');
const allRights = (node: Node) => [
  permissionFlag(node),
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-addons',
  '--allow-child-process',
  '--allow-worker',
];
const fewRights = (node: Node) => [permissionFlag(node), '--allow-fs-read=*'];

const programTable: Readonly<Record<string, Program>> = {
  'prints and ends': does('prints'),
  'process.exit(7)': does('exits'),
  'process.exitCode': does('setsExitCode'),
  'process.exit in a timer': does('exitsInsideTimer'),
  'uncaught exception': does('throws'),
  'uncaught exception later': does('throwsLater'),
  'unhandled rejection': does('rejects'),
  'unhandled rejection, warned of only': does('rejects', { flags: ['--unhandled-rejections=warn'] }),
  'process.emitWarning': does('warns'),
  'killed by itself': does('aborts'),
  'stack overflow': does('overflowsStack'),
  'SIGTERM, default': does('waitsForSignal', { signal: 'SIGTERM' }),
  'SIGINT, default': does('waitsForSignal', { signal: 'SIGINT' }),
  'SIGHUP, default': does('waitsForSignal', { signal: 'SIGHUP' }),
  'SIGUSR2, default': does('waitsForSignal', { signal: 'SIGUSR2' }),
  'SIGTERM, handled': does('handlesSignals', { signal: 'SIGTERM' }),
  'SIGINT, handled': does('handlesSignals', { signal: 'SIGINT' }),
  'SIGHUP, handled': does('handlesSignals', { signal: 'SIGHUP' }),
  'listeners on process': does('countsListeners'),
  'active resources': does('listsResources'),
  'globals and environment': does('listsGlobals'),
  stdin: does('readsStdin', { input: 'some text\n' }),
  spawn: does('spawns'),
  fork: does('forks'),
  exec: does('execs'),
  spawnSync: does('spawnsSync'),
  'NODE_OPTIONS reaches children': does('spawns', { preload: 'NODE_OPTIONS' }),
  workers: does('runsWorkers'),
  'worker throws': does('workerThrows'),
  'worker is terminated': does('workerIsTerminated'),
  'all permissions': does('spawnsSync', { flags: allRights }),
  'few permissions': does('prints', { flags: fewRights, deprived: true }),
  '--frozen-intrinsics': does('prints', { flags: ['--frozen-intrinsics'] }),
  '--disable-proto=throw': does('prints', { flags: ['--disable-proto=throw'] }),
  '--disallow-code-generation-from-strings': does('prints', { flags: ['--disallow-code-generation-from-strings'] }),
  '--throw-deprecation': does('prints', { flags: ['--throw-deprecation'] }),
  'ESM entry': { args: [`${programs}/behaviour.mjs`] },
  'ESM entry, --import': { args: [`${programs}/behaviour.mjs`], preload: 'import' },
  '-e': { args: ['-e', 'console.log(__filename, require.main === module); setTimeout(console.log, 50, "end")'] },
  '-p': { args: ['-p', '[1, 2].map(String)'] },
  'program on stdin': { args: ['-'], input: 'console.log("from stdin")' },
  REPL: { args: ['-i'], input: 'var answer = 6 * 7\nanswer\nthrow new Error("typed")\n.exit\n' },
};

function start(node: Node, program: Program, options: RunOptions, preloadArgs: readonly string[]): Promise<Ended> {
  const flags = typeof program.flags === 'function' ? program.flags(node) : (program.flags ?? []);
  const signal = program.signal;
  return run(node.path, [...flags, ...preloadArgs, ...program.args], {
    ...options,
    ...(program.input === undefined ? {} : { input: program.input }),
    ...(signal === undefined ? {} : { onOutput: (child) => child.kill(signal) }),
  });
}

/** Warnings carry the process id, which differs. */
const withoutPid = (text: string) => text.replaceAll(/\(node:\d+\)/g, '(node:PID)');

/** Without rights to the file, the lines go to the default destination, and one warning says so. */
const withoutOwnOutput = (text: string) =>
  text
    .replaceAll(/^\{"level":.*"name":"extmem".*\n/gm, '')
    .replaceAll(/^\(node:PID\) \[ERR_EXTMEM_\w+\].*\n/gm, '')
    .replaceAll(/^\(Use `\S+ --trace-warnings .*\n/gm, '');

async function check(t: Test, node: Node, program: Program) {
  const directory = mkdtempSync(join(tmpdir(), 'extmem-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'extmem.ndjson');
  const env: Record<string, string> = { EXTMEM_DEST: file, EXTMEM_INTERVAL: '20ms' };
  let preloadArgs: readonly string[] = preloadFlags;
  if (program.preload === 'import') preloadArgs = ['--import', pathToFileURL(register).href];
  if (program.preload === 'NODE_OPTIONS') {
    preloadArgs = [];
    env.NODE_OPTIONS = `--require ${register}`;
  }

  const plain = await start(node, program, {}, []);
  const preloaded = await start(node, program, { env }, preloadArgs);

  t.equal(preloaded.code, plain.code, 'exit code');
  t.equal(preloaded.signal, plain.signal, 'signal');
  t.equal(preloaded.stdout, plain.stdout, 'stdout');
  const clean = program.deprived ? withoutOwnOutput : (text: string) => text;
  t.equal(clean(withoutPid(preloaded.stderr)), clean(withoutPid(plain.stderr)), 'stderr');
  // Without this the comparison would also hold for a preload that does nothing.
  const lines = program.deprived ? preloaded.stderr : readFileSync(file, 'utf8');
  t.match(lines, /^\{.*"kind":"start".*\}$/m, 'the session ran');
}

t.jobs = 2;
for (const [name, program] of Object.entries(programTable)) {
  for (const node of nodes) {
    t.test(`${name} on Node ${node.major}`, { buffered: true }, (t) => check(t, node, program));
  }
}
