/**
 * A trial's result, as a view of its record.
 *
 * - RS-1 Nothing that a result gives can change the record: it has getters only, reports are frozen, a config is a copy.
 * - RS-2 A result is cheap until it is read; what is made for a reader (copies, errors, checkpoints) is made once, as long as
 *   what it is made of stays the same.
 * - RS-3 It shows how the trial stands when it is read: of an experiment that goes on it shows that, too.
 */

import { join } from 'node:path';
import { inspect, type InspectOptions } from 'node:util';

import { errorOf } from '../experiment/error-record.ts';
import type { CheckpointRecord, ErrorRecord } from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import type { Checkpoint, ConfigChange, ReportedMetrics, Result } from '../types.ts';
import { copyOfData, deeplyFrozen } from '../data-copies.ts';
import {
  bestCheckpointsOf,
  metricsOfCheckpoint,
  type CheckpointRanking,
} from './kept-checkpoints.ts';

/** How values are made of what is data in a record. */
export interface Revival {
  /** A saved state. `metrics` is the report that it came with; null if it came without one. */
  readonly checkpoint: (
    checkpoint: CheckpointRecord,
    metrics: ReportedMetrics | null,
    trial: TrialRecord,
  ) => Checkpoint;
  /** What `get` of the trial's task would throw. @default `errorOf`: the error of the record */
  readonly error?: (error: ErrorRecord, trial: TrialRecord) => Error;
  /** A config of the trial, for those that hold what is no data. @default a copy */
  readonly config?: (config: unknown, trial: TrialRecord) => unknown;
}

/** What results are made with. */
export interface ResultContext {
  /** The experiment's folder; null where nothing is written to disk. */
  readonly path: string | null;
  readonly revive: Revival;
  readonly ranking: CheckpointRanking;
}

/** The result of a trial. */
export function resultOf<Config>(trial: TrialRecord, context: ResultContext): Result<Config> {
  const { revive, ranking, path } = context;
  const configOf = remembered((config: unknown) =>
    revive.config === undefined ? copyOfData(config) : revive.config(config, trial),
  );
  const reviveError = remembered((error: ErrorRecord) => (revive.error ?? errorOf)(error, trial));
  const reviveCheckpoint = remembered((checkpoint: CheckpointRecord) => {
    const metrics = metricsOfCheckpoint(trial, checkpoint);
    return revive.checkpoint(checkpoint, metrics === null ? null : deeplyFrozen(metrics), trial);
  });
  const historyOf = historyView(trial);
  const result: Result<Config> = {
    get trialId() {
      return trial.header.id;
    },
    get number() {
      return trial.header.number;
    },
    get config() {
      return configOf(trial.config) as Config;
    },
    get configs(): readonly ConfigChange<Config>[] {
      const configs = trial.configs.map(({ iteration, config }) =>
        Object.freeze({ iteration, config: configOf(config) as Config }),
      );
      return Object.freeze(configs);
    },
    get metrics() {
      const last = trial.history.at(-1);
      return last === undefined ? NO_METRICS : deeplyFrozen(last);
    },
    get history() {
      return historyOf();
    },
    get status() {
      return trial.status;
    },
    get stopReason() {
      return trial.stopReason;
    },
    get error() {
      if (trial.status !== 'ERROR' || trial.error === null) return null;
      return reviveError(trial.error);
    },
    get checkpoint() {
      const latest = trial.checkpoints.at(-1);
      return latest === undefined ? null : reviveCheckpoint(latest);
    },
    get bestCheckpoints() {
      return Object.freeze(bestCheckpointsOf(trial, ranking).map(reviveCheckpoint));
    },
    get path() {
      return path === null ? null : join(path, 'trials', trial.header.id);
    },
    get failures() {
      return trial.failures;
    },
    get startedAt() {
      return trial.startedAt;
    },
    get durationMs() {
      return trial.durationMs;
    },
  };
  return Object.setPrototypeOf(result, PRINTED) as Result<Config>;
}

const NO_METRICS: Readonly<Record<string, never>> = Object.freeze({});
const NO_REPORTS: readonly ReportedMetrics[] = Object.freeze([]);

/** Node prints accessors as `[Getter]`; whoever prints a result wants to see what they give. */
const PRINTED: object = Object.create(Object.prototype, {
  [inspect.custom]: {
    value(this: Result, _depth: number, options: InspectOptions) {
      return `Result ${inspect({ ...this }, options)}`;
    },
  },
});

/** A function that gives for one object the same value each time. */
function remembered<From, To>(make: (from: From) => To): (from: From) => To {
  let made: Map<From, To> | undefined;
  return (from) => {
    made ??= new Map();
    if (!made.has(from)) made.set(from, make(from));
    return made.get(from) as To;
  };
}

/** A trial's reports as a frozen list, the same one until there are others. */
function historyView(trial: TrialRecord): () => readonly ReportedMetrics[] {
  let view: readonly ReportedMetrics[] = NO_REPORTS;
  return () => {
    const { history } = trial;
    // Reports are added or replaced at the end only (ER-2), so another history has another length or another last one.
    if (view.length !== history.length || view.at(-1) !== history.at(-1)) {
      view = Object.freeze(history.map(deeplyFrozen));
    }
    return view;
  };
}
