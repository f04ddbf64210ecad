/**
 * Waits for code of the program that an experiment waits for, such as its callbacks, and says so where it takes long.
 *
 * - PA-1 Whoever waits is told for what, once it takes long: nothing hangs in silence.
 * - PA-2 After an interruption nobody is waited for any longer than trials are. What was given up is left alone from then on: nobody
 *   knows what state it is in.
 */

/** So long something may take before it is said, and after an interruption before it is given up; as trials have to end. */
export const PATIENCE_MS = 10_000;

/** See the file. */
export class Patience {
  readonly #patienceMs: number;
  readonly #abandoned = new Set<object>();
  #isInterrupted = false;
  /** Of those that are waited for: called at an interruption. */
  readonly #waits = new Set<() => void>();

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs;
  }

  /** From now on nothing is waited for without end. */
  interrupt(): void {
    this.#isInterrupted = true;
    for (const each of this.#waits) each();
  }

  /** Whether something was given up. */
  hasGivenUp(owner: object): boolean {
    return this.#abandoned.has(owner);
  }

  /**
   * What a promise gives; undefined if it is given up.
   *
   * @param owner what is left alone when it is given up
   * @param name what a warning calls it
   */
  async waitFor<Value>(
    owner: object,
    name: string,
    promise: PromiseLike<Value>,
  ): Promise<Value | undefined> {
    const seconds = this.#patienceMs / 1000;
    let isLong = false;
    let timer: NodeJS.Timeout | undefined;
    let interrupted: (() => void) | undefined;
    const givenUp = new Promise<undefined>((resolve) => {
      const abandon = (): void => {
        this.#abandoned.add(owner);
        const after = `has not settled within ${seconds} s`;
        process.emitWarning(
          `${name} ${after}, and the experiment is interrupted: it is not waited for any more`,
        );
        resolve(undefined);
      };
      const becomeLong = (): void => {
        isLong = true;
        if (this.#isInterrupted) abandon();
        else {
          process.emitWarning(
            `${name} has not settled for ${seconds} s; the experiment waits for it`,
          );
        }
      };
      const begin = (): void => {
        clearTimeout(timer);
        timer = setTimeout(becomeLong, this.#patienceMs);
      };
      interrupted = () => (isLong ? abandon() : begin());
      begin();
    });
    this.#waits.add(interrupted!);
    try {
      return await Promise.race([promise, givenUp]);
    } finally {
      clearTimeout(timer);
      this.#waits.delete(interrupted!);
    }
  }
}
