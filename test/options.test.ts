import { test } from 'tap';
import { ExtmemError } from '../lib/errors.js';
import { nearest, optionTable, resolveOptions } from '../lib/options.js';

const noEnv = {};

test('without arguments and variables, the defaults are in force', async (t) => {
  const { options, problems } = resolveOptions(undefined, noEnv);
  t.same(problems, []);
  t.same(options, {
    enabled: true,
    intervalMs: 10_000,
    destination: 'stderr',
    sampleBytes: 524_288,
    stackDepth: 64,
    streams: true,
    window: 120,
    confirmations: 3,
    memoryLimitBytes: null,
    signal: null,
    reportDir: null,
  });
});

test('an argument wins over a variable, a variable over the default', async (t) => {
  const env = { EXTMEM_INTERVAL: '2s', EXTMEM_WINDOW: '60' };
  const { options } = resolveOptions({ interval: '500ms' }, env);
  t.equal(options.intervalMs, 500);
  t.equal(options.window, 60);
});

test('units', async (t) => {
  const interval = (value: number | string) => resolveOptions({ interval: value }, noEnv).options.intervalMs;
  t.equal(interval(250), 250);
  t.equal(interval('1m'), 60_000);
  t.equal(interval('1.5s'), 1500);
  const limit = (value: number | string) => resolveOptions({ memoryLimit: value }, noEnv).options.memoryLimitBytes;
  t.equal(limit('512MiB'), 536_870_912);
  t.equal(limit('1GB'), 1e9);
  t.equal(limit(4096), 4096);
  t.equal(resolveOptions({}, { EXTMEM_DEST: '3' }).options.destination, 3, 'digits in a variable are a descriptor');
});

test('every option refuses a value that it cannot mean, by name, and says what it expects', async (t) => {
  const bad: Record<string, unknown[]> = {
    enabled: ['yes', 2, null],
    interval: [0, -1, '10 parsecs', Number.NaN, '', true, {}, '25h', Number.POSITIVE_INFINITY, '1e3s'],
    destination: ['', -1, 1.5, {}, null, true],
    sampleBytes: [-1, '512XiB', Number.NaN, []],
    stackDepth: [0, 129, 1.5, '12.5'],
    streams: ['maybe'],
    window: [29, 1001, 'constructor'],
    confirmations: [0, 21],
    memoryLimit: [0, '12', 'max'],
    signal: ['SIGKILL', 'USR2', 9, '__proto__'],
    reportDir: ['', 7],
  };
  t.same(Object.keys(bad).sort(), optionTable.map((row) => row.name).sort());
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const row = optionTable.find((candidate) => candidate.name === name);
      t.throws(() => resolveOptions({ [name]: value }, noEnv), {
        code: 'ERR_EXTMEM_OPTION_INVALID',
        message: new RegExp(`Expected option '${name}' to be .*, received `),
      });
      t.type(row?.expected, 'string');
    }
  }
});

test('an unknown option names the nearest one', async (t) => {
  t.throws(() => resolveOptions({ intervall: 5 } as object, noEnv), {
    code: 'ERR_EXTMEM_OPTION_UNKNOWN',
    message: /received "intervall"; did you mean "interval"\?/,
  });
  t.throws(() => resolveOptions([] as object, noEnv), { code: 'ERR_EXTMEM_OPTION_INVALID' });
  t.equal(nearest('reportdir', ['interval', 'reportDir']), 'reportDir');
});

test('a malformed variable is a problem, not an exception, and the default holds', async (t) => {
  const { options, problems } = resolveOptions(
    {},
    { EXTMEM_INTERVAL: 'soon', EXTMEM_INTERVALL: '1s', EXTMEM_DEST: '' },
  );
  t.equal(options.intervalMs, 10_000);
  t.equal(options.destination, 'stderr');
  t.same(
    problems.map((problem) => problem.code),
    ['ERR_EXTMEM_OPTION_INVALID', 'ERR_EXTMEM_OPTION_UNKNOWN'],
  );
  t.ok(problems.every((problem) => problem instanceof ExtmemError));
});
