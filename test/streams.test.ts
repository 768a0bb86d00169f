/** Forgotten streams are found with their line; streams that merely live long, or are many, are not. */
import t, { type Test } from 'tap';
import type { StreamsSample } from '../lib/sample.js';
import type { StreamSite } from '../lib/site.js';
import type { StreamsReport } from '../lib/streams/report.js';
import { type Node, nodes, programs, runForJson } from './plain.js';

interface Run {
  readonly last: StreamsSample;
  readonly report: StreamsReport;
  /** Class and site of all that was suspected at some time. */
  readonly suspected: readonly string[];
  readonly errors: readonly string[];
}

interface Leak {
  readonly className: string;
  /** Named by the function of the program, or by what Node was doing. */
  readonly site: string;
  /** The state that most of them are in, or how they were when they were collected. */
  readonly state: string;
}

/** As in a small container: V8 collects often enough for a run of some seconds. */
const smallHeap = '--max-old-space-size=100';

/** Scenario of streams-leaks.cjs to the row that names it. */
const leaks: Readonly<Record<string, Leak>> = {
  abortDownload: { className: 'ReadStream', site: 'pipeToAbortedResponse', state: 'lost' },
  ignoreResponse: { className: 'Socket', site: 'ignoreResponse', state: 'paused' },
  forgetResponse: { className: 'ClientRequest', site: 'ignoreResponse', state: 'response not read to its end' },
  keepGzip: { className: 'Gzip', site: 'keepGzip', state: 'never read' },
  dropGzip: { className: 'Gzip', site: 'dropGzip', state: 'unclosed' },
  neverAutoDestroyed: { className: 'Duplex', site: 'neverAutoDestroyed', state: 'ended, not closed' },
  pauseSocket: { className: 'Socket', site: 'pauseSocket', state: 'paused' },
  queueInMap: { className: 'PassThrough', site: 'queueInMap', state: 'never read' },
  keepUnreadFile: { className: 'ReadStream', site: 'keepUnreadFile', state: 'never read' },
  dropUnreadFile: { className: 'ReadStream', site: 'dropUnreadFile', state: 'lost' },
  ignoreChildOutput: { className: 'Socket', site: 'ignoreChildOutput', state: 'never read' },
  ignoreFetchBody: { className: 'fetch', site: 'ignoreFetchBody', state: 'response not read to its end' },
  ignoreHttp2Stream: { className: 'ClientHttp2Stream', site: 'ignoreHttp2Stream', state: 'never read' },
  neverEndResponse: { className: 'ServerResponse', site: 'incoming HTTP message', state: 'open' },
  neverEndFile: { className: 'WriteStream', site: 'neverEndFile', state: 'open' },
  keepFileHandle: { className: 'FileHandle', site: 'keepFileHandle', state: 'open' },
  failWithoutDestroy: { className: 'Readable', site: 'failWithoutDestroy', state: 'never read' },
  failInFrontOfPipe: { className: 'PassThrough', site: 'failInFrontOfPipe', state: 'never read' },
};

function find(report: StreamsReport, { className, site }: Omit<Leak, 'state'>): StreamSite | undefined {
  return report.sites.find((row) => row.className === className && row.site.startsWith(site));
}

/** What most of the streams of a row came to. */
function stateOf(row: StreamSite): string {
  const states: [string, number][] = [...Object.entries(row.states), ['lost', row.lost], ['unclosed', row.unclosed]];
  return states.reduce((most, next) => (next[1] > most[1] ? next : most), ['none', 0])[0];
}

