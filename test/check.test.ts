/** `extmem check` on recordings: the same as was said live, and exit codes that a script can rely on. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { Judge, type JudgeOptions } from '../lib/judge/judge.js';
import { verdictIds } from '../lib/judge/rules.js';
import { nodes, root, run, runForJson } from './plain.js';
import { feed, intervalMs, type Said, type Service, sampler, startMs } from './services.js';

const main = join(root, 'dist', 'cli', 'main.js');
const check = (...args: string[]) => run(process.execPath, [main, 'check', ...args]);

interface Checked {
  readonly exitCode: number;
  readonly otherLines: number;
  readonly processes: readonly {
    readonly pid: number;
    readonly samples: number;
    readonly agreesWithLines: boolean;
    readonly said: readonly string[];
    readonly verdicts: readonly { readonly id: string; readonly state: string }[];
  }[];
}

const usualOptions: JudgeOptions = { window: 120, confirmations: 3 };

/** Lines as a session writes them. */
function linesOf(service: Service, samples: number, pid = 1, options = usualOptions): string[] {
  const judge = new Judge(options);
  const sampleAt = sampler(service);
  const line = (time: number, extmem: object) =>
    JSON.stringify({ level: 30, time, pid, name: 'extmem', extmem, msg: '' });
  const lines = [line(startMs, { v: 1, kind: 'start', options })];
  for (let i = 0; i < samples; i++) {
    const time = startMs + i * intervalMs;
    const sample = sampleAt(i);
    lines.push(line(time, { v: 1, kind: 'sample', ...sample }));
    for (const verdict of judge.push(time, sample).verdicts)
      lines.push(line(time, { v: 1, kind: 'verdict', ...verdict }));
  }
  return lines;
}

const leaky: Service = { native: (i) => 5 + 0.4 * i };

test('exit codes: found 1, clear 0, inconclusive 3, bad input 2', async (t) => {
  const directory = mkdtempSync(join(t.testdir(), 'check-'));
  const write = (name: string, lines: readonly string[]) => {
    const path = join(directory, name);
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
    return path;
  };
  const found = await check(write('found', linesOf(leaky, 120)));
  t.equal(found.code, 1);
  t.match(found.stdout, /FOUND native: Native memory .* grows by 144\.\d MiB\/h/);
  t.match(found.stdout.trimEnd().split('\n').at(-1), /^Next: /);
  const clear = await check(write('clear', linesOf({}, 120)));
  t.equal(clear.code, 0, clear.stdout);
  const short = await check(write('short', linesOf(leaky, 50)));
  t.equal(short.code, 3);
  t.match(short.stdout, /INCONCLUSIVE: .* 38 of the 51 samples/);
  const stopped = await check(write('stopped', linesOf({ native: (i) => 5 + 0.4 * Math.min(i, 120) }, 400)));
  t.equal(stopped.code, 0, 'growth that ended is told, and not held against the program');
  t.match(stopped.stdout, /native found:/);
  for (const [args, why] of [
    [[join(directory, 'missing')], /Expected a readable recording/],
    [[write('empty', [])], /Expected sample lines/],
    [[write('foreign', ['{"level":30}', 'text'])], /received 2 other lines/],
    [[], /Expected one recording, received nothing/],
  ] as const) {
    const ended = await check(...args);
    t.equal(ended.code, 2);
    t.match(ended.stderr, why);
  }
});

