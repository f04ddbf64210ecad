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

/** Puts markers into both streams of this process. */
export function markOutput(): void {
  mark(process.stdout);
  mark(process.stderr);
  // What Node itself prints of an uncaught error does not pass `write`: an empty output says the name ahead of it.
  process.on('uncaughtExceptionMonitor', () => process.stderr.write(''));
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