async function checkLeaks(t: Test, node: Node) {
  const wanted = Object.values(leaks).map(({ className, site }) => `${className} ${site}`);
  const args = [smallHeap, `${programs}/streams.cjs`, 'leaks', '400', JSON.stringify(wanted)];
  const { report, suspected, errors } = await runForJson<Run>(node, args);
  t.strictSame(errors, [], 'the programs run');
  for (const [name, leak] of Object.entries(leaks)) {
    const row = find(report, leak);
    t.ok(
      suspected.some((site) => site.startsWith(`${leak.className} ${leak.site}`)),
      `${name} is suspected`,
    );
    t.equal(row === undefined ? 'nothing' : stateOf(row), leak.state, `${name}: state`);
  }
  t.match(
    find(report, { className: 'Gzip', site: 'dropGzip' })?.sentence,
    /\d+ Gzip never closed, their memory outside the heap was left to the garbage collector; created at dropGzip \(/,
  );
}

async function checkHealthy(t: Test, node: Node) {
  const { last, report, suspected, errors } = await runForJson<Run>(node, [
    smallHeap,
    `${programs}/streams.cjs`,
    'healthy',
    '200',
  ]);
  t.strictSame(errors, [], 'the programs run');
  t.strictSame(suspected, [], 'nothing was suspected at any time');
  const careless = report.sites.filter(({ dropped, unclosed }) => dropped + unclosed > 0);
  const culprits = new Set(careless.map(({ site }) => site.replace(/ \(.*/, '')));
  t.strictSame(culprits, new Set(['dropPassThrough', 'dropGzipOnce']), 'only these were collected undone');
  t.ok(last.collections >= 2, `V8 collected by itself (${last.collections} times), or nothing could have been proven`);
  t.ok(last.created > 2000, `${last.created} streams were seen`);
}

/** What is said of each line of streams-lines.cjs, without its position. */
const lines: Readonly<Record<string, RegExp>> = {
  dropFile: /^1 ReadStream collected without being destroyed, its file is still open; /,
  pipeToResponse: /^1 ReadStream collected without being destroyed, its file is still open; /,
  ignoreMessage:
    /^1 ClientRequest not closed: 1 response not read to its end \(\d+ KiB buffered, oldest \d+ s, 1 open descriptor, 1 TCP handle\); /,
  neverReadBody: /^1 fetch not closed: 1 response not read to its end \(oldest \d+ s\); /,
  cloneHalfRead: /^1 ReadableStream \(web\) not closed: 1 never read \(586 KiB buffered, oldest \d+ s\); /,
  cancelBlob: /^1 ReadableStream \(web\), none left open; /,
  pauseSocket: /^1 Socket not closed: 1 paused \(\d+ KiB buffered, oldest \d+ s, 1 open descriptor, 1 TCP handle\); /,
  keepGzip: /^1 Gzip not closed: 1 never read \(10 B buffered, oldest \d+ s, 1 Zlib handle\); /,
  dropGzip: /^1 Gzip never closed, its memory outside the heap was left to the garbage collector; /,
  neverDestroyed: /^1 Duplex not closed: 1 ended, not closed \(oldest \d+ s\); /,
};

async function checkLines(t: Test, node: Node) {
  const report = await runForJson<StreamsReport>(node, ['--expose-gc', `${programs}/streams-lines.cjs`]);
  const sentences = report.sites.map((row) => row.sentence);
  for (const [name, line] of Object.entries(lines)) {
    const position = new RegExp(String.raw`; created at ${name} \(.*streams-lines\.cjs:\d+:\d+\)$`);
    const said = sentences.filter((sentence) => position.test(sentence));
    t.ok(
      said.some((sentence) => line.test(sentence)),
      `${name}: ${said.join(' | ')}`,
    );
  }
  t.match(report.listenerWarnings, [
    { className: 'ReadStream', event: 'close', count: 11, site: /^tooManyListeners \(/ },
  ]);
  t.strictSame(report.missing, [], 'everything can be seen here');
}

interface Retention {
  readonly created: number;
  readonly tracked: number;
  readonly alive: number;
  readonly left: number;
  readonly bytesPerTracked: number;
  readonly size: number;
  readonly overflowed: number;
}

async function checkRetention(t: Test, node: Node) {
  const run = await runForJson<Retention>(node, ['--expose-gc', `${programs}/streams-retention.cjs`]);
  t.ok(run.created >= 100_000 * (6 / 7), `${run.created} streams were counted`);
  t.ok(run.tracked > 0, `${run.tracked} of them were tracked`);
  t.equal(run.alive, 0, 'all were collected');
  t.ok(run.left <= 3, `only stdio is still tracked: ${run.left}`);
  t.ok(run.bytesPerTracked <= 400, `${run.bytesPerTracked} bytes per tracked stream`);
  t.equal(run.size, 20_000, 'the table is bounded');
  t.equal(run.overflowed, 5_000, 'and says what did not fit');
}

interface Slow {
  readonly suspect: { readonly className: string; readonly site: string; readonly states: object } | null;
  readonly created: number;
  readonly collections: number;
}

/** 1 in 200 of 2000 a second, an interval of a second. What only the tracked ones tell takes minutes. */
function runSlow(node: Node, mode: 'leak' | 'pool', mostSeconds: number): Promise<Slow> {
  const args = [smallHeap, `${programs}/streams-slow.cjs`, mode, '1000', '200', `${mostSeconds}`];
  return runForJson<Slow>(node, args, { slowestMs: 1500 * mostSeconds });
}

async function checkSlowLeak(t: Test, node: Node) {
  const { suspect } = await runSlow(node, 'leak', 200);
  t.match(suspect, { className: 'PassThrough', site: /^create \(.*streams-slow\.cjs:\d+:\d+\)$/ });
  t.strictSame(Object.keys(suspect?.states ?? {}), ['never read']);
}

async function checkSlowPool(t: Test, node: Node) {
  const { suspect, created, collections } = await runSlow(node, 'pool', 90);
  t.equal(suspect, null);
  t.ok(created > 50_000, `of ${created} streams`);
  t.ok(collections >= 10, `V8 collected by itself (${collections} times)`);
}

interface Hook {
  readonly restored: readonly boolean[];
  readonly wrappedLater: readonly [
    whileRunning: number,
    kept: boolean,
    afterStop: number,
    restarted: number,
    keptAgain: boolean,
    called: boolean,
  ];
  readonly replaced: readonly [counted: number, restored: boolean];
  readonly calledTwice: number;
  readonly classes: { readonly missed: readonly string[]; readonly none: number };
  readonly sampled: {
    readonly rounds: number;
    readonly exact: number;
    readonly sites: readonly Pick<StreamSite, 'site' | 'created' | 'createdError'>[];
  };
  readonly inWorker: { readonly answer: { readonly growing: boolean; readonly state?: string }; readonly here: number };
}

async function checkHook(t: Test, node: Node) {
  const run = await runForJson<Hook>(node, [`${programs}/streams-hook.cjs`]);
  t.strictSame(run.restored, [true, true, true], 'a thousand starts and stops leave what was there');
  t.strictSame(
    run.wrappedLater,
    [1, true, 0, 1, true, true],
    'idle under a later wrapper, and not doubled by a restart',
  );
  t.strictSame(run.replaced, [1, true], 'installed again after somebody took it out');
  t.equal(run.calledTwice, 1, 'a stream that is initialized twice is counted once');
  t.strictSame(run.classes, { missed: [], none: 0 }, 'all classes of core are seen, and plain emitters are not');
  const answer = { growing: true, state: 'never read' };
  t.strictSame(run.inWorker, { answer, here: 0 }, 'each thread has its own');
  const { rounds, exact, sites } = run.sampled;
  t.equal(exact, 2 * rounds, 'all creations are counted');
  t.equal(sites.length, 2, 'both lines are named');
  for (const { site, created, createdError } of sites) {
    // 4 sigma: fails falsely once in 16 000.
    t.ok(
      createdError > 0 && Math.abs(created - rounds) < (4 / 1.96) * createdError,
      `${site}: ${created} ± ${createdError}`,
    );
  }
}

async function checkSites(t: Test, node: Node) {
  const run = await runForJson<Record<'created' | 'counted' | 'overflowed' | 'rows' | 'open', number>>(node, [
    `${programs}/streams-sites.cjs`,
  ]);
  t.equal(run.overflowed, 0, 'lines that hold nothing made room');
  t.ok(run.rows < 1500, `${run.rows} rows`);
  t.equal(run.open, 20, 'the line that holds its streams is named');
  t.equal(run.created, 3020);
  t.equal(run.counted, run.created, 'what is not shown by its line is counted');
}

const flagSets: readonly (readonly string[])[] = [[], ['--frozen-intrinsics'], ['--disable-proto=throw']];

async function checkTransparent(t: Test, node: Node) {
  for (const flags of flagSets) {
    for (const more of [[], ['domain']]) {
      const program = [...flags, `${programs}/streams-transparent.cjs`, ...more];
      const without = await runForJson<Record<string, unknown>>(node, program);
      const tracked = await runForJson<Record<string, unknown>>(node, [...program, 'tracked']);
      t.ok('bodies' in without && !('failed' in without), 'the program ran to its end');
      t.strictSame(tracked, without, `nothing differs ${[...flags, ...more].join(' ')}`);
    }
  }
}

// Each run waits for timers most of the time.
t.jobs = 3;
for (const node of nodes) {
  t.test(`node ${node.major}: leaks`, (t) => checkLeaks(t, node));
  t.test(`node ${node.major}: healthy`, (t) => checkHealthy(t, node));
  t.test(`node ${node.major}: lines that a person understands`, (t) => checkLines(t, node));
  t.test(`node ${node.major}: nothing is kept alive`, (t) => checkRetention(t, node));
  t.test(`node ${node.major}: a slow leak among many`, (t) => checkSlowLeak(t, node));
  t.test(`node ${node.major}: a slow pool among many`, (t) => checkSlowPool(t, node));
  t.test(`node ${node.major}: the hook`, (t) => checkHook(t, node));
  t.test(`node ${node.major}: generated lines`, (t) => checkSites(t, node));
  t.test(`node ${node.major}: transparent`, (t) => checkTransparent(t, node));
}
