// Puts a table into docs/verdicts.md, between the comments `<!-- NAME -->` and `<!-- /NAME -->`.
import { readFileSync, writeFileSync } from 'node:fs';

const page = new URL('../docs/verdicts.md', import.meta.url);

export function replaceTable(name, lines) {
  const text = readFileSync(page, 'utf8');
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = text.indexOf(open) + open.length;
  const to = text.indexOf(close);
  if (from < open.length || to < from) throw new Error(`Expected ${open.trim()} and ${close} in docs/verdicts.md.`);
  writeFileSync(page, `${text.slice(0, from)}${lines.join('\n')}\n${text.slice(to)}`);
}
