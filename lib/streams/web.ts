/**
 * Streams that are no EventEmitters: WHATWG ReadableStreams and the requests of fetch.
 *
 * Node gives every ReadableStream its state by assigning to one symbol, also those that it makes itself (tee, clone,
 * Blob, fetch). While a setter for that symbol stands on the prototype, the assignment tells us of the stream; the
 * setter then defines the property exactly as the assignment would have. Constructors and methods stay untouched.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ownOnly } from '../own-only.js';
import type { Kind, Look } from './state.js';

interface Queued {
  readonly queueTotalSize?: number;
  /** Only byte streams have it; there the sizes are bytes. */
  readonly pendingPullIntos?: unknown;
}

interface WebState {
  readonly state: 'readable' | 'closed' | 'errored';
  readonly disturbed: boolean;
  readonly reader?: object;
  readonly controller?: object;
}

/** A request of undici, inside Node or from npm. */
interface UndiciRequest {
  readonly completed: boolean;
  readonly aborted: boolean;
}

/** Node's internal symbol. Found when watching starts: loading extmem must not load Node's web streams. */
let stateSymbol: symbol | undefined;

function internals<T>(object: object | undefined): T | undefined {
  return object === undefined ? undefined : (object as Record<symbol, T>)[stateSymbol as symbol];
}

function lookAtWebStream(stream: ReadableStream, look: Look): void {
  const state = internals<WebState>(stream);
  look.settled = state?.state !== 'readable';
  if (state === undefined) return;
  const queue = internals<Queued>(state.controller);
  const size = queue?.queueTotalSize ?? 0;
  const requests = internals<unknown>(state.reader) === undefined ? undefined : readRequests(state.reader);
  if (!state.disturbed) look.state = 'never read';
  else look.state = requests !== undefined && requests > 0 && size === 0 ? 'waiting' : 'paused';
  if (queue?.pendingPullIntos !== undefined) look.bufferedBytes = size;
  look.progress = size + (state.disturbed ? 1 : 0) + (requests ?? 0) * 3;
}

function readRequests(reader: object | undefined): number {
  const state = internals<{ readRequests?: { length: number }; readIntoRequests?: { length: number } }>(reader);
  return (state?.readRequests ?? state?.readIntoRequests)?.length ?? 0;
}

/** `completed` is set by the last byte, `aborted` by a cancelled body and by an error. */
function lookAtRequest(request: UndiciRequest, look: Look): void {
  look.settled = request.completed || request.aborted;
  look.state = 'response not read to its end';
}

export const webStreamKind = lookAtWebStream as Kind;
export const requestKind = lookAtRequest as Kind;

/** Node's internal symbol, or `undefined` in a version that keeps the state elsewhere. */
export function findStateSymbol(): symbol | undefined {
  const { ReadableStream } = require('node:stream/web') as typeof import('node:stream/web');
  try {
    stateSymbol ??= Object.getOwnPropertySymbols(new ReadableStream()).find(
      ({ description }) => description === 'kState',
    );
  } catch {
    // Node 20 cannot make one in a program whose objects inherit a `get`.
  }
  return stateSymbol;
}

/** Calls back for each ReadableStream. Returns how to end it, or `null` when this version of Node does it otherwise. */
export function watchWebStreams(onCreate: (stream: object, cut: unknown) => void): (() => void) | null {
  const { ReadableStream } = require('node:stream/web') as typeof import('node:stream/web');
  const { prototype } = ReadableStream;
  const symbol = findStateSymbol();
  if (symbol === undefined) return null;
  let seen = 0;
  function set(this: object, value: unknown): void {
    Object.defineProperty(
      this,
      symbol as symbol,
      ownOnly({ value, configurable: true, enumerable: true, writable: true }),
    );
    if (seen++ > 0) onCreate(this, set);
  }
  Object.defineProperty(
    prototype,
    symbol,
    ownOnly({ configurable: true, enumerable: false, get: () => undefined, set }),
  );
  const restore = () => void Reflect.deleteProperty(prototype, symbol);
  new ReadableStream();
  if (seen === 1) return restore;
  restore();
  return null;
}

/** Calls back for each request of fetch, with the program's frames still on the stack. */
export function watchRequests(onCreate: (request: object, cut: unknown) => void): () => void {
  const listen = (message: unknown) => onCreate((message as { request: object }).request, listen);
  subscribe('undici:request:create', listen);
  return () => void unsubscribe('undici:request:create', listen);
}
