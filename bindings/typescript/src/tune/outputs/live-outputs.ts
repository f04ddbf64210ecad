/**
 * The outputs that grow while an experiment runs: `reports.jsonl`, TensorBoard's files, and the errors of trials.
 *
 * - LO-1 When they are opened they are as the record is: what a killed process has not written is there again.
 * - LO-2 What is not flushed is lost with the process, and is in the journal.
 * - LO-3 No file stays open but that of the reports: a thousand trials would be a thousand files.
 */

import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { ExperimentEvent } from '../experiment/events.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { trialOf } from '../experiment/record.ts';
import { notWritten } from './atomic-file.ts';
import { writeErrorFile } from './error-files.ts';
import { ReportsAppender } from './jsonl.ts';
import { firstRecords, lastRecord, reportRecord } from './tensorboard/trial-events.ts';
import type { OutputName } from './write-outputs.ts';
import { REPORTS_FILE, eventsPath, writeOutputs } from './write-outputs.ts';

/** Bytes for TensorBoard that are held back, of all trials together. */
const BUFFERED_BYTES_MAX = 2 ** 18;

/** Hears of what happens, after the record has. */
export interface LiveOutputs {
  /** `row` is the JSON of a report's metrics as the journal has it, for whoever has that. @throws StorageError */
  onEvent(event: ExperimentEvent, row?: string): void;
  /** Writes what is held back: a second's worth, if it is called each second. @throws StorageError */
  flush(): void;
  /** Flushes, and gives the files back. @throws StorageError */
  close(): void;
}

/**
 * Makes the files anew from the record, and appends to them from then on.
 *
 * @param experiment is kept, and read when an event comes: it has to be up to date then.
 * @param outputs those that grow are taken; the others are written at the end.
 * @throws StorageError
 */
export async function openLiveOutputs(
  path: string,
  experiment: ExperimentRecord,
  outputs: readonly OutputName[],
): Promise<LiveOutputs> {
  const growing = outputs.filter((output) => output === 'jsonl' || output === 'tensorboard');
  await writeOutputs(path, experiment, growing);
  const reports = growing.includes('jsonl') ? new ReportsAppender(join(path, REPORTS_FILE)) : null;
  const events = growing.includes('tensorboard') ? new EventsAppender(path, experiment) : null;
  return {
    onEvent(event, row) {
      if (event.kind === 'report') reports?.append(event.metrics, row);
      else if (event.kind === 'end' && event.error !== null) {
        const trial = trialOf(experiment, event.number);
        if (trial !== undefined) writeErrorFile(path, trial);
      }
      events?.onEvent(event);
    },
    flush() {
      reports?.flush();
      events?.flush();
    },
    close() {
      try {
        reports?.close();
      } finally {
        events?.flush();
      }
    },
  };
}

class EventsAppender {
  readonly #path: string;
  readonly #experiment: ExperimentRecord;
  /** Numbers of the trials that have a file, or will have with the next flush. */
  readonly #begun: Set<number>;
  readonly #buffered = new Map<TrialRecord, Buffer[]>();
  #bufferedBytes = 0;

  constructor(path: string, experiment: ExperimentRecord) {
    this.#path = path;
    this.#experiment = experiment;
    const started = experiment.trials.filter((trial) => trial.startedAt !== null);
    this.#begun = new Set(started.map((trial) => trial.header.number));
  }

  onEvent(event: ExperimentEvent): void {
    if (event.kind !== 'start' && event.kind !== 'report' && event.kind !== 'end') return;
    const trial = trialOf(this.#experiment, event.number);
    if (trial === undefined) return;
    const { header } = this.#experiment;
    if (event.kind === 'start' && !this.#begun.has(event.number)) {
      this.#begun.add(event.number);
      this.#append(trial, firstRecords(header, trial));
    }
    if (event.kind === 'report') this.#append(trial, reportRecord(event.metrics));
    if (event.kind === 'end') this.#append(trial, lastRecord(header, trial));
  }

  flush(): void {
    const buffered = [...this.#buffered];
    this.#buffered.clear();
    this.#bufferedBytes = 0;
    for (const [trial, records] of buffered) {
      const file = eventsPath(this.#path, this.#experiment, trial);
      try {
        mkdirSync(dirname(file), { recursive: true });
        appendFileSync(file, Buffer.concat(records));
      } catch (error) {
        throw notWritten(file, error);
      }
    }
  }

  #append(trial: TrialRecord, record: Buffer): void {
    // A trial that ends before it has run leaves nothing.
    if (!this.#begun.has(trial.header.number)) return;
    const records = this.#buffered.get(trial);
    if (records === undefined) this.#buffered.set(trial, [record]);
    else records.push(record);
    this.#bufferedBytes += record.length;
    if (this.#bufferedBytes >= BUFFERED_BYTES_MAX) this.flush();
  }
}
