// Several copies of the package in one isolate. Usage: node copies.cjs <what> <package> <another copy>
'use strict';
const { EventEmitter } = require('node:events');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');
const { Worker } = require('node:worker_threads');
const [, , what, root, other] = process.argv;
const options = { interval: '1h', destination: 'none' };

/** What a session wraps, and what stop() has to put back. */
const before = [EventEmitter.init, process.emitWarning, process.dlopen];
const isRestored = () => [EventEmitter.init, process.emitWarning, process.dlopen].every((f, i) => f === before[i]);

function cleared() {
  for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
  return require(root);
}

/** As jest loads modules: each file anew, in a context with globals of its own; Node's modules and addons are shared. */
function inContext() {
  const context = vm.createContext({
    process,
    performance,
    Buffer,
    setTimeout,
    setInterval,
    clearTimeout,
    clearInterval,
  });
  const modules = new Map();
  const load = (file) => {
    if (modules.has(file)) return modules.get(file).exports;
    const module = { exports: {} };
    modules.set(file, module);
    if (file.endsWith('.json')) module.exports = JSON.parse(readFileSync(file, 'utf8'));
    else {
      const local = createRequire(file);
      const requireIn = (id) => {
        const found = local.resolve(id);
        return path.isAbsolute(found) && !found.endsWith('.node') ? load(found) : local(id);
      };
      const wrapper = `(function (exports, require, module, __dirname) {${readFileSync(file, 'utf8')}\n})`;
      const run = new vm.Script(wrapper, { filename: file }).runInContext(context);
      run(module.exports, requireIn, module, path.dirname(file));
    }
    return module.exports;
  };
  return load(require.resolve(root));
}

const attempt = (run) => {
  try {
    return run();
  } catch (error) {
    return error.code ?? String(error);
  }
};

/** The second copy finds the session of the first, whatever comes between. */
function shares(makeSecond) {
  const first = require(root);
  const session = first.start(options);
  const second = makeSecond();
  const found = second.start();
  const { isolates } = session.sample();
  const withOptions = attempt(() => second.start(options));
  const lone = second.snapshot().isolates;
  found.stop();
  const restored = isRestored();
  const next = second.start(options);
  const isFoundBack = first.start() === next;
  next.stop();
  return {
    differs: second !== first,
    isSame: found === session,
    isolates,
    lone,
    withOptions,
    restored,
    isFoundBack,
    restoredAgain: isRestored(),
  };
}

/** Every order of four calls on two copies: never a second session, and nothing stays behind. */
function orders() {
  const copies = [require(root), require(other)];
  const failures = [];
  for (let order = 0; order < 4 ** 4; order++) {
    const sessions = new Set();
    const last = [null, null];
    let calls = '';
    for (let i = 0, rest = order; i < 4; i++, rest >>= 2) {
      const copy = rest & 1;
      const starts = (rest & 2) === 0;
      calls += `${starts ? 'start' : 'stop'} ${copy} `;
      if (!starts) {
        if (last[copy] !== null) sessions.delete(last[copy]);
        last[copy]?.stop();
        continue;
      }
      const session = copies[copy].start();
      last[copy] = session;
      sessions.add(session);
      // Sessions that the other copy stopped are gone.
      for (const each of sessions) if (attempt(() => each.sample()) === 'ERR_EXTMEM_STOPPED') sessions.delete(each);
      if (sessions.size !== 1 || session.sample().isolates.length > 0) failures.push(calls);
    }
    for (const session of last) session?.stop();
    if (!isRestored()) failures.push(`${calls} not restored`);
  }
  return failures;
}

function versions() {
  const first = require(root);
  const second = require(other);
  const session = first.start(options);
  let message = null;
  try {
    second.start();
  } catch (error) {
    message = `${error.code} ${error.message}`;
  }
  session.stop();
  const next = second.start(options);
  const back = attempt(() => first.start());
  next.stop();
  return { message, back, restored: isRestored() };
}

/** In a worker, too: its own thread is not beside itself, and the main thread's session is joined once. */
function worker() {
  const session = require(root).start(options);
  const source = `
    const { parentPort } = require('node:worker_threads');
    const options = ${JSON.stringify(options)};
    const session = require(${JSON.stringify(root)}).start(options);
    for (const key of Object.keys(require.cache)) delete require.cache[key];
    parentPort.postMessage(require(${JSON.stringify(root)}).start() === session);
    setInterval(() => {}, 1000);`;
  const thread = new Worker(source, { eval: true });
  thread.on('message', (isSame) => {
    const threads = session.sample().isolates.map(({ threadId }) => threadId);
    console.log(JSON.stringify({ isSame, threads, ofWorker: [thread.threadId] }));
    process.exit();
  });
}

if (what === 'worker') worker();
else {
  const print = {
    cleared: () => shares(cleared),
    copies: () => shares(() => require(other)),
    contexts: () => shares(inContext),
    orders,
    versions,
  };
  console.log(JSON.stringify(print[what]()));
}
