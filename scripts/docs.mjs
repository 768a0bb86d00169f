// Writes the generated parts of docs/ from the tables in the code. `--check` writes nothing and fails when one is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { optionTable } = require('../dist/options.js');
const { metrics } = require('../dist/metrics.js');

const code = (text) => `\`${text}\``;
const table = (head, rows) =>
  [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---|').join('')}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');

const pages = {
  'docs/options.md': `# Options

Generated from the table in lib/options.ts by \`npm run docs\`. An argument of \`start()\` wins over the variable, the
variable over the default. \`extmem run\` takes each option as a flag: \`--sample-bytes 1MiB\`. Sizes in KiB, MiB and GiB are
powers of 2, in kB, MB and GB of 10.

${table(
  ['option', 'variable', 'default', 'expected', 'meaning'],
  optionTable.map((row) => [
    code(row.name),
    code(row.env),
    row.fallback === null ? 'none' : code(row.fallback),
    row.expected,
    row.sentence,
  ]),
)}
`,
  'docs/metrics.md': `# Metrics

Generated from the table in lib/metrics.ts by \`npm run docs\`. Paths are below \`extmem\` of a \`sample\` line. The unit is
the suffix of the name; \`null\` means unknown and is never written as 0. A *gauge* is as of now, a *counter* since the
start, a *delta* since the previous sample.

${table(
  ['metric', 'kind', 'meaning'],
  metrics.map((metric) => [code(metric.path), metric.kind, metric.sentence]),
)}
`,
};

const check = process.argv.includes('--check');
for (const [file, text] of Object.entries(pages)) {
  if (!check) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`Expected ${file} to match the tables in lib/, received an older text; run \`npm run docs\`.`);
    process.exitCode = 1;
  }
}
