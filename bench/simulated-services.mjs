// Simulated services: RSS in MiB per sample, and for some what else a sample would tell. Sizes as in docs/verdicts.md,
// "Simulated services". `random` has `uniform()` and `normal()`.
const MiB = 2 ** 20;
const usual = 240;

const over = (n, value) => Array.from({ length: n }, (_, i) => value(i));
const plain =
  (make, n = usual) =>
  (random) => ({ rss: over(n, make(random)) });

/** A triangle from 0 to 1 with a sudden fall, of a period between `low` and `high` samples. */
function sawtooth({ uniform }, low, high) {
  const period = low + (high - low) * uniform();
  const phase = uniform() * period;
  return (i) => ((i + phase) % period) / period;
}

function wave({ uniform }, low, high) {
  const period = low + (high - low) * uniform();
  const phase = uniform() * 2 * Math.PI;
  return (i) => Math.sin(phase + (2 * Math.PI * i) / period);
}

function autoregressive({ normal }, rho, sigma) {
  let state = sigma * normal();
  return () => {
    state = rho * state + sigma * normal() * Math.sqrt(1 - rho * rho);
    return state;
  };
}

function warmUp({ uniform }, amplitude, low, high) {
  const tau = low + (high - low) * uniform();
  return (i) => amplitude * (1 - Math.exp(-i / tau));
}

function filling({ uniform }) {
  const full = 60 + 100 * uniform();
  const size = 20 + 40 * uniform();
  return (i) => size * Math.min(1, i / full);
}

const leaks = [0.05, 0.1, 0.5, 1].flatMap((slope) => [
  {
    leaks: true,
    name: `leak ${slope} MiB/sample`,
    make: plain(
      ({ normal }) =>
        (i) =>
          100 + slope * i + 2 * normal(),
    ),
  },
  {
    leaks: true,
    name: `leak ${slope} + warm-up`,
    make: plain((random) => {
      const warm = warmUp(random, 25, 10, 30);
      return (i) => 80 + warm(i) + slope * i + random.normal();
    }),
  },
  {
    leaks: true,
    name: `leak ${slope} + bursts`,
    make: plain(
      ({ uniform, normal }) =>
        (i) =>
          100 + slope * i + 2 * normal() + (uniform() < 0.08 ? 30 * uniform() : 0),
    ),
  },
]);

const leaksUnderSawtooth = [0.1, 0.2, 0.5].map((slope) => ({
  leaks: true,
  name: `leak ${slope} under a raw 40 MiB sawtooth`,
  make: plain((random) => {
    const saw = sawtooth(random, 5, 20);
    return (i) => 60 + slope * i + 40 * saw(i) + random.normal();
  }),
}));

/** The same service with its ledger: counters of the allocator are exact, RSS and the heap are not. */
function withClasses(n, random, { jsHeap = () => 30, native = () => 5, buffers = () => 5, load, afterGc }) {
  const heap = over(n, jsHeap);
  const malloc = over(n, native);
  const stores = over(n, buffers);
  return {
    rss: over(n, (i) => 40 + heap[i] + malloc[i] + stores[i] + random.normal()),
    classes: { jsHeap: heap, native: malloc, buffers: stores },
    load: load === undefined ? undefined : over(n, load),
    afterGc: afterGc === undefined ? undefined : over(n, afterGc),
  };
}

const requests = (random, shape) => (i) => 1000 * (1 + 0.5 * shape(i)) * (1 + 0.05 * random.normal());

