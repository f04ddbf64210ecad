/**
 * Ctrl-C while experiments run: trials stop, it is said what is left of them, and then the signal takes its course. A program that
 * listens to the signals itself is left alone.
 *
 * - IN-1 All runs of a process have one listener for a signal: of two that each have their own, one would take the other for the
 *   program's.
 * - IN-2 The signal takes its course when the last run has ended, which may have to save until then.
 */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Those that run. */
const live = new Set<Interruption>();

/** Our listeners. */
const listeners = new Map<NodeJS.Signals, () => void>();

/** The one that came, until it takes its course. */
let received: NodeJS.Signals | undefined;

/** See the file. */
export class Interruption {
  readonly #interrupt: () => void;

  /** `interrupt` is called at the first signal; a second one takes its course at once. */
  constructor(interrupt: () => void) {
    this.#interrupt = interrupt;
    live.add(this);
    // The process is about to end.
    if (received !== undefined) interrupt();
    else listen();
  }

  /** Nothing has to be stopped any more: a signal that came takes its course. */
  end(remark: string | null): void {
    if (!live.delete(this)) return;
    if (received !== undefined && remark !== null) process.stderr.write(`${remark}\n`);
    if (live.size > 0) return;
    stopListening();
    const signal = received;
    received = undefined;
    if (signal !== undefined) process.kill(process.pid, signal);
  }

  /** A signal came. */
  static onSignal(signal: NodeJS.Signals): void {
    received = signal;
    stopListening();
    for (const interruption of live) interruption.#interrupt();
  }
}

function listen(): void {
  for (const signal of SIGNALS) {
    if (listeners.has(signal) || process.listenerCount(signal) > 0) continue;
    const listener = (): void => Interruption.onSignal(signal);
    listeners.set(signal, listener);
    process.on(signal, listener);
  }
}

function stopListening(): void {
  for (const [signal, listener] of listeners) process.off(signal, listener);
  listeners.clear();
}
