/** Writes to the standard output and standard error of the driver. */

import { writeSync } from 'node:fs';

/** How long the reader of a pipe may take nothing before what is left for it is dropped. */
export const READER_PATIENCE_MS = 1000;

/** How long to sleep before a full pipe is tried again. */
const RETRY_MS = 1;

/** Standard output or standard error. In a thread they have no descriptor of their own. */
type Output = NodeJS.WritableStream & { readonly fd?: number; readonly writableLength?: number };

const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

/** Streams whose reader has had its time. */
const givenUp = new WeakSet<Output>();

/**
 * Writes as `console.log` does: a reader who has gone, as `head` does when it has seen enough, is no error of the
 * program. Its own writes to `process.stdout` do fail.
 */
export function printWithoutFail(stream: NodeJS.WritableStream, text: string | Uint8Array): void {
  stream.write(text, (error) => {
    // The event comes right after this call.
    if (error && stream.listenerCount('error') === 0) stream.once('error', ignore);
  });
}

function ignore(): void {}

/**
 * Writes when the event loop of this process does not turn any more. Node would write to a pipe only what it has room for
 * then, and drop the rest.
 */
export function printAtEnd(stream: Output, text: string): void {
  const descriptor = emptyDescriptor(stream);
  if (descriptor === undefined) stream.write(text);
  else if (!givenUp.has(stream) && writeAll(descriptor, text) !== undefined) givenUp.add(stream);
}

/**
 * Writes while this thread blocks and the event loop does not turn. Until it does, Node would keep what a pipe has no room
 * for, and something for each write, to a file too. A reader who takes nothing for long gets the rest then.
 */
export function printWhileBlocked(stream: Output, text: string): void {
  const descriptor = emptyDescriptor(stream);
  const rest = descriptor === undefined ? Buffer.from(text) : writeAll(descriptor, text);
  if (rest !== undefined && rest.length > 0) printWithoutFail(stream, rest);
}

/** Writes all, and waits for the reader of a pipe while that takes some. Returns what was not written; a broken pipe takes nothing. */
function writeAll(descriptor: number, text: string): Uint8Array | undefined {
  let bytes: Uint8Array = Buffer.from(text);
  let giveUpAt = performance.now() + READER_PATIENCE_MS;
  while (bytes.length > 0) {
    const written = tryToWrite(descriptor, bytes);
    if (written > 0) {
      bytes = bytes.subarray(written);
      giveUpAt = performance.now() + READER_PATIENCE_MS;
    } else if (written < 0) {
      return new Uint8Array();
    } else if (performance.now() > giveUpAt) {
      return bytes;
    } else {
      Atomics.wait(NEVER_WOKEN, 0, 0, RETRY_MS);
    }
  }
  return undefined;
}

/** The descriptor of a stream in which nothing waits to be written that would have to come first. */
function emptyDescriptor(stream: Output): number | undefined {
  // Whoever has replaced `write` wants to see what is written.
  if (Object.hasOwn(stream, 'write')) return undefined;
  return stream.writableLength === 0 ? stream.fd : undefined;
}

/** The number of bytes that were taken, or -1 if none ever will be. */
function tryToWrite(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : -1;
  }
}