export const series = [
  {
    name: 'flat',
    make: plain(
      ({ normal }) =>
        () =>
          100 + 2 * normal(),
    ),
  },
  {
    name: 'AR ρ .9 σ 2',
    make: plain((random) => {
      const noise = autoregressive(random, 0.9, 2);
      return () => 100 + noise();
    }),
  },
  {
    name: 'AR ρ .97 σ 6',
    make: plain((random) => {
      const noise = autoregressive(random, 0.97, 6);
      return () => 100 + noise();
    }),
  },
  {
    name: 'exponential warm-up',
    make: plain((random) => {
      const warm = warmUp(random, 20 + 60 * random.uniform(), 10, 60);
      return (i) => 80 + warm(i) + random.normal();
    }),
  },
  {
    name: 'logarithmic growth',
    make: plain(({ uniform, normal }) => {
      const k = 3 + 7 * uniform();
      return (i) => 80 + k * Math.log(1 + i) + normal();
    }),
  },
  ...[
    [5, 20],
    [40, 100],
  ].map(([low, high]) => ({
    name: `sawtooth, period ${low}–${high}`,
    make: plain((random) => {
      const saw = sawtooth(random, low, high);
      return (i) => 60 + 40 * saw(i) + random.normal();
    }),
  })),
  {
    name: 'sawtooth with a growing cap',
    make: plain(({ uniform, normal }) => {
      let value = 60;
      let cap = 80;
      return () => {
        value += 1 + 4 * uniform();
        if (value > cap) {
          value = 60 + normal();
          cap = Math.min(140, cap * 1.15);
        }
        return value;
      };
    }),
  },
  {
    name: 'one step',
    make: plain(({ uniform, normal }) => {
      const at = usual * uniform();
      return (i) => 100 + (i > at ? 25 : 0) + normal();
    }),
  },
  {
    name: 'two steps',
    make: plain(
      ({ normal }) =>
        (i) =>
          100 + (i > 72 ? 15 : 0) + (i > 108 ? 15 : 0) + normal(),
    ),
  },
  {
    name: 'four stairs',
    make: plain(({ uniform, normal }) => {
      let stairs = 0;
      return () => {
        if (stairs < 4 && uniform() < 0.03) stairs++;
        return 80 + 8 * stairs + 0.5 * normal();
      };
    }),
  },
  {
    name: 'LRU filling for 60–160 samples, then flat',
    make: plain((random) => {
      const fill = filling(random);
      return (i) => 100 + fill(i) + random.normal();
    }),
  },
  {
    name: 'diurnal wave, period 600–1200',
    make: plain((random) => {
      const shape = wave(random, 600, 1200);
      return (i) => 100 + 15 * shape(i) + random.normal();
    }),
  },
  ...leaks,
  ...leaksUnderSawtooth,
  {
    name: 'LRU in malloc, with the ledger',
    make: (random) => withClasses(usual, random, { native: filling(random) }),
  },
  {
    name: 'diurnal wave, with requests',
    make: (random) => {
      const shape = wave(random, 600, 1200);
      const native = (i) => 30 + 15 * shape(i);
      return withClasses(usual, random, { native, load: requests(random, shape) });
    },
  },
  ...[0.1, 0.5].map((slope) => ({
    leaks: true,
    name: `leak ${slope} at level load, with requests`,
    make: (random) => withClasses(usual, random, { native: (i) => 20 + slope * i, load: requests(random, () => 0) }),
  })),
  ...[0.1, 0.5].map((slope) => ({
    leaks: true,
    name: `leak ${slope} on a diurnal wave, with requests, 1200 samples`,
    share: 0.5,
    make: (random) => {
      const shape = wave(random, 600, 1200);
      const native = (i) => 30 + 15 * shape(i) + slope * i;
      return withClasses(1200, random, { native, load: requests(random, shape) });
    },
  })),
  {
    name: 'diurnal wave of 24 h, 3 days, RSS only',
    share: 0.2,
    make: (random) => {
      const shape = wave(random, 8640, 8640);
      return { rss: over(25920, (i) => 100 + 15 * shape(i) + random.normal()) };
    },
  },
  {
    name: 'diurnal wave of 24 h, 3 days, with requests',
    share: 0.2,
    make: (random) => {
      const shape = wave(random, 8640, 8640);
      const native = (i) => 30 + 15 * shape(i);
      return withClasses(25920, random, { native, load: requests(random, shape) });
    },
  },
  ...[0.05, 0.1].map((slope) => ({
    leaks: true,
    name: `leak ${slope} in malloc under a 40 MiB heap sawtooth, with the ledger`,
    make: (random) => {
      const saw = sawtooth(random, 5, 20);
      return withClasses(usual, random, { jsHeap: (i) => 20 + 40 * saw(i), native: (i) => 5 + slope * i });
    },
  })),
  ...[0.05, 0.1].map((slope) => ({
    leaks: true,
    name: `leak ${slope} on the JS heap under its 40 MiB sawtooth, with collections`,
    make: (random) => {
      const saw = sawtooth(random, 2, 6);
      const kept = (i) => 20 + slope * i;
      const afterGc = (i) => (saw(i) < saw(i - 1) ? kept(i) + 0.5 * random.uniform() : null);
      return withClasses(usual, random, { jsHeap: (i) => kept(i) + 40 * saw(i), afterGc });
    },
  })),
  {
    name: 'healthy 40 MiB heap sawtooth, with the ledger and collections',
    make: (random) => {
      const saw = sawtooth(random, 2, 20);
      const afterGc = (i) => (saw(i) < saw(i - 1) ? 20 + 0.5 * random.uniform() : null);
      return withClasses(usual, random, { jsHeap: (i) => 20 + 40 * saw(i), afterGc });
    },
  },
  {
    name: 'healthy, each class AR ρ .97 σ 3, with the ledger',
    make: (random) => {
      const wander = () => {
        const noise = autoregressive(random, 0.97, 3);
        return () => 30 + noise();
      };
      return withClasses(usual, random, { jsHeap: wander(), native: wander(), buffers: wander() });
    },
  },
  ...[0.005, 0.01, 0.02].map((slope) => ({
    leaks: true,
    name: `leak ${slope} for 24 h (8640 samples), RSS only`,
    share: 0.2,
    make: plain(
      ({ normal }) =>
        (i) =>
          100 + slope * i + 2 * normal(),
      8640,
    ),
  })),
  ...[0.005, 0.01, 0.02].map((slope) => ({
    leaks: true,
    name: `leak ${slope} for 12 h, with requests`,
    share: 0.2,
    make: (random) => withClasses(4320, random, { native: (i) => 20 + slope * i, load: requests(random, () => 0) }),
  })),
  {
    name: 'flat for 12 h',
    share: 0.2,
    make: plain(
      ({ normal }) =>
        () =>
          100 + 2 * normal(),
      4320,
    ),
  },
  {
    name: 'AR ρ .97 σ 6 for 12 h',
    share: 0.2,
    make: plain((random) => {
      const noise = autoregressive(random, 0.97, 6);
      return () => 100 + noise();
    }, 4320),
  },
];

