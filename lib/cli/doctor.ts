/** `extmem doctor`: its report as a table. */

import { type DoctorReport, doctor } from '../doctor.js';
import { ExtmemError } from '../errors.js';
import { formatBytes, formatPercent, printable } from '../text.js';
import { paint, wantsColor } from './color.js';
import type { Command } from './command.js';
import { print } from './print.js';

const nameWidth = 18;

/** Wraps a sentence under a hanging indent, at words. */
function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
}

/** @param width columns of the terminal. */
function formatReport(report: DoctorReport, color: boolean, width: number): string {
  const textWidth = Math.max(40, width - nameWidth - 5);
  const indent = ' '.repeat(nameWidth + 5);
  const fact = (name: string, text: string) => `  ${name.padEnd(nameWidth)}   ${wrap(text, textWidth, indent)}`;
  const { versions, limit } = report;
  const limitText = limit.bytes === null ? 'unknown' : formatBytes(limit.bytes);
  const used = limit.usedRatio === null ? '' : `, ${formatPercent(limit.usedRatio)} of it in use`;
  const capabilities = Object.entries(report.capabilities).map(([name, state]) =>
    state === true
      ? `  ${paint('green', '✓', color)} ${name}`
      : `  ${paint('yellow', '✗', color)} ${name.padEnd(nameWidth)} ${wrap(state, textWidth, indent)}`,
  );
  const advice = report.advice.map(({ topic, sentence }) => fact(topic, sentence));
  return [
    paint('bold', 'Here', color),
    fact('extmem', versions.extmem),
    fact('node', `${versions.node} (V8 ${versions.v8}), ${report.platform}, glibc ${versions.glibc ?? 'unknown'}`),
    fact('addon', report.addon ?? 'not loaded'),
    fact('allocator', report.allocator),
    fact('heap limit', formatBytes(report.heapLimitBytes)),
    fact('memory limit', `${limitText} (${limit.source}${used})`),
    '',
    paint('bold', 'What works', color),
    ...capabilities,
    '',
    paint('bold', 'Advice', color),
    ...(advice.length > 0 ? advice : ['  none: nothing in this configuration calls for a change']),
    '',
    'Next: extmem run --destination leak.ndjson app.js',
  ].join('\n');
}

async function run(args: readonly string[]): Promise<number> {
  const unknown = args.find((argument) => argument !== '--json');
  if (unknown !== undefined) {
    throw new ExtmemError('ERR_EXTMEM_USAGE', `Expected no argument or --json, received ${JSON.stringify(unknown)}.`);
  }
  const report = doctor();
  print(
    args.includes('--json')
      ? JSON.stringify(report, null, 2)
      : formatReport(report, wantsColor(process.stdout), process.stdout.columns ?? 100),
  );
  return 0;
}

export const doctorCommand: Command = {
  name: 'doctor',
  usage: 'extmem doctor [--json]',
  sentence: 'Tells what works here, why the rest does not, and what to configure.',
  details: 'Run it in the environment of the service: same container, same variables, same node.',
  run,
};
