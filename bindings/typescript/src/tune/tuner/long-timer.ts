/** A timer for any time: Node's own fire at once beyond 2³¹ − 1 milliseconds. */

/** What Node's timers take at most, in milliseconds: 24.8 days. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** See the file. */
export class LongTimer {
  readonly #action: () => void;
  readonly #dueMs: number;
  #timer: NodeJS.Timeout;

  /** Calls `action` after `delayMs`, which may be infinite: then never. */
  constructor(delayMs: number, action: () => void) {
    this.#action = action;
    this.#dueMs = performance.now() + delayMs;
    this.#timer = this.#next();
  }

  /** It does not fire any more. */
  clear(): void {
    clearTimeout(this.#timer);
  }

  #next(): NodeJS.Timeout {
    const leftMs = this.#dueMs - performance.now();
    if (leftMs <= TIMER_MAX_MS) return setTimeout(this.#action, Math.max(0, leftMs));
    return setTimeout(() => {
      this.#timer = this.#next();
    }, TIMER_MAX_MS);
  }
}
