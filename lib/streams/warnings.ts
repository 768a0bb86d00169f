/**
 * MaxListenersExceededWarning, with the line that added the listener. People know this symptom of streams that are
 * piped or listened to again and again. A listener for 'warning' would be visible to the program; this is not.
 */
import { ownOnly } from '../own-only.js';
import type { Frame } from '../site.js';
import { type Creator, captureSite } from './capture.js';

export interface ListenerWarning {
  /** Class of the emitter. */
  readonly className: string;
  readonly event: string;
  readonly count: number;
  readonly site: string;
  readonly frames: readonly Frame[];
}

type EmitWarning = (this: unknown, ...args: unknown[]) => unknown;

/** Node warns once per emitter and event, so a leak of emitters could warn without end. */
const maxKept = 50;

interface Warning {
  readonly name?: unknown;
  readonly emitter?: { readonly constructor?: { readonly name?: unknown } };
  readonly type?: unknown;
  readonly count?: unknown;
}

function warningOf(warning: Warning, { site, frames }: Creator): ListenerWarning {
  const className = warning.emitter?.constructor?.name;
  return {
    className: typeof className === 'string' ? className : 'EventEmitter',
    event: String(warning.type),
    count: typeof warning.count === 'number' ? warning.count : 0,
    site,
    frames,
  };
}

/** Collects into `kept`. Returns how to end it. */
export function watchWarnings(kept: ListenerWarning[]): () => void {
  const target = process as unknown as { emitWarning: EmitWarning };
  const original = target.emitWarning;
  let active = true;
  const { emitWarning } = {
    emitWarning(this: unknown, ...args: unknown[]): unknown {
      if (active && kept.length < maxKept) notice(args[0]);
      return Reflect.apply(original, this, args);
    },
  };
  function notice(warning: unknown): void {
    if (!(warning instanceof Error) || warning.name !== 'MaxListenersExceededWarning') return;
    try {
      kept.push(warningOf(warning as Warning, captureSite(emitWarning)));
    } catch {
      // An emitter with hostile getters: the warning itself still reaches the program.
    }
  }
  Object.defineProperty(emitWarning, 'length', ownOnly({ value: original.length, configurable: true }));
  target.emitWarning = emitWarning;
  return () => {
    active = false;
    if (target.emitWarning === emitWarning) target.emitWarning = original;
  };
}
