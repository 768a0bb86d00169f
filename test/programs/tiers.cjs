// What is shown of code of each tier before and after the self-test, which may be told something wrong of one of them.
// Prints { capability, shown: { [tier]: { before, after } } }, where that is `right`, `name` without a line, `hidden`
// or `wrong`.
//   node [flags] tiers.cjs                     the tiers come before the test
//   node [flags] tiers.cjs later               they come when it has begun: before it has seen the optimising ones
//   node [flags] tiers.cjs names|lines TIER    what is decoded of this tier is wrong
'use strict';
const binding = require(process.env.EXTMEM_PREBUILD ?? '../../build/Release/extmem.node');
const { StackTest } = require('../../dist/profile/selftest.js');

const [mode, brokenTier] = process.argv.slice(2);
const tierOf = (bit) => Object.keys(binding.tiers).find((name) => binding.tiers[name] === bit);
const idle = [() => 1, () => 2, () => 3, () => 4, () => 5];
let look = idle[0];

// Each call on a line of its own, in what is compiled alone and in what is inlined.
function inner() {
  const one = 1;
  return look() + one;
}
function hot(k) {
  return inner() * k;
}

function sites() {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_error, callSites) => callSites;
  const { stack } = new Error();
  Error.prepareStackTrace = before;
  return stack.filter((site) => ['inner', 'hot'].includes(site.getFunctionName()));
}

/** The tier that `inner` runs in, and a stack with it. */
function seen() {
  let found = null;
  look = () => {
    const stack = binding.profileCapture();
    const frames = [...binding.profileTest()].map((id) => binding.profileFrame(id));
    const tier = tierOf(frames.find(({ kind, name }) => kind === 'javascript' && name === 'inner').tier);
    found = { tier, stack, truth: sites().map((site) => `${site.getFunctionName()}:${site.getLineNumber()}`) };
    return 0;
  };
  hot(2);
  return found;
}

/** One stack of each tier that the functions come to. */
function climb() {
  const stacks = new Map();
  for (let i = 0; i < 20_000 && !stacks.has('turbofan'); i++) {
    const found = seen();
    if (!stacks.has(found.tier)) stacks.set(found.tier, found);
    for (let k = 0; k < 20; k++) {
      look = idle[k % 5];
      hot(k);
    }
  }
  return [...stacks.values()];
}

function shown({ stack, truth }) {
  const frames = [...binding.profileStack(stack)]
    .map((id) => binding.profileFrame(id))
    .filter(({ script }) => script === __filename);
  const our = frames.find(({ kind, name }) => kind === 'javascript' && name === 'inner');
  if (our === undefined) return frames.some(({ kind }) => kind === 'unreadable') ? 'hidden' : 'wrong';
  if (our.line === 0) return 'name';
  return `${our.name}:${our.line}` === truth[0] ? 'right' : 'wrong';
}

const broken = {
  names: (frame) => ({ ...frame, name: 'another' }),
  lines: (frame) => ({ ...frame, line: frame.line + 1 }),
};
const told = Object.create(binding, {
  profileFrame: {
    value(id) {
      const frame = binding.profileFrame(id);
      return frame !== null && brokenTier !== undefined && tierOf(frame.tier) === brokenTier
        ? broken[mode](frame)
        : frame;
    },
  },
});

binding.profileRegister();
const test = new StackTest(told);
const testing = test.run();
if (mode === 'later') testing.next();
const stacks = climb();
const before = stacks.map(shown);
// In pieces, as a session does: V8 compiles on threads that need time of their own.
const piecewise = setInterval(() => {
  if (!testing.next().done) return;
  clearInterval(piecewise);
  const result = {};
  for (const [i, found] of stacks.entries()) result[found.tier] = { before: before[i], after: shown(found) };
  console.log(JSON.stringify({ capability: test.capability(), shown: result }));
}, 10);
