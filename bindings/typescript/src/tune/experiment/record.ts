/**
 * The state of an experiment as its events have made it: what `restore`, results and all outputs read.
 *
 * - ER-1 Trials are in order of their numbers.
 * - ER-2 A history has each iteration once, in order: a trial that goes on from iteration i loses its later reports.
 */

import type { ReportedMetrics, StopReason, TrialResources, TrialStatus } from '../types.ts';
import type {
  CheckpointRecord,
  ErrorRecord,
  ExperimentEvent,
  ExperimentHeader,
  TrialEvent,
  TrialHeader,
} from './events.ts';
import { isTrialEvent } from './events.ts';

/** A trial as its events have made it. */
export interface TrialRecord {
  readonly header: TrialHeader;
  /** The last one. */
  config: unknown;
  values: readonly (number | null)[];
  /** Each config that it has run with, and from which iteration on. */
  readonly configs: { readonly iteration: number; readonly config: unknown }[];
  status: TrialStatus;
  stopReason: StopReason | null;
  error: ErrorRecord | null;
  readonly history: ReportedMetrics[];
  /** Of the last report. */
  violations: Readonly<Record<string, number>> | null;
  /** Those that are kept, by iteration. */
  readonly checkpoints: CheckpointRecord[];
  /** Null: those of the experiment. */
  resources: TrialResources | null;
  failures: number;
  /** Run time up to the end of the last run that has failed, in milliseconds: it counts, whatever the trial goes on from. */
  failedMs: number;
  startedAt: number | null;
  endedAt: number | null;
  durationMs: number;
}

/** An experiment as its events have made it. */
export interface ExperimentRecord {
  /** With the options of its last process. */
  header: ExperimentHeader;
  readonly trials: TrialRecord[];
}

/** Without trials. */
export function newExperiment(header: ExperimentHeader): ExperimentRecord {
  return { header, trials: [] };
}

/** The trial with a number. */
export function trialOf(experiment: ExperimentRecord, number: number): TrialRecord | undefined {
  const { trials } = experiment;
  // Numbers are places unless somebody else has written trials into the journal.
  if (trials[number]?.header.number === number) return trials[number];
  return trials.find((trial) => trial.header.number === number);
}

/** Brings the record up to date. What is about trials that there are not is ignored: whoever reads a file has said so already. */
export function applyEvent(experiment: ExperimentRecord, event: ExperimentEvent): void {
  if (isTrialEvent(event)) {
    const trial = trialOf(experiment, event.number);
    if (trial !== undefined) applyToTrial(trial, event);
  } else if (event.kind === 'trial') {
    addTrial(experiment, newTrial(event.trial));
  } else if (event.kind === 'restore' && event.options !== undefined) {
    experiment.header = { ...experiment.header, options: event.options };
  }
}

/** A trial that is PENDING. */
export function newTrial(header: TrialHeader): TrialRecord {
  return {
    header,
    config: header.config,
    values: header.values,
    configs: [{ iteration: 0, config: header.config }],
    status: 'PENDING',
    stopReason: null,
    error: null,
    history: [],
    violations: null,
    checkpoints: [],
    resources: null,
    failures: 0,
    failedMs: 0,
    startedAt: null,
    endedAt: null,
    durationMs: 0,
  };
}

/** The same for a single trial. */
export function applyToTrial(trial: TrialRecord, event: TrialEvent): void {
  switch (event.kind) {
    case 'start':
      trial.status = 'RUNNING';
      trial.startedAt ??= event.at;
      trial.history.length = placeAfter(trial.history, event.iteration);
      break;
    case 'report':
      trial.history.push(event.metrics);
      trial.violations = event.violations;
      trial.durationMs = event.metrics.timeTotalMs;
      if (event.checkpoint !== null) keepCheckpoint(trial, event.checkpoint);
      break;
    case 'checkpoint':
      keepCheckpoint(trial, event.checkpoint);
      break;
    case 'dropped': {
      const kept = trial.checkpoints.filter(
        ({ iteration }) => !event.iterations.includes(iteration),
      );
      trial.checkpoints.splice(0, Infinity, ...kept);
      break;
    }
    case 'pause':
      trial.status = 'PAUSED';
      break;
    case 'requeue':
      trial.status = 'PENDING';
      trial.durationMs = event.durationMs;
      if (event.error !== null) {
        trial.failures += 1;
        trial.failedMs = event.durationMs;
      }
      break;
    case 'exploit':
      trial.config = event.config;
      trial.values = event.values;
      trial.configs.push({ iteration: event.checkpoint?.iteration ?? 0, config: event.config });
      if (event.checkpoint === null) break;
      trial.checkpoints.splice(0, Infinity, event.checkpoint);
      // From now on its time is that of the state.
      trial.failedMs = 0;
      break;
    case 'resources':
      trial.resources = event.resources;
      break;
    case 'end':
      trial.status = event.status;
      trial.stopReason = event.stopReason;
      trial.error = event.error;
      trial.endedAt = event.at;
      trial.durationMs = event.durationMs;
      markLast(trial.history);
      break;
  }
}

function addTrial(experiment: ExperimentRecord, trial: TrialRecord): void {
  const { trials } = experiment;
  const last = trials.at(-1);
  trials.push(trial);
  if (last !== undefined && last.header.number > trial.header.number) {
    trials.sort((one, other) => one.header.number - other.header.number);
  }
}

function keepCheckpoint(trial: TrialRecord, checkpoint: CheckpointRecord): void {
  const { checkpoints } = trial;
  const same = checkpoints.findIndex(({ iteration }) => iteration >= checkpoint.iteration);
  if (same === -1) checkpoints.push(checkpoint);
  else checkpoints.splice(same, Infinity, checkpoint);
}

/** How many reports there are up to an iteration. */
function placeAfter(history: readonly ReportedMetrics[], iteration: number): number {
  const later = history.findIndex((metrics) => metrics.trainingIteration > iteration);
  return later === -1 ? history.length : later;
}

function markLast(history: ReportedMetrics[]): void {
  const last = history.at(-1);
  if (last !== undefined) history[history.length - 1] = { ...last, done: true };
}
