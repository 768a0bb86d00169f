/**
 * What one stream is doing, read from its flags. Nothing is called that belongs to the program: only properties that
 * Node's own classes define are read, and no listener is added.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Stream } from 'node:stream';
import type { StreamState } from '../site.js';

/** Filled in by a look, so that looking at thousands of streams allocates nothing. */
export interface Look {
  /** Destroyed and closed: nothing is held any more. */
  settled: boolean;
  state: StreamState;
  bufferedBytes: number;
  /** Any change means that somebody used the stream. Wraps around. */
  progress: number;
  fd: number | null;
  /** `TCP`, `Pipe`, …, or `null` when no handle is open. */
  handle: string | null;
  /** An open handle of the event loop keeps it alive, so that no garbage collection is needed to know that it is held. */
  rooted: boolean;
  /** Those of the readable side, when they keep neither the stream nor much else alive. */
  readFlags: ReadFlags | null;
}

/** Of a stream that is dropped with more than this buffered, the flags are not kept: the buffer hangs on them. */
const maxPinnedLength = 64 * 1024;

/** Of Node's ReadableState. `pipes` is an array, or in readable-stream 2 also one stream or `null`. */
export interface ReadFlags {
  readonly destroyed?: boolean;
  readonly endEmitted: boolean;
  readonly length: number;
  readonly pipes: object | null;
}

/** How a class of objects is to be read. `null` in the class table: not a stream. */
export type Kind = (object: never, look: Look) => void;

interface Handle {
  readonly fd?: number;
  readonly constructor?: { readonly name?: string };
}

/** The fields of Node's states and of readable-stream 2 to 4; a field that a version lacks is undefined. */
interface State {
  readonly destroyed?: boolean;
  readonly closed?: boolean;
  readonly emitClose?: boolean;
  readonly errored?: unknown;
  readonly objectMode: boolean;
  readonly length: number;
}

interface ReadState extends State {
  readonly flowing: boolean | null;
  readonly ended: boolean;
  readonly endEmitted: boolean;
  readonly reading: boolean;
  readonly readableListening: boolean;
  readonly dataEmitted?: boolean;
  readonly awaitDrain?: number;
  readonly awaitDrainWriters?: unknown;
}

interface WriteState extends State {
  readonly needDrain: boolean;
  readonly ending: boolean;
  readonly finished: boolean;
  readonly pendingcb: number;
}

interface StreamLike {
  readonly _readableState?: ReadState | null;
  readonly _writableState?: WriteState | null;
}

