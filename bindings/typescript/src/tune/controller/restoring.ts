/**
 * Takes up an earlier process's work: what it has recorded is replayed, and what it had decided and not carried out is carried out now.
 * Further trials are begun by nobody here.
 */

import type { ExperimentEvent } from '../experiment/events.ts';
import type { Endings } from './endings.ts';
import { goOnFromLatest } from './going-on.ts';
import type { Ledger } from './ledger.ts';
import type { NewTrials } from './new-trials.ts';
import type { Proposals } from './proposals.ts';
import { type Decided, replay } from './replay.ts';
import { finalError } from './reports.ts';
import type { Runs } from './runs.ts';
import type { Samples } from './samples.ts';
import type { SavedStates } from './saved-states.ts';
import type { ControllerSetup, RestoreOptions } from './setup.ts';
import type { TrialTable } from './trial-table.ts';
import type { Trial } from './trial.ts';
import type { Wishes } from './wishes.ts';

/** The parts of a controller, which have seen nothing yet. */
export interface ControllerParts {
  readonly setup: ControllerSetup;
  readonly table: TrialTable;
  readonly ledger: Ledger;
  readonly samples: Samples;
  readonly proposals: Proposals;
  readonly wishes: Wishes;
  readonly runs: Runs;
  readonly savedStates: SavedStates;
  readonly endings: Endings;
  readonly newTrials: NewTrials;
}

/** @throws what schedulers, stoppers and searchers throw */
export function takeUp(
  events: readonly ExperimentEvent[],
  options: RestoreOptions,
  parts: ControllerParts,
): void {
  const { setup, table, samples, proposals, runs, savedStates, endings } = parts;
  const { trials } = table;
  const { decided, exploited, unfits, isOver } = replay(events, {
    ...parts,
    configOf: options.configOf,
  });
  proposals.endResuming();
  samples.resume();
  endings.resume();
  proposals.skipPoints(samples.begun);
  for (const trial of trials) {
    if (trial.hasEnded) continue;
    savedStates.dropLost(trial, options);
    if (!exploited.has(trial)) goOnFromLatest(trial);
  }
  endings.carryOutWishes();
  for (const [trial, what] of decided) carryOutDecided(trial, what, options, parts);
  for (const trial of trials) {
    if (trial.status === 'RUNNING') runs.requeue(trial, null);
    const unfit = trial.hasEnded
      ? undefined
      : (unfits.get(trial) ?? setup.infeasible(trial.resources));
    if (unfit !== undefined) endings.fail(trial, unfit);
  }
  const failed = table.failedForGood();
  if (options.ofErrors === 'nothing') endings.countErrors(failed.length);
  else for (const trial of failed) remake(trial, options, parts);
  if (isOver || endings.hasTooManyErrors) endings.stopAll('experiment');
}

/** Makes a new trial of one that has failed. */
function remake(
  failed: Trial,
  options: RestoreOptions,
  { savedStates, newTrials }: ControllerParts,
): void {
  const isWithCheckpoint = options.ofErrors === 'withCheckpoint';
  if (isWithCheckpoint) savedStates.dropLost(failed, options);
  newTrials.remake(failed, isWithCheckpoint);
}

/** What had been decided about a trial's last report when the process died. */
function carryOutDecided(
  trial: Trial,
  decided: Decided,
  { savesAtEnd }: RestoreOptions,
  { setup, runs, endings }: ControllerParts,
): void {
  if (trial.status !== 'RUNNING' && trial.status !== 'PENDING') return;
  if (setup.isDrivenByHand) {
    // EN-4: its caller has ended it, or will.
    const isTold = trial.record.history.at(-1)?.done === true;
    if (isTold) endings.endByItself(trial, trial.record.durationMs);
    return;
  }
  switch (decided.kind) {
    case 'stop':
      endings.terminate(trial, decided.reason, true);
      break;
    case 'pause':
      runs.recordPause(trial);
      break;
    case 'fail':
      endings.fail(trial, finalError(decided.error));
      break;
    case 'finish': {
      // Without the state that it was about to save it has to come to its end again.
      const hasSaved = trial.latestCheckpoint?.iteration === trial.iteration;
      if (!savesAtEnd || hasSaved) endings.endByItself(trial, trial.record.durationMs);
      break;
    }
  }
}
