// A program whose own code fails wherever extmem calls it. Usage: node throwing-host.cjs <package> <what>
'use strict';
const { channel } = require('node:diagnostics_channel');
const [, , root, what] = process.argv;
const { start } = require(root);

const thrown = [];
process.on('uncaughtException', (error) => thrown.push(error.message));

/** Whether the ledger still sees what is allocated after many failures: its passes go on. */
function passes(throws) {
  let before = null;
  const session = start({ interval: 20, destination: 'none' });
  session.on('sample', ({ seq, ledger }) => {
    if (ledger !== null && seq >= 5) {
      const { malloc } = ledger.leafBytes;
      if (before === null) {
        before = malloc;
        globalThis.kept = Buffer.alloc(64_000_000, 1);
      }
      const isSeen = malloc - before > 60_000_000;
      if (isSeen || seq === 500) {
        console.log(JSON.stringify({ isSeen, wereThrown: thrown.length > 3 }));
        process.exit();
      }
    }
    if (throws) throw new Error('of a listener');
  });
  setInterval(() => {}, 1000);
}

/** A sample that raises an alert, with listeners of both that throw: the alert is told, the errors reach the host. */
function events() {
  const told = [];
  const session = start({ interval: '1h', destination: 'none', memoryLimit: '1MiB' });
  for (const name of ['sample', 'alert']) {
    channel(`extmem:${name}`).subscribe(() => {
      told.push(name);
      throw new Error(`of the channel of ${name}`);
    });
    session.on(name, () => {
      throw new Error(`of ${name}`);
    });
  }
  let caught = null;
  try {
    session.sample();
  } catch (error) {
    caught = error.message;
  }
  session.stop();
  setImmediate(() => console.log(JSON.stringify({ caught, told, thrown })));
}

/** Whatever fails while it stops, the next session starts. */
function stop() {
  const { Writable } = require('node:stream');
  const destination = new Writable({ write: (_chunk, _encoding, done) => done() });
  destination.removeListener = () => {
    throw new Error('of the stream');
  };
  const session = start({ interval: '1h', destination });
  // Ended by the host, and all of our writes have come to their end: nothing is left to wait for.
  destination.end(() => setImmediate(() => setImmediate(stopIt)));
  function stopIt() {
    let caught = null;
    try {
      session.stop();
    } catch (error) {
      caught = error.message;
    }
    const next = start({ destination: 'none' });
    console.log(JSON.stringify({ caught, isNext: next !== session }));
    next.stop();
  }
}

({ quiet: () => passes(false), loud: () => passes(true), events, stop })[what]();