interface SocketLike extends StreamLike {
  readonly _handle?: Handle | null;
  readonly parser?: object | null;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

interface FileStreamLike extends StreamLike {
  readonly fd: number | null;
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

interface OutgoingLike {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  readonly writableEnded: boolean;
  readonly writableNeedDrain?: boolean;
  readonly writableLength?: number;
  readonly socket?: SocketLike | null;
}

interface ClientRequestLike extends OutgoingLike {
  readonly res?: { readonly _readableState: ReadState } | null;
}

interface LegacyLike {
  readonly destroyed?: boolean;
  readonly closed?: boolean;
  readonly readable?: boolean;
  readonly writable?: boolean;
  readonly writableFinished?: boolean;
  readonly writableEnded?: boolean;
}

const hasOwn = Object.prototype.hasOwnProperty;

/** `_readableState` of a crypto Hash is made by reading it: only own properties are looked at. */
function hasState(object: object): boolean {
  return hasOwn.call(object, '_readableState') || hasOwn.call(object, '_writableState');
}

function isClosed(state: State): boolean {
  // Userland versions have no `closed`; with `emitClose: false` nobody waits for a close.
  return state.destroyed === true && (state.closed !== false || state.emitClose === false);
}

function readSide(state: ReadState): StreamState {
  if (state.awaitDrainWriters != null || (state.awaitDrain ?? 0) > 0) return 'backpressured';
  if (state.flowing === true) return state.length > 0 ? 'backpressured' : 'waiting';
  if (state.readableListening) return state.length > 0 ? 'paused' : 'waiting';
  if (state.flowing === false) return 'paused';
  // userland readable-stream 2 has no `dataEmitted`; `reading` says that somebody asked for data.
  if (state.dataEmitted === true) return state.length > 0 ? 'paused' : 'waiting';
  return 'never read';
}

function writeSide(state: WriteState): StreamState {
  if (state.needDrain && state.length > 0) return 'backpressured';
  return state.ending ? 'ending' : 'open';
}

/** Any stream with state objects: core, subclasses, readable-stream 2 to 4. */
function lookAtStream(stream: StreamLike, look: Look): void {
  const read = stream._readableState ?? null;
  const write = stream._writableState ?? null;
  const any = read ?? write;
  if (any === null) {
    look.settled = true;
    return;
  }
  look.settled = isClosed(any);
  const readDone = read === null || read.endEmitted;
  const writeDone = write === null || write.finished;
  if (any.destroyed === true) look.state = 'destroyed, not closed';
  else if (read?.errored != null || write?.errored != null) look.state = 'errored, not closed';
  else if (readDone && writeDone) look.state = 'ended, not closed';
  else if (!readDone) look.state = readSide(read);
  else look.state = writeSide(write as WriteState);
  if (look.state === 'waiting' && write !== null && write.needDrain && write.length > 0) look.state = 'backpressured';
  if (read !== null) {
    if (!read.objectMode) look.bufferedBytes += read.length;
    look.progress += read.length * 7 + (read.ended ? 1 : 0) + (read.flowing === true ? 2 : 0);
  }
  if (write !== null) {
    if (!write.objectMode) look.bufferedBytes += write.length;
    look.progress += write.length * 13 + (write.ending ? 4 : 0) + write.pendingcb * 31;
  }
}

function takeHandle(handle: Handle, look: Look): void {
  const { fd } = handle;
  look.handle = handle.constructor?.name ?? 'handle';
  look.fd = typeof fd === 'number' && fd >= 0 ? fd : null;
}

/** net.Socket and its subclasses: TLS, TTY, stdio of child processes. */
function lookAtSocket(socket: SocketLike, look: Look): void {
  lookAtStream(socket, look);
  // Node's HTTP parser reads from the handle itself, past the flags of the stream.
  if (look.state === 'never read' && socket.parser != null) look.state = 'waiting';
  lookAtConnection(socket, look);
}

/** zlib, which wraps a handle that does not keep it alive. `gzipSync()` and such close it without destroying the stream. */
function lookAtZlib(stream: SocketLike, look: Look): void {
  lookAtStream(stream, look);
  if (stream._handle == null) look.settled = true;
  else takeHandle(stream._handle, look);
}

function lookAtFile(stream: FileStreamLike, look: Look): void {
  lookAtStream(stream, look);
  look.fd = typeof stream.fd === 'number' ? stream.fd : null;
  look.progress += (stream.bytesRead ?? 0) * 17 + (stream.bytesWritten ?? 0) * 19;
}

/** The open handle of a socket, for the socket itself and for the messages that go over it. */
function lookAtConnection(socket: SocketLike | null | undefined, look: Look): void {
  if (socket?._handle == null) return;
  takeHandle(socket._handle, look);
  look.rooted = true;
  look.progress += socket.bytesRead * 17 + socket.bytesWritten * 19;
}

function lookAtIncoming(message: IncomingMessage & { readonly upgrade?: boolean | null }, look: Look): void {
  lookAtStream(message as unknown as StreamLike, look);
  // It has no body, and the socket is no longer its own.
  if (message.upgrade === true) look.settled = true;
  lookAtConnection(message.socket as unknown as SocketLike, look);
}

function lookAtOutgoing(message: OutgoingLike, look: Look): void {
  look.settled = message.destroyed || message.writableFinished;
  if (message.writableEnded) look.state = 'ending';
  else look.state = message.writableNeedDrain === true ? 'backpressured' : 'open';
  look.bufferedBytes = message.writableLength ?? 0;
  look.progress = look.bufferedBytes;
  lookAtConnection(message.socket, look);
}

/** A request that we send. Node destroys it when its response was read to the end; it knows the line, the response not. */
function lookAtClientRequest(request: ClientRequestLike, look: Look): void {
  lookAtOutgoing(request, look);
  look.settled = request.destroyed;
  if (request.res == null) {
    if (request.writableEnded) look.state = 'waiting';
    return;
  }
  const read = request.res._readableState;
  const state = readSide(read);
  look.state = state === 'never read' || state === 'paused' ? 'response not read to its end' : state;
  look.bufferedBytes += read.length;
  look.progress += read.length * 7 + (read.flowing === true ? 2 : 0);
}

/** Stream subclasses from before state objects: http2's compatibility responses, `through`. */
function lookAtLegacy(stream: LegacyLike, look: Look): void {
  const gone = stream.destroyed === true || stream.closed === true || stream.writableFinished === true;
  look.settled = gone || (stream.readable === false && stream.writable !== true);
  look.state = stream.writableEnded === true ? 'ending' : 'open';
}

function lookAtFileHandle(handle: { readonly fd: number }, look: Look): void {
  look.settled = handle.fd === -1;
  look.state = 'open';
  look.fd = handle.fd;
}

export const socketKind = lookAtSocket as Kind;
export const fileKind = lookAtFile as Kind;
export const fileHandleKind = lookAtFileHandle as Kind;

function readFlagsOf(object: object): ReadFlags | null {
  const flags = (object as { _readableState?: ReadFlags | null })._readableState ?? null;
  if (flags === null || flags.length > maxPinnedLength) return null;
  const piped = Array.isArray(flags.pipes) ? flags.pipes.length > 0 : flags.pipes != null;
  return piped ? null : flags;
}

const look: Look = {
  settled: false,
  state: 'open',
  bufferedBytes: 0,
  progress: 0,
  fd: null,
  handle: null,
  rooted: false,
  readFlags: null,
};

/** One look, valid until the next one; `null` when a getter of the program threw. */
export function lookAt(kind: Kind, object: object): Readonly<Look> | null {
  look.settled = look.rooted = false;
  look.bufferedBytes = look.progress = 0;
  look.fd = look.handle = null;
  try {
    kind(object as never, look);
    look.readFlags = readFlagsOf(object);
    return look;
  } catch {
    // It is not ours to judge what the program built.
    return null;
  }
}

/** How to read the objects of this class, judged by the first one. `null`: not a stream. */
export function kindOf(object: object): Kind | null {
  if (!(object instanceof Stream) && !hasState(object)) return null;
  // Loaded by the first stream, not by the preload of each short process.
  const { ClientRequest, IncomingMessage, OutgoingMessage } = require('node:http') as typeof import('node:http');
  if (object instanceof ClientRequest) return lookAtClientRequest as Kind;
  if (object instanceof OutgoingMessage) return lookAtOutgoing as Kind;
  if (hasState(object)) {
    if (object instanceof Socket) return socketKind;
    if (object instanceof IncomingMessage) return lookAtIncoming as Kind;
    if (hasOwn.call(object, 'fd')) return fileKind;
    if (hasOwn.call(object, '_writeState')) return lookAtZlib as Kind;
    return lookAtStream as Kind;
  }
  return lookAtLegacy as Kind;
}
