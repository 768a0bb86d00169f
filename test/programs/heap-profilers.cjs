// V8's one heap profiler, used by the program too. Usage: node heap-profilers.cjs <package> <who>
'use strict';
const { Session } = require('node:inspector');
const path = require('node:path');
const [, , root, who] = process.argv;
const { HeapSites } = require(path.join(root, 'dist', 'profile', 'heap-sites.js'));

const client = new Session();
client.connect();
function ask(method, params = {}) {
  let answer = null;
  client.post(method, params, (error, result) => {
    answer = error === null ? result : error.message;
  });
  return answer;
}
const isRunning = () => typeof ask('HeapProfiler.getSamplingProfile') === 'object';

const sites = new HeapSites();
const report = (more = {}) =>
  console.log(JSON.stringify({ running: sites.running, refusal: sites.refusal, others: isRunning(), ...more }));

const cases = {
  /** Nobody else: it runs, and stops what it started. */
  nobody() {
    sites.start();
    const ran = sites.running && isRunning() && sites.read() !== null;
    sites.stop();
    report({ ran });
  },
  /** A client was there first, with an interval of its own. */
  first() {
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    globalThis.kept = Array.from({ length: 10_000 }, (_, i) => ({ i }));
    sites.start();
    sites.stop();
    report({ samples: ask('HeapProfiler.stopSampling').profile.samples.length > 100 });
  },
  /** A client that came second stops it for both, and then starts its own. */
  second() {
    sites.start();
    ask('HeapProfiler.stopSampling');
    const read = sites.read();
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    sites.start();
    sites.stop();
    report({ read });
  },
  /** `--heap-prof`: it is there from the start. */
  flag() {
    sites.start();
    sites.stop();
    report();
  },
  /** A session that suspects the heap says on a line what it does not get. */
  session() {
    ask('HeapProfiler.startSampling', { samplingInterval: 512 });
    const told = [];
    const session = require(root).start({ interval: '1h', destination: 'none', window: 30, confirmations: 1 });
    session.on('sample', ({ capabilities }) => capabilities !== undefined && told.push(capabilities));
    const kept = [];
    for (let i = 0; i < 200 && told.length < 1; i++) {
      for (let j = 0; j < 2000; j++) kept.push({ j, list: new Array(20).fill(j) });
      gc();
      session.sample();
    }
    session.sample();
    session.stop();
    report({ told });
  },
};
cases[who]();
