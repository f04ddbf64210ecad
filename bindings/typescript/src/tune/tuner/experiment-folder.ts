/** What can be done with an experiment's folder without its trainable: read its results, and write its outputs again. */

import { resolve } from 'node:path';

import { text } from '../../option-checks.ts';
import { ExperimentLockedError } from '../errors.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import { readExperiment } from '../journal/experiment-reader.ts';
import { isLocked } from '../journal/lock.ts';
import { type OutputName, outputNames, writeOutputs as writeOutputsOf } from '../outputs/index.ts';
import { ResultGrid } from '../results/result-grid.ts';
import { journalOf } from './journal-file.ts';
import { outputOptions, resultContext } from './result-context.ts';

/**
 * The results of an experiment, from its folder; also of one that was killed, or still runs somewhere. Nothing runs here, so trials
 * that have not ended are PENDING or PAUSED.
 *
 * @param path the experiment's folder
 * @throws JournalError if it has no experiment, or its journal can't be read
 */
export function loadResults<Config = unknown>(path: string): ResultGrid<Config> {
  const folder = resolve(text(path, { call: 'loadResults()', name: 'path' }));
  return new ResultGrid<Config>(experimentIn(folder), resultContext(folder, null));
}

/**
 * Writes outputs into an experiment's folder, from its journal.
 *
 * @param path the experiment's folder
 * @throws JournalError if it has no experiment, or its journal can't be read
 * @throws ExperimentLockedError for outputs that the process which runs the experiment appends to: `jsonl` and `tensorboard`
 * @throws StorageError where a file can't be written
 */
export async function writeOutputs(path: string, outputs: readonly OutputName[]): Promise<void> {
  const call = 'writeOutputs()';
  const folder = resolve(text(path, { call, name: 'path' }));
  const names = outputNames(outputs, { call, name: 'outputs' });
  const experiment = experimentIn(folder);
  const growing = names.find((name) => name === 'jsonl' || name === 'tensorboard');
  if (growing !== undefined && isLocked(journalOf(folder))) {
    throw new ExperimentLockedError(
      `the experiment in ${folder} runs, and appends to its output '${growing}'; allowed while it runs: 'csv', 'html'`,
      { path: folder },
    );
  }
  await writeOutputsOf(folder, experiment, names, outputOptions(experiment, names));
}

function experimentIn(folder: string): ExperimentRecord {
  const { experiment } = readExperiment(journalOf(folder));
  for (const trial of experiment.trials) if (trial.status === 'RUNNING') trial.status = 'PENDING';
  return experiment;
}
