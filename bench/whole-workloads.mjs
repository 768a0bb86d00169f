// The programs of bench/whole.mjs, each a plain Node process that knows nothing of extmem: node whole-workloads.mjs NAME.
//
// A program does a fixed amount of work and prints the CPU time of all its threads: since the process was started, and
// since a third of the work was done.
import { createHash } from 'node:crypto';
import { createReadStream, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip, deflateSync } from 'node:zlib';

const require = createRequire(import.meta.url);
const file = fileURLToPath(import.meta.url);

const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
let settledAtUs = null;

function report() {
  const fromStartUs = cpuUs();
  writeSync(1, JSON.stringify({ fromStartUs, settledUs: settledAtUs === null ? null : fromStartUs - settledAtUs }));
}

/** `work` is asked for one unit after another. Timers have their turn in between, as in a program that is not a bench. */
async function repeat(units, work) {
  for (let unit = 0; unit < units; unit++) {
    if (unit === Math.floor(units / 3)) settledAtUs = cpuUs();
    work(unit);
    if (unit % 10 === 0) await new Promise(setImmediate);
  }
}

/** Ends after `requests` answers. The client asks for more as long as it gets some. */
function serve(requests, answer) {
  let answered = 0;
  const server = createServer(async (request, response) => {
    await answer(request, response);
    answered++;
    if (answered === Math.floor(requests / 3)) settledAtUs = cpuUs();
    if (answered === requests) process.exit();
  });
  server.listen(0, '127.0.0.1', () => writeSync(1, `port ${server.address().port}\n`));
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const workloads = {
  /** Four streams a request: the request, the response, and two that its body goes through. */
  http: () =>
    serve(24_000, async (request, response) => {
      const { items } = JSON.parse((await bodyOf(request)).toString());
      const first = new PassThrough();
      first.end(JSON.stringify({ total: items.reduce((sum, { price }) => sum + price, 0), items }));
      await pipeline(first, new PassThrough(), response);
    }),

  /** Four streams a request, two of which hold native memory: a file, compressed. */
  files: () =>
    serve(10_000, async (request, response) => {
      const body = Buffer.concat([await bodyOf(request), Buffer.alloc(20_000, 1)]);
      response.setHeader('x-length', body.length);
      await pipeline(createReadStream(file), createGzip(), response);
    }),

  natives: async () => {
    const { DatabaseSync } = await import('node:sqlite').catch(() => ({}));
    const { hoard, freeButLast } = require('../test/addon/build/Release/test_addon.node');
    const database = DatabaseSync && new DatabaseSync(':memory:');
    database?.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, price REAL)');
    const insert = database?.prepare('INSERT INTO orders (name, price) VALUES (?, ?)');
    const select = database?.prepare('SELECT * FROM orders WHERE price < ? ORDER BY price LIMIT 100');
    const remove = database?.prepare('DELETE FROM orders WHERE id % 2 = ?');
    const text = Buffer.from(Array.from({ length: 12_000 }, (_, i) => (i * i * 2654435761) % 99_991).join(' '));
    await repeat(1500, (unit) => {
      for (let i = 0; i < 50; i++) insert?.run(`order ${unit} ${i}`, (unit * 31 + i * 17) % 1000);
      select?.all(500);
      if (unit % 50 === 49) remove?.run(unit % 2);
      text.writeUInt32LE(unit);
      deflateSync(text);
      createHash('sha256').update(text).digest('hex');
      hoard(500_000, 16, 2000);
      freeButLast(0);
    });
  },

  /** Buffers of 4 KiB to 1 MiB, written to, of which the latest 64 are kept. */
  buffers: async () => {
    const kept = new Array(64);
    await repeat(400_000, (unit) => {
      const buffer = Buffer.alloc(4096 << (unit % 9));
      buffer.writeUInt32LE(unit);
      kept[unit % kept.length] = buffer;
    });
  },

  /** The types of this repository. */
  tsc: () => {
    process.chdir(fileURLToPath(new URL('..', import.meta.url)));
    process.argv = [process.execPath, 'tsc', '--noEmit', '-p', 'tsconfig.tap.json'];
    require('typescript/lib/tsc.js');
  },

  /** No memory outside of the heap, and no stream: what is charged to all for the few. */
  javascript: async () => {
    let checked = 0;
    await repeat(12_000, (unit) => {
      const orders = Array.from({ length: 2000 }, (_, i) => ({ id: i, name: `order ${i}`, price: (i * unit) % 1000 }));
      const byPrice = new Map();
      for (const order of orders.toSorted((a, b) => a.price - b.price)) byPrice.set(order.price, order);
      checked += JSON.parse(JSON.stringify([...byPrice.values()].slice(0, 500))).length;
    });
    if (checked === 0) throw new Error('Expected some orders, received none');
  },
};

process.on('exit', report);
await workloads[process.argv[2]]();