test('how many samples a judgement needs follows from the options in force', async (t) => {
  const write = (lines: readonly string[]) => {
    const path = join(t.testdir(), 'recording');
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
    return path;
  };
  const lastLine = async (lines: readonly string[]) => (await check(write(lines))).stdout.trimEnd().split('\n').at(-1);
  const options = [
    usualOptions,
    { window: 40, confirmations: 2 },
    { window: 30, confirmations: 1 },
    { window: 1000, confirmations: 4 },
  ];
  const needs: number[] = [];
  for (const each of options) {
    const { at } = feed(new Judge(each), leaky, 0, 600).find(({ verdict }) => verdict.state === 'found') as Said;
    needs.push(at);
    const oneShort = linesOf(leaky, at - 1, 1, each);
    t.equal(await lastLine(oneShort), `Next: record for longer; a judgement needs ${at} samples.`);
    t.equal((await check(write(linesOf(leaky, at, 1, each)))).code, 1, `and ${at} are enough`);
  }
  const [usual, smaller] = needs;
  t.equal(usual, 93);
  const two = [...linesOf(leaky, 20, 7), ...linesOf(leaky, 20, 8, options[1]), ...linesOf(leaky, 20, 9)];
  t.equal(
    await lastLine(two),
    `Next: record for longer; samples that a judgement needs: ${usual} of pid 7 and 9, ${smaller} of pid 8.`,
  );
  // Long enough, and still open: not for want of samples.
  const busier = { native: (i: number) => 20 + 0.4 * i, requests: (i: number) => 1000 + 30 * i };
  const open = await check(write(linesOf(busier, 140)));
  t.equal(open.code, 3, open.stdout);
  t.match(open.stdout, /INCONCLUSIVE: .* so does the load/);
  t.equal(open.stdout.trimEnd().split('\n').at(-1), 'Next: do what stands behind INCONCLUSIVE, and record for longer.');
});

test('rotated, cut off, interleaved, mixed with other output', async (t) => {
  const one = linesOf(leaky, 120, 1);
  const two = linesOf({}, 100, 2);
  const mixed = one.flatMap((line, i) => [line, ...(two[i] === undefined ? [] : [two[i]]), 'GET / 200']);
  const path = join(t.testdir(), 'mixed.ndjson');
  // The first lines went with an older file; the last one is cut off.
  writeFileSync(path, `${mixed.slice(10).join('\n')}\n${(one.at(-1) ?? '').slice(0, 70)}`);
  const ended = await check(path, '--json');
  const checked = JSON.parse(ended.stdout) as Checked;
  t.equal(ended.code, 1);
  t.equal(checked.exitCode, 1);
  t.strictSame(
    checked.processes
      .map(({ pid, verdicts }) => [pid, verdicts.find(({ id }) => id === 'native')?.state] as const)
      .sort(([a], [b]) => a - b),
    [
      [1, 'found'],
      [2, 'clear'],
    ],
  );
  t.ok(checked.otherLines > 100);
});

const harmful = '\u001b]0;owned\u0007\u001b[31m\u202e';
const obeyed = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

test('text of a recording reaches the terminal as text', async (t) => {
  const path = join(t.testdir(), 'recording');
  const heapSites = (i: number) => [
    {
      site: `${harmful}leak (app.js:1:2)`,
      heap: 'native',
      liveBytes: i * 400_000,
      errorBytes: 0,
      count: i,
      frames: [],
      module: `${harmful}pkg`,
    },
  ];
  const lines = linesOf(leaky, 120).map((line, i) => {
    const parsed = JSON.parse(line);
    if (parsed.extmem.kind === 'sample') parsed.extmem.sites = heapSites(i);
    return JSON.stringify({ ...parsed, msg: harmful });
  });
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  for (const args of [['check'], ['check', '--json'], ['top']]) {
    const [command = '', ...flags] = args;
    const ended = await run(process.execPath, [main, command, path, ...flags]);
    t.ok(ended.stdout.length > 100);
    t.notMatch(ended.stdout + ended.stderr, obeyed, args.join(' '));
    if (flags.length === 0) t.match(ended.stdout, '\\u001b]0;owned\\u0007', 'shown, not left out');
  }
  const missing = await check(join(t.testdir(), harmful));
  t.equal(missing.code, 2);
  t.notMatch(missing.stderr, obeyed, 'a file name in an error');
});

