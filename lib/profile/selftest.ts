/**
 * Decides how much of JavaScript frames the profiler may show, on the V8 that runs: a stack whose truth is known is
 * decoded, and compared with what V8 itself says. Each compiler of V8 writes other tables, so each is judged by frames
 * of its own code, and is shown from then on; what samples met before is kept, and shown then too.
 *
 * Nothing makes V8 compile but work, so the functions are run until they have come to the last compiler: a little at a
 * time, and not more than a bound in all. Code of a compiler that they did not come to is never shown.
 */
import type { Binding } from '../binding/binding.js';
import { messageOf } from '../errors.js';
import type { Work } from '../work.js';
import { KnownStack, type Sight } from './known-stack.js';

/** 2 names and lines, 1 names only, 0 neither. */
type Level = 0 | 1 | 2;
type Tier = keyof Binding['tiers'];

/** As V8 climbs them. */
const tiers: readonly Tier[] = ['interpreter', 'baseline', 'maglev', 'turbofan'];
const optimizing: ReadonlySet<Tier> = new Set(['maglev', 'turbofan']);

/** Each look comes after a quarter more runs than the one before, so that it meets every tier; … */
const growth = 1.25;
/** … up to some .1 ms of them at once. */
const maxRunsAtOnce = 512;
/** Some 40 ms in all where the last tier is never reached. It is with 18 to 50 looks, in 10 to 30 ms. */
const maxLooks = 160;

const nativeOnly = (reason: string) => `${reason}: native frames only`;

/** Registers this thread; the reason why its frames are not decoded, or `null`. */
function register(binding: Binding): string | null {
  const missing = binding.profileRegister();
  if (missing === null) return null;
  if (missing.startsWith('/')) return nativeOnly(`${missing} cannot be read`);
  if (missing === 'process_vm_readv') return nativeOnly(`${missing} is forbidden (a sandbox?)`);
  return nativeOnly(`this V8 does not publish ${missing}`);
}

/** For another isolate of the process: its frames are decoded where the same frames are right on its thread too. */
export function testThread(binding: Binding): void {
  try {
    if (register(binding) === null && new KnownStack(binding).look(0).every(({ wrong }) => wrong === null)) return;
  } catch {
    // As if they were wrong.
  }
  binding.profileUnregister();
}

export class StackTest {
  readonly #binding: Binding;
  readonly #seen = new Set<Tier>();
  readonly #levels = new Map<Tier, Level>();
  /** What was wrong, by tier. */
  readonly #wrong = new Map<Tier, string>();
  /** Why there are native frames only. */
  #nothing: string | null = null;
  #ended = false;

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** The first look is at code that has never run. Never throws. */
  *run(): Work<void> {
    try {
      this.#nothing = register(this.#binding);
      if (this.#nothing === null) yield* this.#look();
    } catch (error) {
      this.#nothing = nativeOnly(`the self-test could not run (${messageOf(error)})`);
    }
    this.#ended = true;
    if (this.#nothing === null) return;
    this.#binding.profileLevel(0);
    this.#binding.profileUnregister();
  }

  *#look(): Work<void> {
    let stack = new KnownStack(this.#binding);
    let runs = 16;
    this.#judge(stack.look(0));
    // Who called us is met here, outside of hooks: the first samples have no time for all of a stack.
    this.#binding.profileCapture();
    for (let looks = 0; looks < maxLooks && !this.#isDone(); looks++) {
      yield;
      const sights = stack.look(Math.min(runs, maxRunsAtOnce));
      this.#judge(sights);
      runs *= growth;
      if (this.#levels.has('baseline') || sights.every(({ tier }) => tier !== this.#binding.tiers.turbofan)) continue;
      // Sparkplug compiles some functions at a time: these were optimised before it came to them.
      stack = new KnownStack(this.#binding);
      runs = 16;
    }
  }

  /** V8 optimises by maglev first where it has it. So with turbofan seen, one that was never seen is not in use. */
  #isDone(): boolean {
    if (this.#nothing !== null) return true;
    const isSettled = (tier: Tier) => this.#levels.has(tier);
    return isSettled('baseline') && isSettled('turbofan') && [...this.#seen].every(isSettled);
  }

  #judge(sights: readonly Sight[]): void {
    for (const sight of sights) {
      const tier = tiers.find((name) => this.#binding.tiers[name] === sight.tier);
      if (tier !== undefined) this.#seen.add(tier);
      if (sight.wrong === null) {
        // Optimised code is decoded rightly when what was inlined into it is.
        if (tier !== undefined && (sight.functions > 1 || !optimizing.has(tier))) this.#settle(tier, 2);
        continue;
      }
      const reason = `the self-test failed: ${sight.wrong.text}`;
      if (tier === undefined || tier === 'interpreter') {
        if (sight.wrong.what === 'names') this.#nothing = nativeOnly(reason);
      }
      if (tier === undefined) continue;
      this.#wrong.set(tier, reason);
      this.#settle(tier, sight.wrong.what === 'names' ? 0 : 1);
    }
  }

  /** Wrong once is wrong for good. */
  #settle(tier: Tier, level: Level): void {
    const before = this.#levels.get(tier);
    if (before !== undefined && before <= level) return;
    this.#levels.set(tier, level);
    this.#binding.profileLevel(level, this.#binding.tiers[tier]);
  }

  /** `true`, or what is not shown and why. */
  capability(): true | string {
    if (this.#nothing !== null) return this.#nothing;
    const missing: string[] = [];
    const unseen: Tier[] = [];
    for (const tier of tiers) {
      const level = this.#levels.get(tier);
      const shown = level === 1 ? 'names without lines' : 'names and lines are not shown';
      if (level === undefined) unseen.push(tier);
      else if (level < 2) missing.push(`in code of ${tier} ${shown}: ${this.#wrong.get(tier)}`);
    }
    if (unseen.length > 0 && !this.#isDone()) {
      const why = this.#ended ? 'the self-test did not come to it' : 'until the self-test has come to it';
      missing.push(`names and lines in code of ${unseen.join(', ')} are not shown: ${why}`);
    }
    return missing.length === 0 ? true : missing.join('; ');
  }
}
