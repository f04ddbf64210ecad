/** The calls of one handle that are queued or running, for `maxPendingCalls`. */

/** Fewer calls than this are not worth asking which of them have ended. */
const ASK_MIN = 1024;

export class PendingCalls {
  readonly limit: number;
  /** By the numbers of the calls in this process. Some may have ended since the runtime was asked. */
  private sequences = new Set<number>();
  private askAt: number;

  constructor(limit: number) {
    this.limit = limit;
    this.askAt = Math.min(limit, ASK_MIN);
  }

  /** Whether one more call may be made. `open` gives the calls of the actor, of any handle, that have not ended. */
  hasRoom(open: () => readonly number[]): boolean {
    if (this.sequences.size < this.askAt) return true;
    this.sequences = new Set(open().filter((sequence) => this.sequences.has(sequence)));
    const { size } = this.sequences;
    // Twice as many, so that asking costs each call the same however many are open.
    this.askAt = Math.min(this.limit, Math.max(ASK_MIN, 2 * size));
    return size < this.limit;
  }

  note(sequence: number): void {
    this.sequences.add(sequence);
  }
}
