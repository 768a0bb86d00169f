/**
 * Tells of every EventEmitter that is created, through the one function that Node calls for each: `EventEmitter.init`.
 * It works for modules that were loaded before, for ES modules and for copies of readable-stream alike.
 *
 * The program sees no difference: same `this`, same arguments, same result, same errors. Another tool may have wrapped
 * the function before us (we call it) or wrap it after us (then it cannot be taken out again, and stays as an idle call).
 */
import { EventEmitter } from 'node:events';
import { ownOnly } from '../own-only.js';

type Init = (this: object, options: unknown) => unknown;
type Hookable = { init: Init };

/** `null` while nobody watches: the hook only passes on. */
let listener: ((emitter: object, cut: unknown) => void) | null = null;
let hook: Init | null = null;
let replaced: Init | null = null;

const emitters = EventEmitter as unknown as Hookable;

function install(): Init {
  const original = emitters.init;
  const wrapped = {
    init(this: object, options: unknown): unknown {
      const result = original.call(this, options);
      if (listener !== null) listener(this, wrapped);
      return result;
    },
  }.init;
  Object.defineProperty(wrapped, 'name', ownOnly(Object.getOwnPropertyDescriptor(original, 'name') ?? { value: '' }));
  replaced = original;
  emitters.init = wrapped;
  return wrapped;
}

/** Whether a hook of an earlier session is still called, inside the wrapper of somebody else. */
function isReached(): boolean {
  let reached = false;
  listener = () => {
    reached = true;
  };
  new EventEmitter();
  listener = null;
  return reached;
}

/**
 * Starts to call `onCreate`, which must not throw, for each emitter. Only one listener at a time.
 * `cut` is the innermost function that a stack should not show.
 */
export function watchEmitters(onCreate: (emitter: object, cut: unknown) => void): () => void {
  if (hook === null || !isReached()) hook = install();
  listener = onCreate;
  return () => {
    listener = null;
    if (emitters.init !== hook || replaced === null) return;
    emitters.init = replaced;
    hook = null;
  };
}
