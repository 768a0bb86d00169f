/**
 * Decides how much of JavaScript frames the profiler may show: it decodes stacks whose truth is known, on the V8 that
 * runs, and compares them with what V8 itself says. Names and lines are only shown when they were right here.
 */
import { Script } from 'node:vm';
import type { Binding } from '../binding/binding.js';
import { callSites } from '../call-sites.js';
import { messageOf } from '../errors.js';
import { ownScheme } from '../package.js';

/** 2 names and lines, 1 names only, 0 native frames only. */
export interface StackLevel {
  readonly level: 0 | 1 | 2;
  /** Why it is not 2; `null` when it is. */
  readonly reason: string | null;
}

const filename = `${ownScheme}selftest`;

/**
 * Functions of several kinds above one another; the innermost call asks for both stacks on one line. `warm` runs them
 * often enough to be compiled by the baseline compiler, whose frames are decoded by other tables.
 */
const source = `(function (look) {
  let found = null;
  function innermost(really) {
    if (!really) return 0;
    found = look();
    return 1;
  }
  let asked = false;
  class Holder {
    held = [1, 2].map(function inMap(item) {
      return item === 2 ? innermost(asked) : 0;
    });
    constructor(really) {
      this.value = 1;
    }
  }
  function* steps(really) {
    asked = really;
    yield new Holder(really);
  }
  const arrow = (really) => {
    const unused = 1;
    return [...steps(really)].length + unused;
  };
  function outer(really) {
    return arrow(really) +
      1;
  }
  return function run(warm) {
    for (let i = 0; i < warm; i++) outer(false);
    outer(true);
    return found;
  };
})`;

interface NamedPosition {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

type Look = () => readonly [stack: number, sites: readonly NodeJS.CallSite[]];

/** Deeper than the functions above and whoever called the test. */
const depth = 64;

function decoded(binding: Binding, stack: number): NamedPosition[] {
  const places: NamedPosition[] = [];
  for (const id of binding.profileStack(stack)) {
    const frame = binding.profileFrame(id);
    if (frame?.script === filename) places.push({ name: frame.name, line: frame.line, column: frame.column });
  }
  return places;
}

function told(sites: readonly NodeJS.CallSite[]): NamedPosition[] {
  return sites
    .filter((site) => site.getFileName() === filename)
    .map((site) => ({
      name: site.getFunctionName() ?? '',
      line: site.getLineNumber() ?? 0,
      column: site.getColumnNumber() ?? 0,
    }));
}

/** The first disagreement, or `null`. */
function disagreement(
  ours: readonly NamedPosition[],
  theirs: readonly NamedPosition[],
): { what: 'names' | 'lines'; text: string } | null {
  const names = (places: readonly NamedPosition[]) => places.map((place) => place.name).join(' < ');
  if (theirs.length < 6 || names(ours) !== names(theirs)) {
    return { what: 'names', text: `decoded "${names(ours)}", V8 says "${names(theirs)}"` };
  }
  for (const [i, place] of ours.entries()) {
    const truth = theirs[i];
    if (truth !== undefined && (place.line !== truth.line || (i > 0 && place.column !== truth.column))) {
      const at = ({ line, column }: NamedPosition) => `${line}:${column}`;
      return { what: 'lines', text: `decoded ${place.name} at ${at(place)}, V8 says ${at(truth)}` };
    }
  }
  return null;
}

/** Registers this thread and tests what is decoded on it; sets the level of the process. Never throws. */
export function testStacks(binding: Binding): StackLevel {
  binding.profileLevel(2);
  const tested = testThread(binding);
  binding.profileLevel(tested.level);
  return tested;
}

/** The same for another isolate of the process, at the level that the first one found. */
export function testThread(binding: Binding): StackLevel {
  const tested = tryStacks(binding);
  if (tested.level === 0) binding.profileUnregister();
  return tested;
}

function tryStacks(binding: Binding): StackLevel {
  try {
    const missing = binding.profileRegister();
    if (missing !== null) {
      const reason = missing.startsWith('/')
        ? `${missing} cannot be read`
        : missing === 'process_vm_readv'
          ? `${missing} is forbidden (a sandbox?)`
          : `this V8 does not publish ${missing}`;
      return { level: 0, reason: `${reason}: native frames only` };
    }
    const look: Look = () => [binding.profileCapture(), callSites(look, depth) ?? []];
    const make = new Script(source, { filename }).runInThisContext() as (
      look: Look,
    ) => (warm: number) => ReturnType<Look>;
    // Interpreter first; the second round is hot enough for the baseline compiler.
    for (const warm of [0, 1500]) {
      const [stack, sites] = make(look)(warm);
      const wrong = disagreement(decoded(binding, stack), told(sites));
      if (wrong?.what === 'names')
        return { level: 0, reason: `the self-test failed: ${wrong.text}: native frames only` };
      if (wrong?.what === 'lines')
        return { level: 1, reason: `the self-test failed: ${wrong.text}: names without lines` };
    }
    return { level: 2, reason: null };
  } catch (error) {
    return { level: 0, reason: `the self-test could not run (${messageOf(error)}): native frames only` };
  }
}
