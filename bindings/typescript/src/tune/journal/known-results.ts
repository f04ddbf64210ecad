/**
 * The trials of any Optuna journal as `knownResults`, the way Optuna's own reader sees them.
 *
 * - KR-1 Only COMPLETE trials: those that were pruned or failed have no result.
 * - KR-2 What Optuna's reader drops counts here neither: lines on finished trials, parameters of another distribution.
 */

import { InvalidArgumentError } from '../../index.ts';
import { checkOptions, text } from '../../option-checks.ts';
import { JournalError } from '../errors.ts';
import { RESERVED_METRICS } from '../metrics.ts';
import type { Metrics } from '../types.ts';
import type { TrialRecord } from '../experiment/record.ts';
import { readDistribution, type ReadDistribution } from './distributions.ts';
import { readExperiment, type ReadExperiment } from './experiment-reader.ts';
import {
  LineError,
  METRIC_NAMES,
  numberIn,
  objectIn,
  Operation,
  OWN,
  State,
  textIn,
  type JournalLine,
} from './format.ts';
import { readLinesOf } from './line-reader.ts';
import { Numbering } from './numbering.ts';

/** A result that was found elsewhere. */
export interface KnownResult<C = unknown> {
  readonly config: C;
  readonly metrics: Metrics;
}

/**
 * The complete trials of an Optuna journal, in order.
 *
 * A config has the parameters by their names as they are. Metrics have the names that were given to
 * `Study.set_metric_names`; without them they are `value`, `value1`, … Of an experiment of eagleray configs are as they were,
 * and metrics those of the last reports.
 *
 * `C` is the type of their configs, and the caller's word: `readJournal<{ x: number }>(path)` can be given as `knownResults`.
 *
 * @param options.study the name of the study, if the file has several
 * @throws JournalError if the file can't be read, or has no such study
 * @throws InvalidArgumentError if it has several studies and none was named, and for a wrong path or option
 */
export function readJournal<C = unknown>(
  path: string,
  options: { readonly study?: string } = {},
): KnownResult<C>[] {
  const call = 'readJournal()';
  text(path, { call, name: 'path' });
  const { study: name } = checkOptions(call, { study: text }, options);
  const journal = new StudyReader();
  readLinesOf(path, (line) => journal.apply(line));
  const study = chosen(path, journal.numbering.studies, name);
  const own = journal.isOwn(study)
    ? readExperiment(path, { study: journal.numbering.studies.get(study)! })
    : undefined;
  return journal.resultsOf(study, own) as KnownResult<C>[];
}

function chosen(path: string, studies: ReadonlyMap<number, string>, name?: string): number {
  const names = [...studies.values()].map((each) => JSON.stringify(each)).join(', ');
  if (name === undefined && studies.size > 1) {
    throw new InvalidArgumentError(
      `readJournal(): ${path} has several studies; name one: ${names}`,
      {
        argument: 'study',
        value: name,
        allowed: names,
      },
    );
  }
  for (const [study, each] of studies) if (name === undefined || each === name) return study;
  const which = name === undefined ? 'no study' : `no study ${JSON.stringify(name)}, but ${names}`;
  throw new JournalError(`${path} has ${which}`, { path, line: 0 });
}

/** The last report of a trial of ours; undefined for one that has none. */
function ownResult({ config, history }: TrialRecord): KnownResult | undefined {
  const last = history.at(-1);
  if (last === undefined) return undefined;
  const metrics = Object.entries(last).filter(([name]) => !RESERVED_METRICS.has(name));
  return { config, metrics: Object.fromEntries(metrics) };
}

interface ReadTrial {
  readonly study: number;
  state: number;
  values: readonly number[] | null;
  readonly config: Record<string, unknown>;
}

/** Follows the lines as Optuna does, as far as results need. */
class StudyReader {
  readonly numbering = new Numbering();
  readonly #trials: ReadTrial[] = [];
  readonly #metricNames = new Map<number, readonly string[]>();
  readonly #own = new Set<number>();
  /** By text: trials repeat it. */
  readonly #distributions = new Map<string, ReadDistribution>();
  /** By study, and by parameter: what later trials have to have, too. */
  readonly #identities = new Map<number, Map<string, string>>();

  isOwn(study: number): boolean {
    return this.#own.has(study);
  }

