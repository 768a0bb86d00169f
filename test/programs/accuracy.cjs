// Compares decoded stacks with those of Error at the same places, over many kinds of frames, cold and hot; prints one
// JSON line: { frames, names, lines, columns, wrong }. Tiers are chosen by V8 flags of the caller.
//   node [flags] accuracy.cjs [WARM]
'use strict';
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const path = require('node:path');
const vm = require('node:vm');
const binding = require(process.env.EXTMEM_PREBUILD ?? '../../build/Release/extmem.node');

const warm = Number((isMainThread ? process.argv[2] : process.env.WARM) ?? 0);
const counts = { frames: 0, names: 0, lines: 0, columns: 0, wrong: [] };
Error.stackTraceLimit = 100;

function sites() {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_error, callSites) => callSites;
  const { stack } = new Error();
  Error.prepareStackTrace = before;
  return stack.slice(1);
}

function check(scenario, [id, callSites]) {
  const ours = [...binding.profileStack(id)]
    .map((frame) => binding.profileFrame(frame))
    .filter(({ kind }) => kind !== 'native' && kind !== 'builtin');
  // Frames of builtins have no script; awaiting callers are not on the stack. A sample keeps 128 frames.
  const theirs = callSites.filter(
    (site) => !site.isAsync() && (site.getFileName() ?? site.getEvalOrigin()) != null && !site.isNative(),
  );
  for (let i = 0; i < theirs.length || i < ours.length; i++) {
    const our = ours[i];
    const their = theirs[i];
    counts.frames++;
    const name = their?.getFunctionName() ?? '';
    // V8 says `eval` for the top level of evaluated code, which has no name of its own. A method whose key is a symbol
    // gets its name when the class is made, on the function object, not on what is compiled: it is shown without.
    const nameless = our?.name === '' && (name === 'eval' || /^\[.*\]$/.test(name));
    const sameName = our !== undefined && their !== undefined && (our.name === name || nameless);
    const sameLine = our?.line === their?.getLineNumber();
    // The innermost frame calls two functions on one line.
    const sameColumn = i === 0 || our?.column === their?.getColumnNumber();
    counts.names += sameName;
    counts.lines += sameLine;
    counts.columns += sameColumn;
    if (!(sameName && sameLine && sameColumn) && counts.wrong.length < 12) {
      counts.wrong.push(
        `${scenario} #${i}: ours ${our?.name}@${our?.line}:${our?.column} ${path.basename(our?.script ?? '')}, V8 ${name}@${their?.getLineNumber()}:${their?.getColumnNumber()} ${their?.getFileName()}`,
      );
    }
  }
}

