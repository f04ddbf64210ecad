/** What users write to be tuned: functions, generators and classes. */

import type { Metrics } from '../types.ts';
import type { TrialContext } from './context.ts';

/** What a step of a class gives: metrics, and `done: true` if it was the last one. */
export type StepResult = Metrics & { readonly done?: boolean };

/**
 * A trainable with a state: `setup`, then `step` after `step`, until something stops it or a step is `done`. Every method may be
 * async. Ray's `Trainable` (https://docs.ray.io/en/latest/tune/api/trainable.html).
 */
export abstract class Trainable<Config = unknown, Params = unknown> {
  /** Set before `setup`. */
  config!: Config;
  /** Set before `setup`. */
  trial!: TrialContext<Config>;

  /** Makes the state for a config. `params` are those of `withParameters`. */
  setup?(config: Config, trial: TrialContext<Config>, params: Params): unknown;

  /** Does a piece of the work, and gives its metrics: one report. */
  abstract step(): StepResult | Promise<StepResult>;

  /** The state: any value that a checkpoint can be, or `Checkpoint.fromDirectory(path)`. */
  saveCheckpoint?(): unknown;

  /** Takes what `saveCheckpoint` has given; of a folder it is the `Checkpoint`, with the `path` of its copy. */
  loadCheckpoint?(state: never): unknown;

  /** Takes another config, and starts anew; true if it could: then this instance is used for the next trial. */
  resetConfig?(config: Config): boolean | Promise<boolean>;

  /**
   * Called once, when the last trial of this instance has ended, by itself, by an error or because it was told to: with `resetConfig`
   * it may serve several, and is cleaned up after all of them. Not called where its process is killed or dies. What it throws is
   * a warning.
   */
  cleanup?(): unknown;
}

/** What has to be there of an instance: methods only, so that a class which does not look at its config takes any. */
export interface TrainableInstance<Config = never, Params = never> {
  setup?(config: Config, trial: TrialContext<NoInfer<Config>>, params: Params): unknown;
  step(): StepResult | Promise<StepResult>;
  saveCheckpoint?(): unknown;
  loadCheckpoint?(state: never): unknown;
  resetConfig?(config: Config): boolean | Promise<boolean>;
  cleanup?(): unknown;
}

/** A class of trainables: see {@link Trainable}. */
export type TrainableClass<Config = never, Params = never> = new () => TrainableInstance<
  Config,
  Params
>;

/** What a function or generator may give at the end: one more report, or nothing. */
export type TrainableResult = Metrics | void | undefined | null;

/** What a generator yields: metrics, or metrics and a checkpoint. */
export type YieldedReport = Metrics | readonly [Metrics, { readonly checkpoint?: unknown }];

/** A function that trains with a config. */
export type TrainableFunction<Config = never, Params = never> = (
  config: Config,
  trial: TrialContext<Config>,
  params: Params,
) =>
  | TrainableResult
  | Promise<TrainableResult>
  | Generator<YieldedReport, TrainableResult, void>
  | AsyncGenerator<YieldedReport, TrainableResult, void>;

/** Tells classes of trainables from functions. */
export function isTrainableClass(trainable: unknown): trainable is TrainableClass {
  return (
    typeof trainable === 'function' &&
    typeof (trainable.prototype as { step?: unknown } | undefined)?.step === 'function'
  );
}
