/**
 * Ctrl-C while an experiment runs: trials stop, it is said what is left of it, and then the signal takes its course. A program that
 * listens to the signals itself is left alone.
 */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** See the file. */
export class Interruption {
  #received: NodeJS.Signals | undefined;
  readonly #handlers = new Map<NodeJS.Signals, () => void>();

  /** `interrupt` is called at the first signal; a second one takes its course at once. */
  constructor(interrupt: () => void) {
    for (const signal of SIGNALS) {
      if (process.listenerCount(signal) > 0) continue;
      const handler = (): void => {
        this.#received = signal;
        this.#stopListening();
        interrupt();
      };
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** Nothing has to be stopped any more: a signal that came takes its course. */
  end(remark: string | null): void {
    this.#stopListening();
    if (this.#received === undefined) return;
    if (remark !== null) process.stderr.write(`${remark}\n`);
    process.kill(process.pid, this.#received);
  }

  #stopListening(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
    this.#handlers.clear();
  }
}
