// What extmem shares with its host, used by both. Prints what is not as it was. Usage: node shared.cjs <package> <case>
'use strict';
const { channel } = require('node:diagnostics_channel');
const { EventEmitter } = require('node:events');
const { Readable } = require('node:stream');
const [, , root, which] = process.argv;
const extmem = require(root);
const options = { interval: '1h', destination: 'none' };

const wrapped = [
  [EventEmitter, 'init'],
  [process, 'emitWarning'],
  [process, 'dlopen'],
];
const channels = ['http.server.request.start', 'worker_threads', 'undici:request:create', 'extmem:session'];

/** Everything that can be compared before and after. */
function look() {
  const { getActiveResourcesInfo, report } = process;
  return JSON.stringify({
    listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
    channels: channels.map((name) => channel(name).hasSubscribers),
    symbols: Object.getOwnPropertySymbols(ReadableStream.prototype).length,
    resources: getActiveResourcesInfo.call(process).filter((name) => name === 'Timeout').length,
    report: [Object.keys(report), report.excludeNetwork],
    keys: [Object.keys(process).length, Object.getOwnPropertyNames(globalThis).length, Object.keys(EventEmitter)],
  });
}

/** Makes streams, which takes captures, and tells whether `Error` is then what it was. */
function errorIs(describe) {
  const before = describe();
  new Readable();
  new ReadableStream();
  return describe() === before;
}

const cases = {
  /** Started, used, asked, stopped: nothing differs. */
  restored() {
    const functions = wrapped.map(([object, key]) => object[key]);
    // Loads what Node loads on first use.
    extmem.start(options).stop();
    extmem.doctor();
    const before = look();
    for (let i = 0; i < 3; i++) {
      const session = extmem.start(options);
      session.sample();
      extmem.doctor();
      session.stop();
    }
    const after = look();
    return {
      functions: wrapped.every(([object, key], i) => object[key] === functions[i]),
      rest: after === before || [before, after],
    };
  },
  /** The host wraps after us: its wrapper stays, and is called once for each call, through any number of sessions. */
  wrappedLater() {
    const session = extmem.start(options);
    const calls = {};
    for (const [object, key] of wrapped) {
      const inner = object[key];
      calls[key] = 0;
      object[key] = function outer(...args) {
        calls[key]++;
        return Reflect.apply(inner, this, args);
      };
    }
    const outers = wrapped.map(([object, key]) => object[key]);
    session.stop();
    for (let i = 0; i < 3; i++) extmem.start(options).stop();
    const stays = wrapped.every(([object, key], i) => object[key] === outers[i]);
    const next = extmem.start(options);
    for (const key of Object.keys(calls)) calls[key] = 0;
    new EventEmitter();
    const { init } = calls;
    process.emitWarning('of the host');
    const counted = { ...calls, init };
    next.stop();
    return { stays, counted };
  },
  /** `Error`'s settings, as hosts have them. */
  errors() {
    const session = extmem.start(options);
    const results = {};
    const settings = () =>
      ['stackTraceLimit', 'prepareStackTrace']
        .map((key) => {
          const { get, value, ...flags } = Object.getOwnPropertyDescriptor(Error, key) ?? {};
          return JSON.stringify([typeof get, String(value), flags]);
        })
        .join();
    results.plain = errorIs(settings);
    Error.prepareStackTrace = (error) => `host ${error.message}`;
    Error.stackTraceLimit = 3;
    results.set = errorIs(settings) && new Error('x').stack === 'host x';
    let sets = 0;
    Object.defineProperty(Error, 'stackTraceLimit', { get: () => 5, set: () => sets++, configurable: true });
    results.accessor = errorIs(settings) && sets === 0;
    delete Error.stackTraceLimit;
    delete Error.prepareStackTrace;
    results.deleted = errorIs(settings) && !('stackTraceLimit' in Error);
    Object.defineProperty(Error, 'stackTraceLimit', { value: 7, configurable: false, writable: false });
    results.fixed = errorIs(settings);
    session.stop();
    return results;
  },
  /** Timers of the globals are fakes of a test runner, as numbers without methods. */
  fakeTimers() {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate']) globalThis[name] = () => 1;
    const session = extmem.start(options);
    session.sample();
    session.stop();
    return 'fine';
  },
};
console.log(JSON.stringify(cases[which]()));
