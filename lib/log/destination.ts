/**
 * Where lines go. Writing must never block the loop, keep the process alive, or throw into the host; what cannot be
 * written is counted.
 *
 * Descriptors are written synchronously, 2.5 KiB per interval: an asynchronous write would occupy a thread of the libuv
 * pool and could hold up the exit of the process. Pipes and terminals are opened anew as non-blocking, so that a reader
 * that stalls costs lines, not the service's event loop; the program's own descriptor keeps its mode. Sockets, which a
 * Node parent gives its children, are written by the addon without waiting; where there is no addon a write may wait, as
 * the program's own does. While a disk or a pipe is full, up to 256 KiB wait for the next line. (Why not sonic-boom: docs/dependencies.md.)
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import type { Writable } from 'node:stream';
import type { Binding } from '../binding/binding.js';
import { ExtmemError, messageOf } from '../errors.js';
import type { Destination } from '../options.js';
import { ownOnly } from '../own-only.js';

/** Receives lines, without a newline, with the fields they were made of for loggers. */
export interface Sink {
  write(line: string, fields: LineFields): void;
  /** Lines lost since the start. */
  readonly lostLines: number;
  close(): void;
}

interface LineFields {
  readonly level: number;
  readonly msg: string;
  readonly extmem: object;
}

const keptBytes = 256 * 1024;
const ownerOnly = 0o600;
/** A look costs 30 µs, and lines that go to the rotated file meanwhile are not lost. */
const lookEverySeconds = 30;

/** Lines are lost, not buffered, by callbacks and streams of the user that throw or are already closed. */
class CallSink implements Sink {
  readonly #call: (line: string, fields: LineFields) => unknown;
  readonly close: () => void;
  lostLines = 0;

  constructor(call: (line: string, fields: LineFields) => unknown, close: () => void = () => {}) {
    this.#call = call;
    this.close = close;
  }

  write(line: string, fields: LineFields): void {
    // The host's function failed; throwing or rejecting on would crash the service from a timer of ours.
    try {
      Promise.resolve(this.#call(line, fields)).catch(() => this.lostLines++);
    } catch {
      this.lostLines++;
    }
  }
}

/** Without O_NOCTTY a daemon that logs to a terminal would get it as its own, and die when it hangs up. */
const openFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;

const identityOf = (stats: Stats) => `${stats.dev}:${stats.ino}`;

function isReadOnly(fd: number): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) === constants.O_RDONLY;
}

/**
 * A pipe whose reading end is in this process is how libuv talks to itself, or how the program does: bytes of ours in it
 * would be taken for pointers. A process that may not list its descriptors cannot know, and gets the error of that.
 */
function isReadHere(pipe: Stats): boolean {
  return readdirSync('/proc/self/fd').some((name) => {
    try {
      return identityOf(fstatSync(Number(name))) === identityOf(pipe) && isReadOnly(Number(name));
    } catch {
      // The descriptor of this very listing is closed by now.
      return false;
    }
  });
}

/** The channel to a parent that forked this process takes each line for a message. */
function isChannel(socket: Stats): boolean {
  const { fd } = (process.channel ?? {}) as { fd?: number };
  return fd !== undefined && fd >= 0 && identityOf(fstatSync(fd)) === identityOf(socket);
}

/**
 * Judges what a descriptor is, never how it was named: 6, `/dev/fd/6`, `/proc/self/fd/6` and a link to any of them are the
 * same pipe, and `EXTMEM_DEST=6` without a `6>` is all it takes to name one.
 * @throws when it is nothing that lines may go to.
 */
function checkKind(fd: number): void {
  const stats = fstatSync(fd);
  if (stats.isFIFO() && isReadHere(stats)) throw new Error('the pipe is read by this process itself');
  if (stats.isSocket() && isChannel(stats)) throw new Error('it is the channel to the parent process');
  if (stats.isFIFO() || stats.isSocket() || stats.isFile() || stats.isCharacterDevice()) return;
  throw new Error('it is no file, pipe, socket or terminal');
}

