/**
 * Keeps what happens: in the journal at once, and in the outputs that grow when a step is done.
 *
 * - KE-1 An event is in the journal before anybody else sees it.
 */

import type { ExperimentEvent } from '../experiment/events.ts';
import { type ExperimentRecord, applyEvent, newExperiment, trialOf } from '../experiment/record.ts';
import { writeJson } from '../journal/python-json.ts';
import type { JournalWriter } from '../journal/writer.ts';
import {
  type LiveOutputs,
  type OutputName,
  openLiveOutputs,
  writeOutputs,
} from '../outputs/index.ts';
import { type Exploit, PolicyFiles } from '../schedulers/pbt-policy.ts';

import type { Callbacks } from './callbacks.ts';
import { dataOf, eventAsData } from './data.ts';
import { inTurn } from './in-turn.ts';
import { outputOptions } from './result-context.ts';

/** What is held back of the outputs is at most so old, in milliseconds. */
const FLUSH_INTERVAL_MS = 1_000;

/** Reports wait for each other until they are so long: what is done for many in a row takes a fraction of the time. */
const UNHEARD_LETTERS = 2 ** 16;

/** See the file. */
export class Keeper {
  readonly #journal: JournalWriter | null;
  #outputs: LiveOutputs | null = null;
  /** What the outputs have not heard: they look at the record, which is behind. */
  readonly #unheard: { readonly event: ExperimentEvent; readonly row: string | undefined }[] = [];
  /** Of the reports among them. */
  #unheardLetters = 0;
  /** Among the unheard. */
  #hasMoreThanReports = false;
  #flushedAt = 0;
  #policies: { readonly files: PolicyFiles; readonly experiment: ExperimentRecord } | null = null;

  constructor(journal: JournalWriter | null) {
    this.#journal = journal;
  }

  /**
   * From now on a line is kept of each exploit. Lines of an earlier process are made again from what it has recorded: it may have died
   * before it wrote one.
   *
   * @throws StorageError
   */
  keepPolicies(
    folder: string,
    experiment: ExperimentRecord,
    former: readonly ExperimentEvent[],
  ): void {
    const files = new PolicyFiles(folder);
    files.makeAgain(exploitsOf(experiment, former));
    this.#policies = { files, experiment };
  }

  /** @throws StorageError */
  record(event: ExperimentEvent): void {
    let row: string | undefined;
    if (this.#journal !== null) {
      // Made once for the journal and for the outputs.
      if (event.kind === 'report') row = writeJson(event.metrics);
      this.#journal.append(eventAsData(event), row);
    }
    if (this.#outputs !== null) this.#unheard.push({ event, row });
    if (event.kind === 'report') this.#unheardLetters += row?.length ?? 0;
    else this.#hasMoreThanReports = true;
    if (event.kind === 'exploit') this.#keepPolicy(event);
  }

  /** The record is as it was before the exploit. */
  #keepPolicy(event: ExploitEvent): void {
    if (this.#policies === null) return;
    const { files, experiment } = this.#policies;
    const exploit = exploitOf(experiment, event);
    if (exploit !== undefined) files.record(exploit);
  }

  /** The outputs that grow begin. @throws StorageError */
  async open(
    folder: string | null,
    experiment: ExperimentRecord,
    outputs: readonly OutputName[],
  ): Promise<void> {
    if (folder !== null) this.#outputs = await openLiveOutputs(folder, experiment, outputs);
  }

  /** The record is up to date. @throws StorageError, and what callbacks throw */
  step(callbacks: Callbacks): Promise<void> | undefined {
    const now = Date.now();
    const isDue = now - this.#flushedAt >= FLUSH_INTERVAL_MS;
    if (isDue || this.#hasMoreThanReports || this.#unheardLetters >= UNHEARD_LETTERS) {
      this.#tellOutputs();
    }
    if (!isDue) return undefined;
    this.#flushedAt = now;
    this.#journal?.look();
    this.#outputs?.flush();
    return this.#keepStates(callbacks);
  }

  #tellOutputs(): void {
    this.#hasMoreThanReports = false;
    this.#unheardLetters = 0;
    for (const { event, row } of this.#unheard.splice(0)) this.#outputs?.onEvent(event, row);
  }

  /** Everything is written. @throws StorageError */
  async close(
    folder: string | null,
    experiment: ExperimentRecord,
    outputs: readonly OutputName[],
    callbacks: Callbacks,
  ): Promise<void> {
    const thrown = await inTurn(
      () => this.#tellOutputs(),
      () => this.#keepStates(callbacks),
      () => this.#outputs?.close(),
      async () => {
        if (folder === null) return;
        // Where it was moved away, they would be the beginning of another folder, or in somebody else's.
        this.#journal?.look();
        await writeOutputs(folder, experiment, outputs, outputOptions(experiment, outputs));
      },
    );
    this.#outputs = null;
    if (thrown !== null) throw thrown.error;
  }

  /** Large states are not written with each report. */
  async #keepStates(callbacks: Callbacks): Promise<void> {
    if (this.#journal === null) return;
    const states = await callbacks.changedStates();
    if (states !== undefined) this.#journal.append({ kind: 'callbacks', states });
  }
}

type ExploitEvent = ExperimentEvent & { readonly kind: 'exploit' };

/** Who has taken over whose state, in an experiment as it was before. */
function exploitOf(
  experiment: ExperimentRecord,
  { number, source, checkpoint, config }: ExploitEvent,
): Exploit | undefined {
  // One that goes on by itself has taken over nothing.
  if (checkpoint === null || number === source) return undefined;
  const [trial, other] = [trialOf(experiment, number), trialOf(experiment, source)];
  if (trial === undefined || other === undefined) return undefined;
  return {
    id: trial.header.id,
    sourceId: other.header.id,
    iteration: trial.history.at(-1)?.trainingIteration ?? 0,
    sourceIteration: checkpoint.iteration,
    sourceConfig: dataOf(other.config),
    config: dataOf(config),
  };
}

/** All of them in what was recorded. */
function* exploitsOf(
  { header }: ExperimentRecord,
  events: readonly ExperimentEvent[],
): Generator<Exploit> {
  const experiment = newExperiment(header);
  for (const event of events) {
    const exploit = event.kind === 'exploit' ? exploitOf(experiment, event) : undefined;
    if (exploit !== undefined) yield exploit;
    applyEvent(experiment, event);
  }
}
