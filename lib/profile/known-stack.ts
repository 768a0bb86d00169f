/**
 * A stack whose truth is known: functions of several kinds above one another, decoded by the addon and told by V8 of the
 * same call, frame by frame, each with the compiler whose code it runs.
 */
import { Script } from 'node:vm';
import type { Binding } from '../binding/binding.js';
import { callSites } from '../call-sites.js';
import { ownScheme } from '../package.js';

const filename = `${ownScheme}selftest`;

/**
 * Functions of several kinds, the innermost three of which are made to run often: V8 compiles these, and inlines what
 * they call. Who looks is called there like those that do not, of which there are more than V8 expects of one call: it
 * would give its code up at a call that this was not made for, and what is seen then is the interpreter again.
 */
const source = `(function () {
  const idle = [() => 1, () => 2, () => 3, () => 4, () => 5];
  let look = idle[0];
  function innermost() {
    return look();
  }
  function hot(factor) {
    return [factor].map(function inMap(item) {
      return innermost() * item;
    })[0] + .5;
  }
  class Holder {
    held = [1, 2].map((item) => item === 2 ? hot(item) : 0);
    constructor() {
      this.value = 1;
    }
  }
  function* steps() {
    yield new Holder();
  }
  const arrow = () => {
    const unused = 1;
    return [...steps()].length + unused;
  };
  function outer() {
    return arrow() +
      1;
  }
  return function run(times, last) {
    for (let i = 0; i < times; i++) {
      look = idle[i % 5];
      hot(i);
    }
    look = last;
    outer();
  };
})`;

/** Frames of the functions above, at the least. */
const functions = 10;
/** Deeper than they and whoever called the test. */
const depth = 64;

/** A frame of V8, which stands for one function and those that were inlined into it. */
export interface Sight {
  /** Of `binding.tiers`; 0 when the decoder does not know. */
  readonly tier: number;
  readonly functions: number;
  /** The first disagreement with V8. */
  readonly wrong: { readonly what: 'names' | 'lines'; readonly text: string } | null;
}

interface Place {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

interface Decoded {
  readonly tier: number;
  readonly isOurs: boolean;
  readonly places: Place[];
}

type DecodedFrame = NonNullable<ReturnType<Binding['profileFrame']>>;

const named = (places: readonly Place[]) => places.map(({ name }) => name).join(' < ');
const at = ({ name, line, column }: Place) => `${name} at ${line}:${column}`;

let made = 0;

type Run = (times: number, last: () => number) => void;

export class KnownStack {
  readonly #binding: Binding;
  readonly #run: Run;
  #ids: Float64Array = new Float64Array();
  #sites: readonly NodeJS.CallSite[] = [];
  readonly #frames = new Map<number, DecodedFrame>();
  readonly #look = () => {
    this.#ids = this.#binding.profileTest();
    this.#sites = callSites(this.#look, depth) ?? [];
    return 0;
  };

  constructor(binding: Binding) {
    this.#binding = binding;
    // V8 knows a text again, and would go on with code of the functions that it was made to before.
    const make = new Script(`${source} // ${made++}`, { filename }).runInThisContext() as () => Run;
    this.#run = make();
  }

  /** Runs the functions so often, and looks at the last time. Innermost first, up to the first that is wrong. */
  look(times: number): Sight[] {
    this.#run(times, this.#look);
    const told = this.#told();
    const sights: Sight[] = [];
    let from = 0;
    for (const { tier, places } of this.#decoded()) {
      const truth = told.slice(from, from + places.length);
      from += places.length;
      const wrong = disagreement(places, truth);
      sights.push({ tier, functions: places.length, wrong });
      if (wrong !== null || tier === 0) return sights;
    }
    if (from === told.length && from >= functions) return sights;
    const text = `decoded ${from} frames, V8 says "${named(told)}"`;
    const last = sights.pop() ?? { tier: 0, functions: 0 };
    return [...sights, { ...last, wrong: { what: 'names', text } }];
  }

  /** What each of our frames stands for, and each that one of our functions was inlined into. */
  #decoded(): Decoded[] {
    const frames: Decoded[] = [];
    for (const id of this.#ids) {
      const { kind, tier, script, ...place } = this.#frame(id);
      const isOurs = script === filename;
      // Whose frame it is does not rest on what is tested: what is missing from one of ours is wrong.
      if (kind === 'unreadable') frames.push({ tier, isOurs, places: [] });
      else if (kind === 'javascript' && isOurs) frames.at(-1)?.places.push(place);
    }
    return frames.filter(({ isOurs, places }) => isOurs || places.length > 0);
  }

  #frame(id: number): DecodedFrame {
    const known = this.#frames.get(id) ?? this.#binding.profileFrame(id);
    if (known === null) throw new Error('the tables of the profiler are full');
    this.#frames.set(id, known);
    return known;
  }

  #told(): Place[] {
    return this.#sites
      .filter((site) => site.getFileName() === filename)
      .map((site) => ({
        name: site.getFunctionName() ?? '',
        line: site.getLineNumber() ?? 0,
        column: site.getColumnNumber() ?? 0,
      }));
  }
}

function disagreement(ours: readonly Place[], theirs: readonly Place[]): Sight['wrong'] {
  if (ours.length === 0 || named(ours) !== named(theirs)) {
    return { what: 'names', text: `decoded "${named(ours)}", V8 says "${named(theirs)}"` };
  }
  for (const [i, our] of ours.entries()) {
    const their = theirs[i];
    if (their === undefined || (our.line === their.line && our.column === their.column)) continue;
    return { what: 'lines', text: `decoded ${at(our)}, V8 says ${at(their)}` };
  }
  return null;
}