let sink = 0;
function leaf(really) {
  if (really) return [binding.profileCapture(), sites()];
  sink++;
  return null;
}
function statement(really) {
  const found = [];
  helper(really, found);
  sink += found.length;
  return found[0];
}
function helper(really, found) {
  found.push(leaf(really));
  sink--;
}
function middle(really, k) {
  let result = null;
  if (k > 2) {
    result = leaf(really);
  } else {
    result = leaf(really);
  }
  return result;
}
class Box {
  #secret = 2;
  static made = 0;
  static {
    Box.first = leaf(false);
  }
  field = sink;
  constructor(value) {
    this.value = value;
  }
  run(really, k) {
    const q = this.value + k + this.#secret;
    return middle(really, q);
  }
  get got() {
    return leaf(this.really);
  }
  set put(value) {
    this.kept = leaf(value);
  }
  static of(really) {
    return new Box(1).run(really, 1);
  }
  #hidden(really) {
    return middle(really, 9);
  }
  reveal(really) {
    return this.#hidden(really);
  }
}
class Late extends Box {
  held = leaf(Late.really);
  constructor(value) {
    super(value);
    this.again = 1;
  }
}
const box = new Box(1);
function outer(really, k) {
  const x = k | 0;
  return box.run(really, x);
}
const scenarios = {
  statement,
  inlined: (really) => outer(really, 3),
  map: (really) =>
    [1].map(function inMap() {
      return outer(really, 1);
    })[0],
  forEach(really) {
    let found = null;
    [1, 2].forEach((item) => {
      if (item === 2) found = leaf(really);
    });
    return found;
  },
  sort(really) {
    let found = null;
    [2, 1].sort((a, b) => {
      found ??= leaf(really);
      return a - b;
    });
    return found;
  },
  reduce: (really) => [1, 2].reduce((last, item) => last ?? (item > 1 ? leaf(really) : null), null),
  getter(really) {
    box.really = really;
    return box.got;
  },
  setter(really) {
    box.put = really;
    return box.kept;
  },
  method: (really) => Box.of(really),
  hidden: (really) => box.reveal(really),
  construct(really) {
    Late.really = really;
    return new Late(1).held;
  },
  generator(really) {
    function* steps() {
      yield 1;
      yield outer(really, 3);
    }
    return [...steps()][1];
  },
  tagged: (really) => ((strings, value) => value(strings))`a${() => leaf(really)}`,
  bound: (really) => leaf.bind(null, really)(),
  apply: (really) => Reflect.apply(outer, null, [really, 5]),
  proxy: (really) => new Proxy({}, { get: () => leaf(really) }).any,
  replace(really) {
    let found = null;
    'abc'.replace(/b/, () => {
      found = leaf(really);
      return '';
    });
    return found;
  },
  json(really) {
    let found = null;
    JSON.stringify({
      toJSON() {
        found = leaf(really);
        return 1;
      },
    });
    return found;
  },
  staticBlock(really) {
    // biome-ignore lint/complexity/noStaticOnlyClass: static blocks are what is compared
    class Once {
      static {
        Once.found = leaf(really);
      }
      static kept = 1;
    }
    return Once.found;
  },
  // biome-ignore lint/security/noGlobalEval: its frames are what is compared
  // biome-ignore lint/correctness/noUnusedFunctionParameters: used by the evaluated text
  evaluated: (really) => eval('(() => {\n  return leaf(really);\n})()'),
  constructed: (really) => new Function('leaf', 'really', 'return [1].map(() =>\n leaf(really))[0]')(leaf, really),
  script: (really) =>
    vm.runInThisContext('(function inScript(leaf, really) {\n\n  return leaf(really);\n})', {
      filename: '/virtual/script.js',
      lineOffset: 10,
      columnOffset: 4,
    })(leaf, really),
  context: (really) => vm.runInNewContext('(function inContext(leaf, really) { return leaf(really); })')(leaf, really),
  wide: new Function(
    'leaf',
    `return function wide(really) { let a = 0;\n${Array.from({ length: 400 }, (_, i) => `a += ${i}.5; const v${i} = a;`).join('\n')}\n return leaf(really); }`,
  )(leaf),
  locals: new Function(
    'leaf',
    `return function locals(really) { ${Array.from({ length: 90 }, (_, i) => `const v${i} = ${i};`).join('')}\n const all = () => [${Array.from({ length: 90 }, (_, i) => `v${i}`)}];\n sinkAll = all; return leaf(really); }; var sinkAll;`,
  )(leaf),
  unicode: (really) =>
    new Function(
      'leaf',
      'really',
      '// \u4e2d\u6587 \u2028\r\n const \u00fcber = () =>\r leaf(really);\n return \u00fcber()',
    )(leaf, really),
  caught(really) {
    try {
      throw new Error('thrown');
    } catch {
      return outer(really, 4);
    } finally {
      sink++;
    }
  },
};

// Code that is given up while its calls run: their return addresses are bent to where it is left.
const shape = {
  value() {
    return 1;
  },
};
const giveUp = [
  (really) => {
    if (really) shape.value = () => 2;
    return leaf(really);
  },
  // A second target, so that neither is inlined.
  (really) => leaf(really),
];
function givenUp(really, k) {
  const found = giveUp[k](really);
  sink += shape.value();
  return found;
}
scenarios.givenUp = (really) => givenUp(really, really ? 0 : sink & 1);

// A loop that is replaced by optimised code while it runs.
function replaced(times) {
  let found = null;
  for (let i = 0; i < times; i++) {
    const last = i === times - 1;
    found = outer(last, i);
  }
  return found;
}

async function later(really) {
  await null;
  return outer(really, 5);
}
async function* stream(really) {
  await null;
  yield outer(really, 2);
}

async function main() {
  const missing = binding.profileRegister();
  if (missing !== null) throw new Error(missing);
  binding.profileLevel(2);
  for (let i = 0; i < warm; i++) {
    for (const [name, scenario] of Object.entries(scenarios)) {
      // Compiling anew each time makes garbage, not heat.
      if (i < 200 || !['constructed', 'script', 'context', 'unicode', 'evaluated', 'json'].includes(name))
        scenario(false);
    }
    if (i % 100 === 0) await later(false);
  }
  for (const [name, scenario] of Object.entries(scenarios)) check(name, scenario(true));
  check('replaced', replaced(Math.max(10, warm * 10)));
  check('async', await later(true));
  for await (const found of stream(true)) check('async generator', found);
  await new Promise((resolve) => setTimeout(() => resolve(check('timer', leaf(true))), 1));
  await new Promise((resolve) => process.nextTick(() => resolve(check('tick', leaf(true)))));
  const module = await import('./accuracy-module.mjs');
  check('module', module.inModule(leaf));
  const compiled = require('./accuracy-compiled.cjs');
  check('compiled', compiled.run(leaf));
  if (isMainThread) {
    const worker = new Worker(__filename, { env: { ...process.env, WARM: String(Math.min(warm, 2000)) } });
    const [message] = await require('node:events').once(worker, 'message');
    for (const key of ['frames', 'names', 'lines', 'columns']) counts[key] += message[key];
    counts.wrong.push(...message.wrong.map((text) => `worker: ${text}`));
    console.log(JSON.stringify(counts));
  } else parentPort.postMessage(counts);
}
main();
