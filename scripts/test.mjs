// Runs tap and ends with the one line that CI counts, from tap's own output: `N passed, N failed, N skipped`.
// Arguments go to tap, e.g. `npm test -- test/limit.test.ts`.
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Parser } from 'tap-parser';

const directory = mkdtempSync(join(tmpdir(), 'extmem-tap-'));
const output = join(directory, 'output.tap');
const tap = spawnSync(
  process.execPath,
  [join('node_modules', '.bin', 'tap'), 'run', '--reporter=terse', `--output-file=${output}`, ...process.argv.slice(2)],
  { stdio: 'inherit' },
);

const failures = [];
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Counts leaves only: a test point that sums up a subtest would count its assertions again. */
function count(parser) {
  let children = 0;
  parser.on('child', (child) => {
    children++;
    count(child);
  });
  parser.on('assert', (assert) => {
    // Of tap's own report, a CI keeps only the end. A file that timed out is named by the point that sums it up.
    if (!assert.ok && !assert.skip)
      failures.push(`failed: ${assert.fullname.slice(0, 300)} (line ${assert.diag?.at?.lineNumber ?? '?'})`);
    if (children > 0) {
      children--;
      return;
    }
    if (assert.skip) {
      counts.skipped++;
      console.log(`skipped: ${assert.fullname}${typeof assert.skip === 'string' ? ` (${assert.skip})` : ''}`);
    } else if (assert.ok) counts.passed++;
    else counts.failed++;
  });
}

const parser = new Parser();
count(parser);
await new Promise((resolve, reject) => {
  parser.on('complete', resolve);
  createReadStream(output).on('error', reject).pipe(parser);
});
rmSync(directory, { recursive: true });

for (const failure of failures) console.log(failure);

const status = tap.status ?? 1;
// A file that crashed or timed out has no failing assertion of its own.
if (status !== 0 && counts.failed === 0) counts.failed = 1;
console.log(
  `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`,
);
process.exitCode = status;
