// Leaks native memory in one way, and prints the sites that hold most: node native-leaks.cjs NAME
'use strict';
const { join } = require('node:path');
const crypto = require('node:crypto');
const tls = require('node:tls');
const zlib = require('node:zlib');
const { start } = require(join(__dirname, '..', '..', 'dist', 'index.js'));
const build = join(__dirname, '..', 'torture-addon', 'build', 'Release');

const kept = [];
const addon = (name) => require(join(build, `${name}.node`));
/** Each is the one line that must come out on top. */
const leaks = {
  secureContext: { times: 400, line: () => kept.push(tls.createSecureContext()) },
  zlib: { times: 200, line: () => kept.push(zlib.createGzip()) },
  cipher: {
    times: 20_000,
    line: () => kept.push(crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))),
  },
  sqlite: {
    times: 3000,
    line: () => kept.push(sqlite().prepare('select a, b, a + b from t where a > ? and b < ? order by a')),
  },
  externalString: { times: 40, line: () => kept.push(Buffer.alloc(2_000_003, 'x').toString('latin1')) },
  wasm: {
    times: 100,
    line: () => kept[0].grow(4),
    before: () => kept.push(new WebAssembly.Memory({ initial: 1, maximum: 1000 })),
  },
  wasmFromBefore: {
    times: 100,
    line: () => kept[0].grow(4),
    beforeStart: () => kept.push(new WebAssembly.Memory({ initial: 50, maximum: 1000 })),
  },
  buffers: { times: 3000, line: () => closure(Buffer.allocUnsafeSlow(10_007)) },
  addon: { times: 4000, line: () => addon('leak').allocate(5003) },
  stripped: { times: 4000, line: () => addon('stripped').allocate(5003) },
  frameless: { times: 4000, line: () => addon('frameless').allocate(5003) },
  mapped: { times: 30, line: () => addon('leak').map(1 << 20) },
};
function closure(buffer) {
  kept.push(() => buffer.length);
}
let database = null;
function sqlite() {
  if (database === null) {
    const { DatabaseSync } = require('node:sqlite');
    database = new DatabaseSync(':memory:');
    database.exec('create table t (a integer, b integer)');
  }
  return database;
}

async function main() {
  const { times, line, before, beforeStart } = leaks[process.argv[2]];
  beforeStart?.();
  const session = start({ destination: 'none', sampleBytes: 32_768, streams: false });
  before?.();
  for (let i = 0; i < times; i++) line();
  await new Promise((resolve) => setImmediate(resolve));
  const profile = await session.profile();
  const sites = profile.top(3).map((site) => ({ ...site, frames: site.frames.slice(0, 60) }));
  session.stop();
  console.log(JSON.stringify(sites));
}
main();
