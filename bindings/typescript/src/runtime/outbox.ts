/**
 * Operations on their way to the native module, and when it reads them.
 *
 * The first call of a turn is handed over at once, further ones some at a time, and what is left when the turn ends (a
 * microtask). In between, the native module's pacemaker looks if the program computes for long.
 */

import { InvalidArgumentError } from '../errors.ts';
import type { HotCalls } from '../native.ts';
import { OPERATION_MAX, type Submission, Submissions } from './submissions.ts';

/** In a turn that makes many calls, so many are handed over at a time: workers begin while others are written. */
const CALLS_PER_FLUSH = 32;

const SETTLED = Promise.resolve();

export class Outbox {
  private readonly submissions = new Submissions();
  private readonly calls: HotCalls;
  private readonly turnEnds: () => void;
  private turnOpen = false;
  /** Calls that were written in this turn since the last were handed over. */
  private turnCalls = 0;

  /** `turnEnds` looks for events, unless the runtime has ended. */
  constructor(calls: HotCalls, turnEnds: () => void) {
    this.calls = calls;
    this.turnEnds = turnEnds;
  }

  /** What the native module reads. */
  get bytes(): Uint8Array {
    return this.submissions.bytes;
  }

  /** Sees to it that this turn's operations are handed over, and events looked for, when it ends. */
  scheduleTurn(): void {
    if (this.turnOpen) return;
    this.turnOpen = true;
    // Cheaper than queueMicrotask, which makes a resource for async_hooks each time.
    void SETTLED.then(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.turnOpen = false;
    this.turnCalls = 0;
    try {
      this.turnEnds();
    } catch (error) {
      // An uncaught exception, as it would be of a microtask, and no rejected promise.
      queueMicrotask(() => {
        throw error;
      });
    }
  };

  /** Makes the native module read all operations; events are looked for when the turn ends. */
  handOver(): void {
    this.scheduleTurn();
    this.flush();
  }

  /** Makes the native module read all operations, for somebody who looks for events next. */
  flush(): void {
    this.calls.flush(0);
    this.submissions.reset();
  }

  /** The native module has read all operations in a call of another kind. */
  wasRead(): void {
    this.submissions.reset();
  }

  define(sequence: number, meta: Uint8Array): void {
    this.reserve(meta.length + 64);
    this.submissions.define(sequence, [], meta);
    this.scheduleTurn();
  }

  release(handle: number): void {
    this.reserve(16);
    this.submissions.release(handle);
    this.scheduleTurn();
  }

  releaseActor(actor: number): void {
    this.reserve(16);
    this.submissions.releaseActor(actor);
    this.scheduleTurn();
  }

  /** Writes a task or call, and hands it over now or with others. */
  submit(submission: Submission, envelopes: Uint8Array): void {
    this.reserve(Submissions.sizeOf(submission));
    this.submissions.submit(submission, envelopes);
    if (!this.turnOpen) this.scheduleTurn();
    else if (++this.turnCalls < CALLS_PER_FLUSH) return;
    this.turnCalls = 0;
    this.calls.flush(1);
    this.submissions.reset();
  }

  private reserve(byteLength: number): void {
    if (this.submissions.fits(byteLength)) return;
    this.handOver();
    if (!this.submissions.fits(byteLength)) {
      throw new InvalidArgumentError(
        `a single remote call takes ${byteLength} bytes besides what is in the store; at most ${OPERATION_MAX} are ` +
          'possible. Pass fewer arguments, or one array that holds them',
        { argument: 'args', value: byteLength, allowed: `at most ${OPERATION_MAX} bytes` },
      );
    }
  }
}
