/**
 * The one session of this isolate, whichever copy of the package started it: before a module cache was cleared, as test
 * runners do for each file, from another installation, or in another vm context. Copies share no module, and contexts
 * not even `globalThis`; what they all share is Node's own registry of channels, which finds a channel by its name.
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { packageRoot, version } from './package.js';
import type { Session } from './session.js';

export interface Running {
  readonly session: Session;
  /** Of the copy that started it. */
  readonly version: string;
  readonly packageRoot: string;
}

/** Published by who looks for the session, and answered before `publish()` returns. */
interface Question {
  answer: Running | null;
}

const name = 'extmem:session';
const questions = channel(name);

export function findRunning(): Running | null {
  const question: Question = { answer: null };
  if (questions.hasSubscribers) questions.publish(question);
  return question.answer;
}

/** From now on it is found. Returns how to end that. */
export function letBeFound(session: Session): () => void {
  const answer = (question: unknown) => {
    (question as Question).answer = { session, version, packageRoot };
  };
  subscribe(name, answer);
  return () => void unsubscribe(name, answer);
}
