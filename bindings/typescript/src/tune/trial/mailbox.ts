/**
 * Where trials leave their reports and wait for what becomes of them: an actor between the workers and the controller's process,
 * which can't be called itself.
 *
 * - MB-1 A report is answered once for each time it was sent.
 * - MB-2 Nothing in it lasts: if its process dies, both sides send again what was not answered, and the controller knows by the
 *   report's place in its run what it has had already.
 */

import type { TrialEndReason } from '../errors.ts';
import type { Answers, ReportMessage, RunTimeMessage } from './protocol.ts';

/** See the file. */
export class TrialMailbox {
  readonly messages: (ReportMessage | RunTimeMessage)[] = [];
  readonly waiting = new Map<string, (reason: TrialEndReason | null) => void>();
  wake: (() => void) | undefined;

  /** A trial reports, and waits for the answer. */
  async report(message: ReportMessage | RunTimeMessage): Promise<TrialEndReason | null> {
    return new Promise((resolve) => {
      const [number, attempt, report] = message;
      this.waiting.set(keyOf(number, attempt, report), resolve);
      this.messages.push(message);
      this.wake?.();
      this.wake = undefined;
    });
  }

  /** The controller answers, and waits for what trials report next: all that there is. */
  async exchange(answers: Answers): Promise<readonly (ReportMessage | RunTimeMessage)[]> {
    await this.answer(answers);
    if (this.messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.messages.splice(0);
  }

  async answer(answers: Answers): Promise<void> {
    for (let at = 0; at < answers.length; at += 4) {
      const [number, attempt, report, reason] = answers.slice(at, at + 4);
      const key = keyOf(number as number, attempt as number, report as number);
      this.waiting.get(key)?.(reason as TrialEndReason | null);
      this.waiting.delete(key);
    }
  }
}

function keyOf(number: number, attempt: number, report: number): string {
  return `${number}/${attempt}/${report}`;
}