test('a line that cannot be is counted, and never makes growth clear', async (t) => {
  const path = join(t.testdir(), 'recording');
  const judged = async (lines: readonly string[]) => {
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
    return check(path);
  };
  const withTime = (lines: string[], at: number, time: number) =>
    lines.map((line, i) => (i === at ? JSON.stringify({ ...JSON.parse(line), time }) : line));
  for (const at of [20, 60, 110]) {
    const ended = await judged(withTime(linesOf(leaky, 240), at, 1e300));
    t.equal(ended.code, 1, `line ${at}`);
    t.match(ended.stdout, /^1 lines had a time that cannot be\.$/m);
  }
  t.equal((await judged(withTime(linesOf({}, 120), 60, 1e300))).code, 3, 'clear, but for what was left out');
  const farAway = await judged(withTime(linesOf(leaky, 240), 60, startMs + 100 * 24 * 3_600_000));
  t.equal(farAway.code, 1, 'a time that can be, and is not of this clock: what follows is judged afresh');
});

test('a file of any number of processes is judged in bounded memory, and what was not judged is said', async (t) => {
  const path = join(t.testdir(), 'recording');
  const sample = linesOf({}, 1)[1] ?? '';
  const lines: string[] = [];
  for (let round = 0; round < 2; round++) {
    for (let pid = 1; pid <= 10_000; pid++) lines.push(sample.replace('"pid":1,', `"pid":${pid},`));
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  const told = join(dirname(path), 'peak.cjs');
  writeFileSync(told, `process.on('exit', () => console.error('peak', process.resourceUsage().maxRSS));`);
  const ended = await run(process.execPath, ['--require', told, main, 'check', path]);
  // A judge for each takes more.
  const peakKiB = Number(/peak (\d+)/.exec(ended.stderr)?.[1]);
  t.ok(peakKiB < 250 * 1024, `${peakKiB} KiB`);
  t.equal(ended.code, 3, ended.stderr);
  t.match(ended.stdout, /^Too many processes in one file: \d+ samples were not judged, first of pid /m);

  writeFileSync(path, `${[...linesOf(leaky, 120, 5000), ...lines].join('\n')}\n`);
  t.equal((await check(path)).code, 1, 'and growth that was found stays found');
});

for (const node of nodes) {
  test(`Node ${node.major}: a session's own recording is judged as it was live`, async (t) => {
    const path = join(t.testdir(), 'recording.ndjson');
    const source = `
      const { start } = require(${JSON.stringify(root)});
      const session = start({ interval: 15, destination: process.argv[1] });
      const said = [];
      const kept = [];
      session.on('verdict', ({ id, state }) => said.push(id + ':' + state));
      setInterval(() => kept.push(Buffer.alloc(200_000, 1)), 15);
      let samples = 0;
      session.on('sample', () => {
        if (++samples < 150) return;
        const verdicts = session.verdicts().map(({ id, state, sentence }) => ({ id, state, sentence }));
        session.stop();
        process.stdout.write(JSON.stringify({ said, verdicts }) + '\\n', () => process.exit());
      });`;
    const live = await runForJson<{ said: string[]; verdicts: { id: string }[] }>(node, ['-e', source, path]);
    const ended = await check(path, '--json');
    const [replayed] = (JSON.parse(ended.stdout) as Checked).processes;
    t.equal(replayed?.samples, 150);
    t.strictSame(replayed?.said, live.said, 'the lines are what the events were');
    t.equal(replayed?.agreesWithLines, true);
    t.match(replayed?.verdicts, live.verdicts, 'every sentence, to the letter');
  });
}

test('every id has its section in docs/verdicts.md, which every verdict links to', async (t) => {
  const page = readFileSync(join(root, 'docs', 'verdicts.md'), 'utf8');
  for (const id of verdictIds) t.match(page, new RegExp(`^### ${id}$`, 'm'));
  for (const verdict of new Judge(usualOptions).verdicts()) {
    t.equal(verdict.docs, `docs/verdicts.md#${verdict.id}`);
  }
});
