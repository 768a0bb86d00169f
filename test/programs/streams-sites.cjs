// Generated code: three times more lines that create streams than there is room for, each of which ends its stream; then
// one that forgets its streams. Prints what the session says of them.
'use strict';
const { join } = require('node:path');
const { PassThrough } = require('node:stream');
const vm = require('node:vm');
const { start } = require(join(__dirname, '..', '..', 'dist', 'index.js'));

const session = start({ destination: 'none', interval: '100ms', sampleBytes: 0 });
const compile = (name) =>
  vm.runInThisContext('(function line(Class) { return new Class() })', { filename: `/generated/${name}.js` });
// Each class is tracked in full at first, and on its own.
const declare = vm.runInThisContext('((Base) => class Generated extends Base {})', {
  filename: '/generated/node_modules/streams/index.js',
});
const classes = Array.from({ length: 100 }, () => declare(PassThrough));
const kept = [];
let line = 0;

const timer = setInterval(() => {
  for (let i = 0; i < 100 && line < 3000; i++, line++) compile(`line${line}`)(classes[line % classes.length]).destroy();
  if (line < 3000) return;
  clearInterval(timer);
  const forget = compile('last');
  for (let i = 0; i < 20; i++) kept.push(forget(classes[i]));
  // A look finds them idle after three intervals.
  setTimeout(() => {
    const { created, overflowed, sites } = session.streams();
    const last = sites.filter(({ site }) => site.includes('last.js'));
    const open = last.reduce((sum, row) => sum + row.open, 0);
    const counted = sites.reduce((sum, row) => sum + row.created, 0);
    process.stdout.write(`${JSON.stringify({ created, counted, overflowed, rows: sites.length, open })}\n`, () =>
      process.exit(0),
    );
  }, 1500);
}, 110);
