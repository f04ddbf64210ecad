/**
 * Writes the files of an experiment's folder that can be made again from its record.
 *
 * - WO-1 Each file appears as a whole (`atomic-file.ts`); a failure leaves those before it, and is a StorageError.
 * - WO-2 The same record gives the same files, but for the date in the report.
 */

import { join } from 'node:path';

import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { invalid } from '../../option-checks.ts';
import type { Check } from '../../option-checks.ts';
import { writeAtomically } from './atomic-file.ts';
import { csvPieces } from '../results/csv.ts';
import { writeMissingErrorFiles } from './error-files.ts';
import { reportPieces } from './jsonl.ts';
import { reportHtml } from './report/report-html.ts';
import type { Importance } from './report/page-data.ts';
import { eventsFileName, trialEvents } from './tensorboard/trial-events.ts';

export type { Importance } from './report/page-data.ts';

/** What can be written beside the journal. */
export const OUTPUT_NAMES = ['csv', 'jsonl', 'html', 'tensorboard'] as const;
export type OutputName = (typeof OUTPUT_NAMES)[number];

/** The names of the files in the folder of an experiment. */
export const RESULTS_FILE = 'results.csv';
export const REPORTS_FILE = 'reports.jsonl';
export const REPORT_PAGE_FILE = 'report.html';

/** What goes into outputs beyond the record. */
export interface OutputOptions {
  /** How much each parameter matters for each metric of the experiment, shown in the report. @default none are shown */
  readonly importances?: readonly (readonly Importance[])[] | undefined;
  /** Milliseconds since 1970: when the report was written. @default now */
  readonly writtenAt?: number | undefined;
}

/** For option tables: a list of names of outputs, each once. */
export const outputNames: Check<readonly OutputName[]> = (value, place) => {
  const allowed = `a list of ${OUTPUT_NAMES.map((name) => `'${name}'`).join(', ')}`;
  if (!Array.isArray(value)) throw invalid(place, value, allowed);
  const names = new Set<OutputName>();
  for (const name of value) {
    if (!isOutputName(name)) throw invalid(place, name, allowed);
    names.add(name);
  }
  return Object.freeze([...names]);
};

/**
 * Writes outputs into an experiment's folder, and the errors of failed trials that are missing there.
 *
 * @param path the folder
 * @throws StorageError where a file can't be written
 * @throws InvalidArgumentError for an output that there is not
 */
export async function writeOutputs(
  path: string,
  experiment: ExperimentRecord,
  outputs: readonly OutputName[],
  options: OutputOptions = {},
): Promise<void> {
  const place = { call: 'writeOutputs()', name: 'outputs' };
  for (const output of outputNames(outputs, place)) {
    await writeOutput(path, experiment, output, options);
  }
  writeMissingErrorFiles(path, experiment);
}

/** Where an output of an experiment's folder is: a file, or the folder with its files. */
export function outputPlace(path: string, output: OutputName): string {
  return join(path, PLACES[output]);
}

const PLACES: Readonly<Record<OutputName, string>> = {
  csv: RESULTS_FILE,
  jsonl: REPORTS_FILE,
  html: REPORT_PAGE_FILE,
  tensorboard: 'trials',
};

/** Where the file for TensorBoard of a trial is. */
export function eventsPath(path: string, experiment: ExperimentRecord, trial: TrialRecord): string {
  return join(path, 'trials', trial.header.id, eventsFileName(experiment.header, trial));
}

async function writeOutput(
  path: string,
  experiment: ExperimentRecord,
  output: OutputName,
  options: OutputOptions,
): Promise<void> {
  switch (output) {
    case 'csv':
      return writeAtomically(join(path, RESULTS_FILE), csvPieces(experiment));
    case 'jsonl':
      return writeAtomically(join(path, REPORTS_FILE), reportPieces(experiment));
    case 'html':
      return writeAtomically(join(path, REPORT_PAGE_FILE), [reportHtml(experiment, options)]);
    case 'tensorboard':
      return writeEvents(path, experiment);
  }
}

async function writeEvents(path: string, experiment: ExperimentRecord): Promise<void> {
  for (const trial of experiment.trials) {
    // One that has not run has written nothing, and gets no folder.
    if (trial.startedAt === null) continue;
    await writeAtomically(
      eventsPath(path, experiment, trial),
      trialEvents(experiment.header, trial),
    );
  }
}

function isOutputName(name: unknown): name is OutputName {
  return (OUTPUT_NAMES as readonly unknown[]).includes(name);
}
