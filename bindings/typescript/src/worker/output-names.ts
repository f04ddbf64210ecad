/**
 * Says in the worker's output which task or actor writes it: a marker line before the first output of each.
 *
 * The raylet takes the markers out (`crates/raylet/src/worker_process.rs`). Nothing is written for tasks that print
 * nothing.
 */

const MARKER = '\u001Eeagleray-name:';

let current = '';

/** Names what runs from now on. */
export function nameOutput(name: string): void {
  current = name;
}

/** Puts markers into both streams of this process, and has them written at once. */
export function markOutput(): void {
  markWhenUsed('stdout');
  markWhenUsed('stderr');
  // What Node itself prints of an uncaught error does not pass `write`: an empty output says the name ahead of it.
  process.on('uncaughtExceptionMonitor', () => process.stderr.write(''));
}

/** Node makes a stream when it is used first, which takes longer than all else that a worker does to start. */
function markWhenUsed(name: 'stdout' | 'stderr'): void {
  const property = Object.getOwnPropertyDescriptor(process, name)!;
  const marked = (): NodeJS.WriteStream => {
    Object.defineProperty(process, name, property);
    const stream = process[name];
    writeAtOnce(stream);
    mark(stream);
    return stream;
  };
  // Something that was loaded before has put a stream of its own there.
  if (property.get === undefined) marked();
  else Object.defineProperty(process, name, { ...property, get: marked });
}

/**
 * Node lets what a pipe has no room for wait until the event loop turns, and drops it when the process ends. Written
 * at once, the output of a task has left its process before its result does. Whoever prints waits for the raylet to
 * read; a raylet whose driver is behind reads later.
 */
function writeAtOnce(stream: NodeJS.WriteStream): void {
  const { _handle: handle } = stream as {
    _handle?: { setBlocking?: (blocking: boolean) => number };
  };
  handle?.setBlocking?.(true);
}

function mark(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (...values: unknown[]) => boolean;
  let said = '';
  let atLineStart = true;
  stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
    if (atLineStart && said !== current) {
      said = current;
      write(`${MARKER}${said.replaceAll('\n', ' ')}\n`);
    }
    if (chunk.length > 0) {
      atLineStart =
        typeof chunk === 'string' ? chunk.endsWith('\n') : chunk[chunk.length - 1] === 10;
    }
    return write(chunk, ...rest);
  }) as typeof stream.write;
}
