/**
 * Where lines go. Writing must never block the loop, keep the process alive, or throw into the host; what cannot be
 * written is counted.
 *
 * Descriptors are written synchronously, 2 KB per interval: an asynchronous write would occupy a thread of the libuv
 * pool and could hold up the exit of the process. Pipes and terminals are opened anew as non-blocking, so that a reader
 * that stalls costs lines, not the service's event loop; the program's own descriptor keeps its mode. While a disk or a
 * pipe is full, up to 256 KiB wait for the next line. (Why not sonic-boom: docs/dependencies.md.)
 */
import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs';
import { ExtmemError, messageOf } from './errors.js';
import type { Destination } from './options.js';

/** Receives lines, without a newline, with the fields they were made of for loggers. */
export interface Sink {
  write(line: string, fields: { level: number; msg: string; extmem: object }): void;
  /** Lines lost since the start. */
  readonly lostLines: number;
  close(): void;
}

const keptBytes = 256 * 1024;
const ownerOnly = 0o600;
/** A look costs 30 µs, and lines that go to the rotated file meanwhile are not lost. */
const lookEveryMs = 30_000;

/** Lines are lost, not buffered, by callbacks and streams of the user that throw or are already closed. */
class CallSink implements Sink {
  readonly #call: (line: string, fields: { level: number; msg: string; extmem: object }) => void;
  lostLines = 0;

  constructor(call: (line: string, fields: { level: number; msg: string; extmem: object }) => void) {
    this.#call = call;
  }

  write(line: string, fields: { level: number; msg: string; extmem: object }): void {
    try {
      this.#call(line, fields);
    } catch {
      // The host's function failed; throwing on would crash the service from a timer of ours.
      this.lostLines++;
    }
  }

  close(): void {}
}

const openFile = (path: string) =>
  openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, ownerOnly);

const identityOf = (stats: Stats) => `${stats.dev}:${stats.ino}`;

/** @throws when the descriptor is not open. */
function nonBlockingTwin(fd: number): number {
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_APPEND);
  } catch {
    // No /proc, or not ours to open: the descriptor itself serves, as for the program's own writes.
    return fd;
  }
}

class FileSink implements Sink {
  #fd: number;
  /** Path of a file that we opened, hence follow when it is rotated; `null` for descriptors of the program. */
  readonly #path: string | null;
  #identity: string | null;
  #nextLookMs = 0;
  #listens = false;
  readonly #onHangUp = () => this.#reopenIfRotated();
  /** Lines, or the rest of one, that the destination did not take yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  lostLines = 0;

  constructor(destination: string | number) {
    this.#path = typeof destination === 'string' ? destination : null;
    try {
      this.#fd = typeof destination === 'string' ? openFile(destination) : nonBlockingTwin(destination);
    } catch (error) {
      throw new ExtmemError(
        'ERR_EXTMEM_DESTINATION',
        `Expected destination ${JSON.stringify(destination)} to be writable, received "${messageOf(error)}"; choose another path or descriptor.`,
        { cause: error },
      );
    }
    this.#identity = identityOf(fstatSync(this.#fd));
  }

  /**
   * Follows a file that was rotated. A program that dies of SIGHUP must go on doing so, thus we listen to it only while
   * the program itself does, and look at the file now and then for those who send no signal.
   */
  #followRotation(): void {
    const othersListen = process.listenerCount('SIGHUP') > (this.#listens ? 1 : 0);
    if (othersListen !== this.#listens) {
      this.#listens = othersListen;
      if (othersListen) process.on('SIGHUP', this.#onHangUp);
      else process.removeListener('SIGHUP', this.#onHangUp);
    }
    if (performance.now() >= this.#nextLookMs) this.#reopenIfRotated();
  }

  #reopenIfRotated(): void {
    if (this.#path === null) return;
    this.#nextLookMs = performance.now() + lookEveryMs;
    try {
      const stats = statSync(this.#path, { throwIfNoEntry: false });
      if (stats !== undefined && identityOf(stats) === this.#identity) return;
      const fd = openFile(this.#path);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#identity = identityOf(fstatSync(fd));
    } catch {
      // The directory is gone or closed to us: the old file still takes the lines.
    }
  }

  write(line: string): void {
    if (this.#path !== null) this.#followRotation();
    if (this.#waitingBytes + line.length > keptBytes) {
      this.lostLines++;
      line = '';
    }
    const bytes = Buffer.from(line === '' ? '' : `${line}\n`);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#drain();
  }

  /** Writes what waits, in order, until the destination refuses. A rest of a line stays first in the queue. */
  #drain(): void {
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = first.length === 0 ? 0 : writeSync(this.#fd, first);
        this.#waitingBytes -= written;
        if (written === first.length) this.#waiting.shift();
        else this.#waiting[0] = first.subarray(written);
      }
    } catch {
      // Full, stalled or closed (ENOSPC, EAGAIN, EPIPE): the next line tries again, and what no longer fits is counted.
    }
  }

  close(): void {
    process.removeListener('SIGHUP', this.#onHangUp);
    this.#drain();
    if (this.#path !== null) closeSync(this.#fd);
  }
}

/** @throws ExtmemError `ERR_EXTMEM_DESTINATION` when a file or descriptor cannot be written. */
export function openSink(destination: Destination): Sink {
  if (destination === 'none') return new CallSink(() => {});
  if (destination === 'stderr') return new FileSink(2);
  if (destination === 'stdout') return new FileSink(1);
  if (typeof destination === 'string' || typeof destination === 'number') return new FileSink(destination);
  if (typeof destination === 'function') return new CallSink((line) => destination(line));
  if ('info' in destination) {
    const logger = destination;
    return new CallSink((_line, { level, msg, extmem }) =>
      level > 30 ? logger.warn({ extmem }, msg) : logger.info({ extmem }, msg),
    );
  }
  const stream = destination;
  const sink = new CallSink((line) => {
    if (!stream.writable || stream.writableLength > keptBytes) throw new Error('closed or stalled');
    stream.write(`${line}\n`);
  });
  // Without a listener, an error that our line provoked would be thrown into the host.
  stream.on('error', () => {
    sink.lostLines++;
  });
  return sink;
}
