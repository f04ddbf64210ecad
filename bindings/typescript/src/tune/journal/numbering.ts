/**
 * How Optuna numbers studies and trials: by their places in the file, whoever wrote them.
 *
 * - JN-1 A study whose name there is already is not created, and takes no number.
 * - JN-2 A trial of a study that there is not, or not any more, is not created either.
 */

import { LineError, numberIn, Operation, textIn, type JournalLine } from './format.ts';

/** The studies and trials of a journal, up to a line. */
export class Numbering {
  #studies = 0;
  #trials = 0;
  /** Names of the studies that there are. */
  readonly #names = new Map<number, string>();
  /** How many trials each has. */
  readonly #trialsOf = new Map<number, number>();

  /** The `study_id` that a new study gets. */
  get nextStudy(): number {
    return this.#studies;
  }

  /** The `trial_id` that a new trial gets. */
  get nextTrial(): number {
    return this.#trials;
  }

  /** The studies that there are: id and name, in order. */
  get studies(): ReadonlyMap<number, string> {
    return this.#names;
  }

  /** The number that a new trial of a study gets. */
  trialsOf(study: number): number {
    return this.#trialsOf.get(study) ?? 0;
  }

  /** The study of a name. */
  studyOf(name: string): number | undefined {
    for (const [study, each] of this.#names) if (each === name) return study;
    return undefined;
  }

  /** Counts a line, and gives the id of what it has created, if anything. @throws LineError */
  apply(line: JournalLine): number | null {
    switch (line.op_code) {
      case Operation.createStudy:
        return this.#createStudy(line);
      case Operation.deleteStudy:
        this.#names.delete(numberIn(line, 'study_id'));
        return null;
      case Operation.createTrial:
        return this.createTrial(numberIn(line, 'study_id'));
      default:
        return null;
    }
  }

  /** The id of a new trial; null if its study is not there. */
  createTrial(study: number): number | null {
    if (!this.#names.has(study)) return null;
    this.#trialsOf.set(study, this.trialsOf(study) + 1);
    return this.#trials++;
  }

  #createStudy(line: JournalLine): number | null {
    const name = textIn(line, 'study_name');
    if (!Array.isArray(line['directions'])) throw new LineError('the study has no directions');
    if (this.studyOf(name) !== undefined) return null;
    this.#names.set(this.#studies, name);
    return this.#studies++;
  }
}
