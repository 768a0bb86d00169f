// Lines in one script of MB megabytes, against what V8 says of the same calls; prints one JSON line:
//   { atOnce, wrong, rounds, known, places }: lines known right after their first capture, lines that ever differed,
//   further captures until the lines of all first stacks were known (null: never), lines known when captured anew.
//   node big-source.cjs MB ascii|wide|line|crlf
'use strict';
const vm = require('node:vm');
const binding = require(process.env.EXTMEM_PREBUILD ?? '../../build/Release/extmem.node');

const [mb, shape] = [Number(process.argv[2]), process.argv[3]];
const places = 24;
const maxRounds = 2000;

// `look` of all places calls capture at a line and a column of its own.
function sourceOf() {
  const end = shape === 'line' ? ' ' : shape === 'crlf' ? '\r\n' : '\n';
  const filler = `/*${(shape === 'wide' ? '日' : 'x').repeat(70)}*/${end}`;
  const parts = [`[${end}`];
  const each = Math.ceil((mb * 2 ** 20) / (places * filler.length));
  for (let i = 0; i < places; i++) {
    parts.push(filler.repeat(each));
    if (shape === 'wide') parts.push('"\u2028\u2029",');
    parts.push(`${' '.repeat(i)}function look${i}(capture) {${end} return capture() },${end}`);
  }
  parts.push(']');
  return parts.join('');
}

const file = `/big/${shape}.js`;
const looks = vm.runInThisContext(sourceOf(), { filename: file }).filter((look) => typeof look === 'function');

function sites() {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_error, callSites) => callSites;
  const { stack } = new Error();
  Error.prepareStackTrace = before;
  return stack;
}

function textOf(stack) {
  for (const id of binding.profileStack(stack)) {
    const frame = binding.profileFrame(id);
    if (frame.script === file) return frame.line === 0 ? null : `${frame.name}:${frame.line}:${frame.column}`;
  }
  return 'no frame of the script';
}

binding.profileRegister();
binding.profileLevel(2);
// The ones at the end come first, so that lines before and behind what is counted are asked for.
const order = looks.toReversed();
const first = [];
const atOnce = [];
for (const look of order) {
  first.push(look(() => binding.profileCapture()));
  atOnce.push(textOf(first.at(-1)));
}
let rounds = 0;
let now = first.map(textOf);
const seen = new Set();
while (now.includes(null) && rounds < maxRounds) {
  rounds++;
  // One place alone is met; what is awaited elsewhere in its script gets known all the same.
  order[0](() => binding.profileCapture());
  now = first.map(textOf);
  for (const [i, text] of now.entries()) if (text !== null) seen.add(`${i} ${text}`);
}
const known = order.map((look) => textOf(look(() => binding.profileCapture())));
const truth = order.map((look) => {
  const site = look(sites).find((one) => one.getFileName() === file);
  return `${site.getFunctionName()}:${site.getLineNumber()}:${site.getColumnNumber()}`;
});
const allowed = new Set(truth.map((text, i) => `${i} ${text}`));
const wrong = [...seen].filter((text) => !allowed.has(text));
for (const [i, text] of [...atOnce.entries(), ...known.entries()]) {
  if (text !== null && text !== truth[i]) wrong.push(`${i} ${text}, V8 ${truth[i]}`);
}
console.log(
  JSON.stringify({
    atOnce: atOnce.filter((text) => text !== null).length,
    wrong: wrong.slice(0, 5),
    rounds: now.includes(null) ? null : rounds,
    known: known.filter((text) => text !== null).length,
    places,
  }),
);
