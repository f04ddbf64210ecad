/**
 * Which metric a scheduler goes by, and what a report is worth by it.
 *
 * - OB-1 A report without the metric, or with one that is no number, is worth nothing: it is skipped.
 * - OB-2 NaN and infinite values are worth as much as the worst there can be.
 */

import { InvalidArgumentError } from '../../index.ts';
import { metricAt } from '../metrics.ts';
import type { Metrics, Mode, ReportedMetrics } from '../types.ts';
import type { SchedulerSetup } from './scheduler.ts';

/** The options that every scheduler has. */
export interface ObjectiveOptions {
  /** The metric, by its path: `loss`, `eval.loss`. @default the Tuner's */
  readonly metric?: string | undefined;
  /** @default the Tuner's */
  readonly mode?: Mode | undefined;
  /** @default the Tuner's */
  readonly seed?: number | undefined;
}

/** A scheduler's metric, mode and seed: its own, or those of the experiment. */
export class Objective {
  readonly #call: string;
  readonly #options: ObjectiveOptions;
  readonly #needs: 'metric and mode' | 'metric' | 'nothing';
  #setup: SchedulerSetup | undefined;

  constructor(
    call: string,
    options: ObjectiveOptions,
    needs: 'metric and mode' | 'metric' | 'nothing' = 'metric and mode',
  ) {
    this.#call = call;
    this.#options = options;
    this.#needs = needs;
  }

  /** Takes what the experiment has. @throws InvalidArgumentError where something is missing, and the second time */
  begin(setup: SchedulerSetup): void {
    if (this.#setup !== undefined) {
      throw new InvalidArgumentError(
        `${this.#call}: this scheduler belongs to another experiment; make one for each`,
      );
    }
    this.#setup = setup;
    if (this.#needs !== 'nothing') this.#require('metric', this.metric);
    if (this.#needs === 'metric and mode') this.#require('mode', this.mode);
  }

  get metric(): string | undefined {
    return this.#options.metric ?? this.#setup?.metric;
  }

  get mode(): Mode | undefined {
    return this.#options.mode ?? this.#setup?.mode;
  }

  get seed(): number {
    return this.#options.seed ?? this.#setup?.seed ?? 0;
  }

  /** What another scheduler within this one is told. */
  handedOn(): SchedulerSetup {
    return { metric: this.metric, mode: this.mode, seed: this.seed };
  }

  /** As it was reported, NaN and infinite ones too. */
  reported(metrics: ReportedMetrics | Metrics): number | undefined {
    const value = metricAt(metrics, this.#require('metric', this.metric));
    return typeof value === 'number' ? value : undefined;
  }

  /** As it was reported; OB-2. */
  value(metrics: ReportedMetrics | Metrics): number | undefined {
    const value = this.reported(metrics);
    if (value === undefined || Number.isFinite(value)) return value;
    return this.#isMax() ? -Infinity : Infinity;
  }

  /** More is better, whatever the mode is; OB-2. */
  score(metrics: ReportedMetrics | Metrics): number | undefined {
    const value = this.value(metrics);
    if (value === undefined) return undefined;
    return this.#isMax() ? value : -value;
  }

  #isMax(): boolean {
    return this.#require('mode', this.mode) === 'max';
  }

  #require<T>(name: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new InvalidArgumentError(
      `${this.#call}: there is no ${name}; give it here or to the Tuner (with several metrics, here)`,
      { argument: name },
    );
  }
}

/** How far a trial is; undefined if the report does not say it. */
export function timeOf(metrics: ReportedMetrics | Metrics, timeAttr: string): number | undefined {
  const time = metricAt(metrics, timeAttr);
  return typeof time === 'number' && Number.isFinite(time) ? time : undefined;
}
