/** The C++ unit tests, each program under its sanitizers. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { root, run } from './plain.js';

t.test('C++ unit tests pass under ASan, UBSan and TSan', { timeout: 600_000 }, async (t) => {
  const ended = await run(process.execPath, [join(root, 'scripts', 'test-native.mjs')], {
    slowestMs: 590_000,
  });
  const lines = ended.stdout.split('\n').filter((line) => /^(not )?ok /.test(line));
  for (const line of lines) t.match(line, /^ok .*: \d+ passed, 0 failed$/);
  const programs = readdirSync(join(root, 'test', 'native')).filter((name) => name.endsWith('_test.cc'));
  t.equal(lines.length, programs.length + 5, 'all programs under ASan and UBSan, five of them under TSan');
  t.equal(ended.code, 0, ended.stdout + ended.stderr);
});
