// What interception costs: node bench/hook.mjs [--quick]
//
//   sample   one sample whose stack of 35 frames was seen before: a malloc+free pair in a session that samples each of
//            them, against a pair without a session. So it is all of a sample: the stack is walked and found, the block
//            is put into the table of live ones, and taken out again by its free.
//   pair     a pair that is not sampled, in a session, against one without a session
//
// Times are CPU times of the thread that allocates; medians of interleaved rounds; A/A is the same comparison of off
// with off, which shows the noise. Needs `npm run build` and `npm run build:addon`.
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { start } from 'extmem';
import { Profile } from 'pprof-format';
import { median } from './trial.mjs';

const { pairs } = createRequire(import.meta.url)('../test/torture-addon/build/Release/pairs.node');
const rounds = process.argv.includes('--quick') ? 7 : 41;
const shown = (value) => value.toFixed(2).padStart(8);
/** So far apart that nothing is sampled. */
const none = 2 ** 40;
/** A session reads the counters of the allocator when it starts. */
const settleMs = 5;

/** From a timer, as in a service, so that the stack above is the same each time. */
const later = (run) => new Promise((resolve) => setTimeout(() => resolve(run()), settleMs));

async function inSession(sampleBytes, run) {
  const session = start({ sampleBytes, interval: '24h', streams: false, destination: 'none' });
  try {
    return await run(session);
  } finally {
    session.stop();
  }
}

console.log(`# ${process.version}, ${rounds} rounds, ${new Date().toISOString().slice(0, 10)}`);

const wantedFrames = 35;
/** A session lowers its rate by half after each 150 samples in a second of CPU; such blocks are all sampled until then. */
const blockBytes = 65_536;
const pairsPerSlice = 1500;
function descend(depth, run) {
  return depth === 0 ? run() : descend(depth - 1, run);
}
const slice = (depth) => later(() => descend(depth, () => pairs(blockBytes, pairsPerSlice, 1)));

/** JavaScript of ours above node's own and native frames: of the stack that most was allocated by. */
const framesAt = (depth) =>
  inSession(blockBytes / 4, async (session) => {
    await slice(depth);
    const { sample } = Profile.decode(gunzipSync((await session.profile()).toPprof()));
    const allocatedBytes = ({ value }) => value[1];
    return sample.reduce((most, each) => (allocatedBytes(each) > allocatedBytes(most) ? each : most)).locationId.length;
  });

const sampledSlice = (depth) =>
  inSession(1, async (session) => {
    const samples = () => session.sample().native.samples;
    const before = samples();
    const ns = await slice(depth);
    const sampled = samples() - before;
    if (sampled < pairsPerSlice) throw new Error(`Expected ${pairsPerSlice} samples, received ${sampled}`);
    return ns;
  });

const depth = wantedFrames - (await framesAt(0));
const sampleUs = [];
for (let i = 0; i < rounds; i++) {
  const offNs = await slice(depth);
  sampleUs.push(((await sampledSlice(depth)) - offNs) / 1000);
}
console.log(
  `sample of ${await framesAt(depth)} frames (us): median ${median(sampleUs).toFixed(2)}, fastest ${Math.min(...sampleUs).toFixed(2)}`,
);

// Last: a thread goes on with the distance between samples that it was given, until it has passed.
console.log('pair (ns)            off       on    on-off   A/A');
for (const threads of [1, 4]) {
  for (const bytes of [64, 1024, 16384]) {
    const run = () => pairs(bytes, 400_000, threads);
    const off = [];
    const on = [];
    const again = [];
    run();
    for (let i = 0; i < rounds; i++) {
      off.push(run());
      on.push(await inSession(none, () => later(run)));
      again.push(run());
    }
    const delta = median(on.map((value, i) => value - (off[i] + again[i]) / 2));
    const noise = median(again.map((value, i) => value - off[i]));
    console.log(
      `${String(bytes).padStart(6)} B x ${threads} ${shown(median(off))} ${shown(median(on))} ${shown(delta)} ${shown(noise)}`,
    );
  }
}