  /** Those of a study, in order; `own` is what is known better of trials that are ours. */
  resultsOf(study: number, own?: ReadExperiment): KnownResult[] {
    const names = this.#metricNames.get(study) ?? [];
    const ownTrials = new Map(
      own?.experiment.trials.map((trial, index) => [own.trialIds[index]!, trial]),
    );
    return this.#trials.flatMap((trial, id): KnownResult[] => {
      if (trial.study !== study || trial.state !== State.complete) return [];
      const ours = ownTrials.get(id);
      const result =
        ours === undefined
          ? { config: trial.config, metrics: named(trial.values ?? [], names) }
          : ownResult(ours);
      return result === undefined ? [] : [result];
    });
  }

  /** @throws LineError */
  apply(line: JournalLine): void {
    const created = this.numbering.apply(line);
    switch (line.op_code) {
      case Operation.setStudySystemAttribute:
        this.#applyToStudy(numberIn(line, 'study_id'), objectIn(line, 'system_attr'));
        break;
      case Operation.createTrial:
        if (created !== null) this.#addTrial(line);
        break;
      case Operation.setTrialParameter:
        this.#setParameter(line);
        break;
      case Operation.setTrialState:
        this.#setState(line);
        break;
    }
  }

  #applyToStudy(study: number, attributes: Readonly<Record<string, unknown>>): void {
    if (!this.numbering.studies.has(study)) return;
    const names = attributes[METRIC_NAMES];
    if (Array.isArray(names)) this.#metricNames.set(study, names as string[]);
    if (Object.hasOwn(attributes, `${OWN}experiment`)) this.#own.add(study);
  }

  #addTrial(line: JournalLine): void {
    const study = numberIn(line, 'study_id');
    const trial: ReadTrial = {
      study,
      state: line['state'] === undefined ? State.running : numberIn(line, 'state'),
      values: valuesOf(line),
      config: {},
    };
    this.#trials.push(trial);
    const distributions = objectIn(line, 'distributions');
    for (const [name, internal] of Object.entries(objectIn(line, 'params'))) {
      const distribution = this.#distribution(distributions[name]);
      setOwn(trial.config, name, distribution.valueOf(internal as number));
      this.#identityOf(study, name, distribution);
    }
  }

  #setParameter(line: JournalLine): void {
    const trial = this.#open(line);
    if (trial === undefined) return;
    const name = textIn(line, 'param_name');
    const distribution = this.#distribution(line['distribution']);
    if (this.#identityOf(trial.study, name, distribution) !== distribution.identity) return;
    setOwn(trial.config, name, distribution.valueOf(line['param_value_internal'] as number));
  }

  #setState(line: JournalLine): void {
    const trial = this.#open(line);
    if (trial === undefined) return;
    trial.state = numberIn(line, 'state');
    trial.values = valuesOf(line) ?? trial.values;
  }

  /** The trial of a line; undefined if it has finished. */
  #open(line: JournalLine): ReadTrial | undefined {
    const trial = this.#trials[numberIn(line, 'trial_id')];
    return trial?.state === State.running || trial?.state === State.waiting ? trial : undefined;
  }

  #distribution(json: unknown): ReadDistribution {
    if (typeof json !== 'string') throw new LineError('a parameter has no distribution');
    let distribution = this.#distributions.get(json);
    if (distribution === undefined) {
      distribution = readDistribution(json);
      this.#distributions.set(json, distribution);
    }
    return distribution;
  }

  /** What the first trial with a parameter has said of it: this one, if it is the first. */
  #identityOf(study: number, name: string, distribution: ReadDistribution): string {
    const ofStudy = this.#identities.get(study) ?? new Map<string, string>();
    this.#identities.set(study, ofStudy);
    const first = ofStudy.get(name);
    if (first === undefined) ofStudy.set(name, distribution.identity);
    return first ?? distribution.identity;
  }
}

/** A trial that was made at once has `value` or `values`, one that was told has `values`. */
function valuesOf(line: JournalLine): readonly number[] | null {
  const { values, value } = line;
  if (Array.isArray(values)) return values as number[];
  return typeof value === 'number' ? [value] : null;
}

function named(values: readonly number[], names: readonly string[]): Metrics {
  const metrics: Record<string, number> = {};
  for (const [index, value] of values.entries()) {
    setOwn(metrics, names[index] ?? (index === 0 ? 'value' : `value${index}`), value);
  }
  return metrics;
}

/** Also where the name is `__proto__`. */
function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
