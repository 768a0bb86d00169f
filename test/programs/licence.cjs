// A program whose session says when all of JavaScript is shown: prints that capability of the start line, and of each
// sample that tells it anew, as a JSON array; ends when it is `true`.
//   node licence.cjs [busy]
'use strict';
const { start } = require('../../dist/index.js');

const told = [];
start({
  interval: '50ms',
  destination(line) {
    const { kind, capabilities } = JSON.parse(line).extmem;
    if (capabilities?.javascriptStacks !== undefined) told.push(capabilities.javascriptStacks);
    if (kind !== 'sample' || told.at(-1) !== true) return;
    process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit(0));
  },
});
// Something has to keep the program: nothing of the session does.
const work = process.argv[2] === 'busy' ? () => JSON.stringify(Array.from({ length: 20_000 }, String)) : () => {};
setInterval(work, 10);