/**
 * The sample that the i-th look at a simulated service yields: where nothing but RSS is simulated, that of a process
 * without the addon whose heap stays as it is.
 */
export function sampleOf({ rss, classes, load, afterGc }, i) {
  const bytes = (value) => Math.max(0, Math.round(value * MiB));
  const sample = {
    seq: i,
    rssBytes: bytes(rss[i]),
    ledger: null,
    malloc: null,
    external: { externalBytes: 0, arrayBuffersBytes: null },
    v8: { heapUsedBytes: 30 * MiB },
    process: {},
  };
  if (load !== undefined) sample.load = { requests: Math.round(load[i]) };
  if (classes === undefined) return sample;
  const heap = bytes(classes.jsHeap[i]);
  const native = bytes(classes.native[i]);
  const buffers = bytes(classes.buffers[i]);
  const malloc = native + buffers + 2 * MiB;
  let last = i;
  while (afterGc !== undefined && last >= 0 && afterGc[last] === null) last--;
  return {
    ...sample,
    ledger: {
      ageMs: 0,
      rssBytes: heap + malloc + 38 * MiB,
      leafBytes: {
        v8Heap: heap,
        v8Code: 0,
        v8Other: 0,
        malloc,
        wasm: 0,
        stacks: MiB,
        files: 37 * MiB,
        unattributed: 0,
      },
    },
    malloc: { ageMs: 0, inUseBytes: native + buffers, retainedBytes: 2 * MiB, reclaimableBytes: MiB },
    external: { externalBytes: buffers, arrayBuffersBytes: buffers, declaredBytes: buffers },
    v8: {
      heapUsedBytes: heap,
      heapLimitBytes: 2048 * MiB,
      afterMajorGc:
        afterGc === undefined || last < 0 ? null : { heapUsedBytes: bytes(afterGc[last]), ageMs: 10_000 * (i - last) },
    },
  };
}
