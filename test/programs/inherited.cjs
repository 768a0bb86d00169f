// A program in which all objects inherit a property. Prints what it meets: the same with extmem as without.
// Usage: node inherited.cjs <package> <with|without> <before|after>
'use strict';
const { EventEmitter } = require('node:events');
const { Readable } = require('node:stream');
const [, , root, mode, when] = process.argv;

const inherited = {
  get: () => 'inherited',
  set: () => {},
  value: 'inherited',
  writable: true,
  enumerable: true,
  configurable: false,
  type: 'inherited',
  entryTypes: ['mark'],
  buffered: true,
  bigint: true,
};

/** Runs with `key` on Object.prototype, which loses it again before anything else of Node runs. */
function among(key, run) {
  Object.prototype[key] = inherited[key];
  try {
    return run() ?? 'fine';
  } catch (error) {
    return `${error.name}: ${error.message}`;
  } finally {
    delete Object.prototype[key];
  }
}

function prepare() {
  return 'of the program';
}

const actions = {
  web: () => void new ReadableStream(),
  blob: () => void new Blob(['text']).stream(),
  tee: () => void new ReadableStream().tee(),
  emitter: () => void new EventEmitter(),
  stream: () => void new Readable(),
  hook: () => {
    Error.prepareStackTrace = prepare;
    new Readable();
    new ReadableStream();
    const isKept = Error.prepareStackTrace === prepare;
    delete Error.prepareStackTrace;
    return isKept ? 'kept' : 'lost';
  },
};

const results = {};
const { init } = EventEmitter;
const { emitWarning } = process;
let session = null;
for (const key of Object.keys(inherited)) {
  // Nothing of ours is loaded before the first.
  const begin = () => {
    if (mode === 'with') session = require(root).start({ interval: 20, destination: 'none' });
  };
  if (when === 'after') begin();
  const started = when === 'before' ? among(key, begin) : 'fine';
  const met = Object.entries(actions).map(([name, action]) => [name, among(key, action)]);
  if (session !== null) among(key, () => void session.sample());
  const stopped = session === null ? 'fine' : among(key, () => void session.stop());
  session = null;
  results[key] = { started, stopped, ...Object.fromEntries(met) };
}
results.restored = EventEmitter.init === init && process.emitWarning === emitWarning;
console.log(JSON.stringify(results));
