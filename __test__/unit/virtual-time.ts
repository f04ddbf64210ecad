/** A clock and timers that stand still until a test moves them. */
import type { Schedule } from '../../bindings/typescript/src/log-output.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class VirtualTime {
  #now = 0;
  readonly #timers = new Set<Timer>();

  readonly now = (): number => this.#now;

  readonly schedule: Schedule = (callback, delayMs) => {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets the time pass and runs every timer that falls due, at its time and in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end);
      const next = due.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}
