/** What comes of runs, as the controller is told of it. */

import { join, sep } from 'node:path';

import {
  InfeasibleResourcesError,
  InvalidArgumentError,
  NotSupportedError,
  SerializationError,
  TaskError,
} from '../../index.ts';
import { recordOf } from '../controller/controller.ts';
import type { Instruction, TrialError, TrialReport } from '../controller/instructions.ts';
import type { Trial } from '../controller/trial.ts';
import { MetricError, StorageError, type TrialEndReason } from '../errors.ts';
import type { ReportMessage } from '../trial/protocol.ts';

/** A report that has come in. */
export function reportOf(message: ReportMessage): TrialReport {
  const [, attempt, report, metrics, checkpoint, done, elapsedMs, timestamp, pid, hostname] =
    message;
  return {
    attempt,
    report,
    metrics,
    checkpoint: checkpoint !== null,
    done,
    elapsedMs,
    timestamp,
    pid,
    hostname,
  };
}

/** Without those that nobody waits for. */
export function withoutAnswers(instructions: readonly Instruction[]): Instruction[] {
  return instructions.filter(({ kind }) => kind !== 'answer');
}

/** The error of a run that could not write into the experiment's folder: the disk's, and not the trial's. */
export function unwrittenIn(thrown: unknown, folder: string | null): StorageError | undefined {
  const cause = thrown instanceof TaskError ? thrown.cause : thrown;
  // An experiment within a trial has a folder of its own, and its errors are the trial's.
  if (folder === null || !(cause instanceof StorageError)) return undefined;
  return cause.path.startsWith(join(folder, 'trials', sep)) ? cause : undefined;
}

/** Why a trial that was told to end for the time being goes on from further back: nothing else says so. */
export function warnOfUnsaved({ id, phase, reason }: Trial, error: unknown): void {
  if (phase !== 'leaving' || reason === undefined || !GOING_ON.has(reason)) return;
  process.emitWarning(
    `the state of trial ${id} could not be saved (${String(error)}): it goes on from its checkpoint before that, or from the beginning`,
    'TuneWarning',
  );
}

/** Why trials end that go on later. */
const GOING_ON: ReadonlySet<TrialEndReason> = new Set(['paused', 'exploited', 'resources']);

/** What has made a run fail, and whether it would do so again. */
export function failureOf(thrown: unknown): TrialError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const cause = error instanceof TaskError ? error.cause : error;
  const isFinal =
    cause instanceof MetricError ||
    cause instanceof InvalidArgumentError ||
    cause instanceof NotSupportedError ||
    cause instanceof SerializationError ||
    cause instanceof InfeasibleResourcesError;
  return { ...recordOf(error), isFinal, original: error };
}
