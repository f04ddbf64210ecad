/** Records of experiments, made by their events as a Tuner makes them. */

import type {
  ErrorRecord,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import {
  applyEvent,
  newExperiment,
  type ExperimentRecord,
} from '../../bindings/typescript/src/tune/experiment/record.ts';
import type {
  Metrics,
  ReportedMetrics,
  StopReason,
  TrialStatus,
} from '../../bindings/typescript/src/tune/types.ts';

/** A trial in short. */
export interface TrialSketch {
  readonly number?: number;
  readonly config?: unknown;
  readonly values?: readonly (number | null)[];
  /** What it has reported, in order. */
  readonly reports?: readonly Metrics[];
  /** Iterations at which it has saved a state. */
  readonly checkpoints?: readonly number[];
  /** TERMINATED unless something else is given. */
  readonly status?: TrialStatus;
  readonly stopReason?: StopReason;
  readonly error?: Partial<ErrorRecord>;
  readonly violations?: Readonly<Record<string, number>>;
  /** Of each report. */
  readonly stepMs?: number;
  readonly startedAt?: number;
}

/** When experiments of tests begin. */
export const BEGIN = Date.UTC(2026, 10, 29, 12, 0, 0);

export const LOSS: Partial<ExperimentHeader> = { metrics: ['loss'], modes: ['min'] };

/** An experiment with trials. */
export function experimentOf(
  header: Partial<ExperimentHeader>,
  trials: readonly TrialSketch[],
): ExperimentRecord {
  const experiment = newExperiment({
    name: 'digits',
    metrics: [],
    modes: [],
    seed: 7,
    createdAt: BEGIN,
    parameters: [],
    options: {},
    ...header,
  });
  for (const [place, sketch] of trials.entries()) addTrial(experiment, sketch, place);
  return experiment;
}

/** Adds a trial to an experiment. */
export function addTrial(
  experiment: ExperimentRecord,
  sketch: TrialSketch,
  place = experiment.trials.length,
): void {
  const { number = place, config = {}, values = [], reports = [], status = 'TERMINATED' } = sketch;
  const { startedAt = BEGIN, stepMs = 1000, violations = null } = sketch;
  const id = idOf(number);
  const trial = { number, id, config, values, repeatIndex: null, source: null };
  applyEvent(experiment, { kind: 'trial', trial, at: startedAt });
  if (status === 'PENDING') return;
  applyEvent(experiment, { kind: 'start', number, iteration: 0, at: startedAt });
  for (const [index, metrics] of reports.entries()) {
    const iteration = index + 1;
    const isSaved = sketch.checkpoints?.includes(iteration) === true;
    const path = `trials/${id}/checkpoint_${String(iteration).padStart(6, '0')}`;
    applyEvent(experiment, {
      kind: 'report',
      number,
      metrics: reported(metrics, { id, iteration, stepMs, startedAt }),
      checkpoint: isSaved ? { iteration, path } : null,
      violations,
    });
  }
  const at = startedAt + reports.length * stepMs;
  if (status === 'PAUSED') applyEvent(experiment, { kind: 'pause', number, at });
  if (status !== 'TERMINATED' && status !== 'ERROR') return;
  const isError = status === 'ERROR';
  applyEvent(experiment, {
    kind: 'end',
    number,
    status,
    stopReason: isError ? null : (sketch.stopReason ?? 'finished'),
    error: isError ? errorRecord(sketch.error) : null,
    at,
    durationMs: reports.length * stepMs,
  });
}

export function idOf(number: number): string {
  return String(number).padStart(5, '0');
}

export function errorRecord(error: Partial<ErrorRecord> = {}): ErrorRecord {
  const { name = 'Error', message = 'boom', code = null } = error;
  return { name, message, code, stack: error.stack ?? `${name}: ${message}\n    at train` };
}

function reported(
  metrics: Metrics,
  at: { id: string; iteration: number; stepMs: number; startedAt: number },
): ReportedMetrics {
  return {
    ...metrics,
    trainingIteration: at.iteration,
    timeThisIterMs: at.stepMs,
    timeTotalMs: at.iteration * at.stepMs,
    timestamp: at.startedAt + at.iteration * at.stepMs,
    trialId: at.id,
    pid: 42,
    hostname: 'host',
    done: false,
  } as ReportedMetrics;
}

/** Numbers in [0, 1) that are the same in each run. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
