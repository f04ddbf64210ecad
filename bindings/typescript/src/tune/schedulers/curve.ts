/**
 * What a trial has reported so far, by step.
 *
 * - CU-1 Steps ascend. A trial that goes on from an earlier checkpoint reports steps again: the later ones of before are dropped.
 */

import type { Mode } from '../types.ts';

export class Curve {
  readonly #steps: number[] = [];
  readonly #values: number[] = [];

  get steps(): readonly number[] {
    return this.#steps;
  }

  get values(): readonly number[] {
    return this.#values;
  }

  get length(): number {
    return this.#steps.length;
  }

  /** The step before the last one; −1 if there is none. */
  get stepBefore(): number {
    return this.#steps.at(-2) ?? -1;
  }

  /** The largest value with `'max'`, the smallest with `'min'`, among those from `start` up to before `end`. */
  best(mode: Mode, start = 0, end = this.length): number {
    let best = mode === 'max' ? -Infinity : Infinity;
    for (let at = start; at < end; at++) {
      const value = this.#values[at]!;
      if (mode === 'max' ? value > best : value < best) best = value;
    }
    return best;
  }

  /** CU-1. */
  record(step: number, value: number): void {
    let length = this.#steps.length;
    while (length > 0 && this.#steps[length - 1]! >= step) length -= 1;
    this.#steps.length = length;
    this.#values.length = length;
    this.#steps.push(step);
    this.#values.push(value);
  }
}

/** When steps are looked at: from `numWarmupSteps` on, each `intervalSteps`. */
export interface StepInterval {
  readonly numWarmupSteps: number;
  readonly intervalSteps: number;
}

/** Whether the last step is the first one reported since a check was due. Optuna's rule, so that a step left out only delays it. */
export function isCheckDue(curve: Curve, { numWarmupSteps, intervalSteps }: StepInterval): boolean {
  const step = curve.steps.at(-1)!;
  if (step < numWarmupSteps) return false;
  const due = Math.floor((step - numWarmupSteps) / intervalSteps) * intervalSteps + numWarmupSteps;
  return curve.stepBefore < due;
}
