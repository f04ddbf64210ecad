/**
 * What a trial has reported so far, by step.
 *
 * - CU-1 Steps ascend. A trial that goes on from an earlier checkpoint reports steps again: the later ones of before are dropped.
 * - CU-2 The best up to each report is kept, so that nobody looks through all of them at each one.
 */

import type { Mode } from '../types.ts';

export class Curve {
  readonly #steps: number[] = [];
  readonly #values: number[] = [];
  /** CU-2. Up to each step, with it. */
  readonly #highest: number[] = [];
  readonly #lowest: number[] = [];

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
    const nothing = mode === 'max' ? -Infinity : Infinity;
    if (start === 0) return (mode === 'max' ? this.#highest : this.#lowest)[end - 1] ?? nothing;
    let best = nothing;
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
    for (const column of [this.#steps, this.#values, this.#highest, this.#lowest]) {
      column.length = length;
    }
    const highest = this.best('max');
    const lowest = this.best('min');
    this.#steps.push(step);
    this.#values.push(value);
    this.#highest.push(value > highest ? value : highest);
    this.#lowest.push(value < lowest ? value : lowest);
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
