'use strict';
/**
 * What a program can observe of streams. Prints it; with `tracked` it must be the same as without.
 *
 *   node streams-transparent.cjs [tracked]
 */
const domainsWanted = process.argv.includes('domain');
const domain = domainsWanted ? require('node:domain') : null;
const { AsyncLocalStorage } = require('node:async_hooks');
const EventEmitter = require('node:events');
const fs = require('node:fs');
const util = require('node:util');
const zlib = require('node:zlib');
const { Duplex, PassThrough, Readable, Stream, Writable, pipeline } = require('node:stream');

const inspectedBefore = util.inspect(EventEmitter, { showHidden: true, depth: 0 });
if (process.argv.includes('tracked')) {
  const { StreamTracker } = require('../../dist/streams/tracker.js');
  new StreamTracker({ intervalMs: 20, window: 120 });
}

const seen = {};
const note = (name, value) => {
  seen[name] = value;
};
const failure = (action) => {
  try {
    action();
    return 'no error';
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};

class Own extends Duplex {
  constructor(options) {
    super(options);
    this.listenersAtBirth = this.eventNames();
  }
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
}
function Inherited() {
  Readable.call(this, { read() {} });
}
util.inherits(Inherited, Readable);
function Bare() {
  EventEmitter.call(this);
}
util.inherits(Bare, EventEmitter);

function observe(name, stream) {
  note(name, {
    // Memory that nobody has written to yet differs from run to run.
    inspected: util.inspect(stream, { depth: 1 }).replaceAll(/<Buffer [^>]*>/g, '<Buffer>'),
    names: Object.getOwnPropertyNames(stream),
    symbols: Object.getOwnPropertySymbols(stream).map(String),
    events: stream.eventNames?.(),
    kinds: [Stream, Readable, Writable, Duplex, EventEmitter].map((kind) => stream instanceof kind),
    class: stream.constructor.name,
  });
}

observe('Readable', new Readable({ read() {} }));
observe('Own', new Own());
observe('Inherited', new Inherited());
observe('Bare', new Bare());
observe('Gzip', zlib.createGzip());
observe('ReadableStream', new ReadableStream());
observe('tee', new ReadableStream().tee()[0]);
observe('Blob', new Blob(['x']).stream());

note('init', [
  EventEmitter.init.name,
  EventEmitter.init.length,
  inspectedBefore === util.inspect(EventEmitter, { showHidden: true, depth: 0 }),
]);
note('init returns', EventEmitter.init.call({}));
note(
  'init of nothing',
  failure(() => EventEmitter.init.call(undefined)),
);
note(
  'init of frozen',
  failure(() => EventEmitter.init.call(Object.freeze({}))),
);
note(
  'init of hostile',
  failure(() =>
    EventEmitter.init.call(
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error('no');
          },
        },
      ),
    ),
  ),
);
note(
  'without prototype',
  failure(() => EventEmitter.init.call(Object.create(null))),
);
note(
  'bad option',
  failure(() => new Readable({ highWaterMark: -1 })),
);
note('emitWarning', [process.emitWarning.name, process.emitWarning.length]);
note(
  'listeners',
  process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
);
note('stackTraceLimit', Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit'));
note('prepareStackTrace', String(Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace')));
note(
  'hash',
  failure(() => Object.getOwnPropertyNames(require('node:crypto').createHash('sha1'))),
);

let prepared = 0;
if (Object.isExtensible(Error)) {
  Error.prepareStackTrace = (error, frames) => {
    prepared++;
    return `${error.message} ${frames.length > 0}`;
  };
  new PassThrough();
  note('own prepareStackTrace', [prepared, new Error('mine').stack, prepared]);
  Reflect.deleteProperty(Error, 'prepareStackTrace');
}

const storage = new AsyncLocalStorage();
const log = [];
async function run() {
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const crowded = new PassThrough();
  for (let i = 0; i < 12; i++) crowded.on('data', () => {});
  const warning = await warned;
  note('warning', [warning.name, warning.message, warning.count, warning.emitter === crowded]);

  await storage.run('context', () => {
    return new Promise((resolve) => {
      const file = fs.createReadStream(__filename, { highWaterMark: 512 });
      for (const event of ['open', 'ready', 'end', 'close']) {
        file.on(event, () => log.push(`file ${event} ${storage.getStore()}`));
      }
      const gzip = zlib.createGzip();
      for (const event of ['pipe', 'finish', 'end', 'close']) gzip.on(event, () => log.push(`gzip ${event}`));
      const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
      pipeline(file, gzip, sink, (error) => {
        log.push(`done ${error} ${storage.getStore()}`);
        resolve();
      });
    });
  });
  const failing = new Readable({
    read() {
      this.destroy(new Error('failed'));
    },
  });
  await new Promise((resolve) => {
    failing.on('error', (error) => log.push(`error ${error.message}`)).on('close', resolve);
    failing.resume();
  });
  // Within a stream the order is fixed; which of two streams comes first is not.
  note(
    'events',
    log.toSorted((a, b) => a.split(' ')[0].localeCompare(b.split(' ')[0])),
  );

  const response = new Response('a body of some length');
  const copy = response.clone();
  note('bodies', [await response.text(), await copy.text()]);
  const source = new ReadableStream({ start: (controller) => controller.close() });
  const moved = structuredClone(source, { transfer: [source] });
  note('moved', [moved.constructor.name, (await moved.getReader().read()).done]);
  if (domain !== null) {
    const own = domain.create();
    const inside = own.run(() => new EventEmitter());
    note('domain', [inside.domain === own, new EventEmitter().domain]);
  }
}

run()
  .catch((error) => note('failed', `${error.name}: ${error.message}`))
  .finally(() => fs.writeSync(1, `${JSON.stringify(seen)}\n`));
