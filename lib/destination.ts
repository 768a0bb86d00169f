/**
 * Where lines go. Writing must never block the loop, keep the process alive, or throw into the host; what cannot be
 * written is counted.
 *
 * Descriptors are written by sonic-boom in its synchronous mode: a line is about 2 KB per interval, an asynchronous
 * write would occupy a thread of the libuv pool and could hold up the exit of the process. Pipes and terminals are
 * opened anew as non-blocking, so that a reader that stalls costs lines, not the service's event loop; the program's
 * own descriptor keeps its mode. A full disk or pipe keeps up to 256 KiB of lines for the next attempt.
 */
import { constants, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { SonicBoom } from 'sonic-boom';
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

function nonBlockingTwin(fd: number, stats: Stats): number {
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_APPEND);
  } catch {
    // No /proc, or not ours to open: the descriptor itself serves, as for the program's own writes.
    return fd;
  }
}

class FileSink implements Sink {
  readonly #boom: SonicBoom;
  /** Path of a file that we opened, hence follow when it is rotated; `null` for descriptors of the program. */
  readonly #path: string | null;
  #identity: string | null = null;
  #nextLookMs = 0;
  #listens = false;
  readonly #onHangUp = () => this.#reopenIfRotated();
  lostLines = 0;

  constructor(destination: string | number) {
    const named = typeof destination === 'string';
    this.#path = named ? destination : null;
    try {
      const fd = named ? destination : nonBlockingTwin(destination, fstatSync(destination));
      this.#boom = new SonicBoom({
        dest: fd,
        sync: true,
        append: true,
        mode: ownerOnly,
        maxLength: keptBytes,
        retryEAGAIN: () => false,
      });
    } catch (error) {
      throw new ExtmemError(
        'ERR_EXTMEM_DESTINATION',
        `Expected destination ${JSON.stringify(destination)} to be writable, received "${messageOf(error)}"; choose another path or descriptor.`,
        { cause: error },
      );
    }
    // A failed write stays in sonic-boom's buffer and goes out with a later line; only a drop is a loss.
    this.#boom.on('error', () => {});
    this.#boom.on('drop', () => {
      this.lostLines++;
    });
    this.#identity = this.#currentIdentity();
  }

  #currentIdentity(): string | null {
    if (this.#path === null) return null;
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    return stats ? `${stats.dev}:${stats.ino}` : null;
  }

  /**
   * Follows a file that was rotated. A program that dies of SIGHUP must go on doing so, thus we listen to it only while
   * the program itself does, and look at the file now and then for those who send no signal.
   */
  #followRotation(): void {
    const othersListen = process.listeners('SIGHUP').some((listener) => listener !== this.#onHangUp);
    if (othersListen !== this.#listens) {
      this.#listens = othersListen;
      if (othersListen) process.on('SIGHUP', this.#onHangUp);
      else process.removeListener('SIGHUP', this.#onHangUp);
    }
    if (performance.now() >= this.#nextLookMs) this.#reopenIfRotated();
  }

  #reopenIfRotated(): void {
    this.#nextLookMs = performance.now() + lookEveryMs;
    try {
      if (this.#currentIdentity() === this.#identity) return;
      this.#boom.reopen();
      this.#identity = this.#currentIdentity();
    } catch {
      // The directory is gone or closed to us: the old file still takes the lines.
    }
  }

  write(line: string): void {
    if (this.#path !== null) this.#followRotation();
    try {
      this.#boom.write(`${line}\n`);
    } catch {
      this.lostLines++;
    }
  }

  close(): void {
    process.removeListener('SIGHUP', this.#onHangUp);
    try {
      this.#boom.flushSync();
    } catch {
      // The destination is full or gone; the lines that it keeps back are lost with the process.
    }
    if (this.#path !== null) this.#boom.end();
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