/** @throws when the path cannot be opened, or is nothing to write to. */
function openFile(path: string): number {
  const fd = openSync(path, openFlags | constants.O_CREAT, ownerOnly);
  try {
    checkKind(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** What the program itself writes to is where it wants its text, whatever that is by now. */
const isStandard = (destination: string | number) => destination === 1 || destination === 2;

/** @throws when the descriptor is not open, or is none to write to. */
function nonBlockingTwin(fd: number): number {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    try {
      return openFile(`/proc/self/fd/${fd}`);
    } catch (error) {
      // No /proc, or not ours to open: standard output and error serve as they are, as for the program's own writes.
      if (isStandard(fd)) return fd;
      throw error;
    }
  }
  if (!isStandard(fd)) checkKind(fd);
  return fd;
}

class FileSink implements Sink {
  #fd: number;
  /** Path of a file that we opened, hence follow when it is rotated; `null` for descriptors of the program. */
  readonly #path: string | null;
  /** Whether the descriptor was opened here, so that closing it is ours too. */
  readonly #ours: boolean;
  readonly #isStandard: boolean;
  /** Sockets cannot be opened anew; the addon writes to them without waiting. `null` for everything else. */
  readonly #send: Binding['sendNow'] | null;
  #identity: string;
  #nextLookSeconds = process.uptime() + lookEverySeconds;
  #listens = false;
  /** Lines, or the rest of one, that the destination did not take yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #firstIsRest = false;
  lostLines = 0;

  constructor(destination: string | number, binding: Binding | null) {
    this.#path = typeof destination === 'string' ? destination : null;
    let stats: Stats;
    try {
      this.#fd = typeof destination === 'string' ? openFile(destination) : nonBlockingTwin(destination);
      stats = fstatSync(this.#fd);
    } catch (error) {
      throw new ExtmemError(
        'ERR_EXTMEM_DESTINATION',
        `Expected destination ${JSON.stringify(destination)} to be writable, received "${messageOf(error)}"; choose another path or descriptor.`,
        { cause: error },
      );
    }
    this.#ours = this.#fd !== destination;
    this.#isStandard = isStandard(this.#fd);
    this.#send = stats.isSocket() && binding !== null ? (fd, bytes) => binding.sendNow(fd, bytes) : null;
    this.#identity = identityOf(stats);
  }

  /**
   * Follows a file that was rotated. A program that dies of SIGHUP must go on doing so, thus we listen to it only while
   * the program itself does, and look at the file now and then for those who send no signal.
   */
  #followRotation(): void {
    const othersListen = process.listenerCount('SIGHUP') > (this.#listens ? 1 : 0);
    if (othersListen !== this.#listens) this.#listen(othersListen);
    if (process.uptime() >= this.#nextLookSeconds) this.#reopenIfRotated();
  }

  #listen(on: boolean): void {
    this.#listens = on;
    if (on) process.prependListener('SIGHUP', this.#onHangUp);
    else process.removeListener('SIGHUP', this.#onHangUp);
  }

  readonly #onHangUp = () => {
    this.#reopenIfRotated();
    if (process.listenerCount('SIGHUP') > 1) return;
    // The program stopped listening since: without us the signal would have ended it.
    this.#listen(false);
    process.kill(process.pid, 'SIGHUP');
  };

  #reopenIfRotated(): void {
    if (this.#path === null) return;
    this.#nextLookSeconds = process.uptime() + lookEverySeconds;
    try {
      const there = statSync(this.#path, ownOnly({ throwIfNoEntry: false } as const));
      const stillOurs = this.#owns();
      if (stillOurs && there !== undefined && identityOf(there) === this.#identity) return;
      const fd = openFile(this.#path);
      if (stillOurs) closeSync(this.#fd);
      this.#fd = fd;
      this.#identity = identityOf(fstatSync(fd));
      if (this.#firstIsRest) this.#dropRest();
    } catch {
      // The directory is gone or closed to us: the old file still takes the lines.
    }
  }

  /** False when the program closed the descriptor, as daemons do, and perhaps opened something else under its number. */
  #owns(): boolean {
    try {
      return identityOf(fstatSync(this.#fd)) === this.#identity;
    } catch {
      return false;
    }
  }

  /** The end of a line makes no sense without its beginning, which the old file has. */
  #dropRest(): void {
    this.#waitingBytes -= this.#waiting.shift()?.length ?? 0;
    this.#firstIsRest = false;
    this.lostLines++;
  }

  write(line: string): void {
    if (this.#path !== null) this.#followRotation();
    if (!this.#isStandard && !this.#owns()) {
      this.#reopenIfRotated();
      if (!this.#owns()) {
        this.lostLines++;
        return;
      }
    }
    const bytes = Buffer.from(`${line}\n`);
    if (this.#waitingBytes + bytes.length > keptBytes) this.lostLines++;
    else {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
    this.#drain();
  }

  /** Writes what waits, in order, until the destination refuses. A rest of a line stays first in the queue. */
  #drain(): void {
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = this.#send === null ? writeSync(this.#fd, first) : this.#send(this.#fd, first);
        if (written <= 0) return;
        this.#waitingBytes -= written;
        this.#firstIsRest = written < first.length;
        if (this.#firstIsRest) this.#waiting[0] = first.subarray(written);
        else this.#waiting.shift();
      }
    } catch {
      // Full, stalled or closed (ENOSPC, EAGAIN, EPIPE): the next line tries again, and what no longer fits is counted.
    }
  }

  close(): void {
    this.#listen(false);
    if (!this.#isStandard && !this.#owns()) return;
    this.#drain();
    if (this.#ours) closeSync(this.#fd);
  }
}

/** @throws ExtmemError `ERR_EXTMEM_DESTINATION` when a file or descriptor cannot be written. */
export function openSink(destination: Destination, binding: Binding | null): Sink {
  if (destination === 'none') return new CallSink(() => {});
  if (destination === 'stderr') return new FileSink(2, binding);
  if (destination === 'stdout') return new FileSink(1, binding);
  if (typeof destination === 'string' || typeof destination === 'number') return new FileSink(destination, binding);
  if (typeof destination === 'function') return new CallSink((line) => destination(line));
  if ('info' in destination) {
    const logger = destination;
    return new CallSink((_line, { level, msg, extmem }) =>
      level > 30 ? logger.warn({ extmem }, msg) : logger.info({ extmem }, msg),
    );
  }
  return openStreamSink(destination);
}

/**
 * Without a listener, an error that a line of ours provoked would be thrown into the host. It stays until the last of
 * our writes has come to its end, so that errors after that are the host's again.
 */
function openStreamSink(stream: Writable): Sink {
  let pending = 0;
  let closed = false;
  const onError = () => {
    sink.lostLines++;
  };
  const release = () => {
    if (closed && pending === 0) stream.removeListener('error', onError);
  };
  const sink = new CallSink(
    (line) => {
      if (!stream.writable || stream.writableLength > keptBytes) throw new Error('closed or stalled');
      pending++;
      // The error event follows the callback.
      stream.write(`${line}\n`, () =>
        setImmediate(() => {
          pending--;
          release();
        }),
      );
    },
    () => {
      closed = true;
      release();
    },
  );
  stream.on('error', onError);
  return sink;
}
