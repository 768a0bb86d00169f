// What interception costs: node bench/hook.mjs [--quick]
//
//   pair     a malloc+free pair that is not sampled, against none intercepted, in the same process, interleaved
//   sample   one sample whose stack of 35 frames was seen before
//
// Times are CPU times of the thread that allocates; medians of interleaved rounds; A/A is the same comparison of off
// with off, which shows the noise. Needs `npm run build` and `node-gyp rebuild -C test/torture-addon`.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const binding = require('../build/Release/extmem.node');
const { pairs } = require('../test/torture-addon/build/Release/pairs.node');
const rounds = process.argv.includes('--quick') ? 7 : 41;
// So far apart that none of the pairs is sampled.
const meanBytes = 2 ** 40;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const shown = (value) => value.toFixed(2).padStart(8);

binding.profileRegister();
binding.profileLevel(2);

function withHooks(run) {
  const status = binding.profileStart(meanBytes, 0, 64, 1);
  if (status !== 'installed') throw new Error(`Expected the allocator to be intercepted, received ${status}`);
  try {
    return run();
  } finally {
    binding.profileStop();
  }
}

console.log(
  `# ${process.version}, mean ${meanBytes} bytes, ${rounds} rounds, ${new Date().toISOString().slice(0, 10)}`,
);
console.log('pair (ns)            off       on    on-off   A/A');
for (const threads of [1, 4]) {
  for (const bytes of [64, 1024, 16384]) {
    const count = 400_000;
    const off = [];
    const on = [];
    const again = [];
    pairs(bytes, count, threads);
    for (let i = 0; i < rounds; i++) {
      off.push(pairs(bytes, count, threads));
      on.push(withHooks(() => pairs(bytes, count, threads)));
      again.push(pairs(bytes, count, threads));
    }
    const delta = median(on.map((value, i) => value - (off[i] + again[i]) / 2));
    const noise = median(again.map((value, i) => value - off[i]));
    console.log(
      `${String(bytes).padStart(6)} B x ${threads} ${shown(median(off))} ${shown(median(on))} ${shown(delta)} ${shown(noise)}`,
    );
  }
}

// A stack of 35 frames, JavaScript of ours above node's own and native ones: asked for from a timer, as from a service.
const wantedFrames = 35;
const perSlice = 2000;
function descend(depth, run) {
  return depth === 0 ? run() : descend(depth - 1, run);
}
const frameCount = () => binding.profileStack(binding.profileCapture()).length;
const perCallUs = (call) => {
  const before = process.hrtime.bigint();
  for (let k = 0; k < perSlice; k++) call();
  return Number(process.hrtime.bigint() - before) / perSlice / 1000;
};

setImmediate(() => {
  let depth = 0;
  while (descend(depth, frameCount) < wantedFrames) depth++;
  const captures = [];
  const calls = [];
  // Slices of some milliseconds: most of them are not interrupted.
  for (let i = 0; i < rounds * 10; i++) {
    captures.push(descend(depth, () => perCallUs(() => binding.profileCapture())));
    calls.push(perCallUs(() => binding.declaredBytes()));
  }
  const shownUs = (values) => `median ${median(values).toFixed(2)}, fastest ${Math.min(...values).toFixed(2)}`;
  console.log(
    `sample of ${descend(depth, frameCount)} frames (us): ${shownUs(captures)}; of which a bare call: ${shownUs(calls)}`,
  );
});
