/**
 * Lines of an Optuna journal as the events they were, and these as the record of an experiment.
 *
 * - RE-1 Foreign lines change nothing but numbers and studies: whatever somebody else writes about our trials, they stay as our
 *   events have made them.
 * - RE-2 An end counts when the line that ends the trial is there, every other event when its own attribute is (EL-3).
 */

import { JournalError } from '../errors.ts';
import type {
  CallbackState,
  ExperimentEvent,
  ExperimentHeader,
  TrialEvent,
  TrialHeader,
} from '../experiment/events.ts';
import {
  applyEvent,
  applyToTrial,
  newExperiment,
  type ExperimentRecord,
  type TrialRecord,
} from '../experiment/record.ts';
import {
  FORMAT_VERSION,
  LineError,
  numberIn,
  objectIn,
  Operation,
  OWN,
  State,
  WORKER,
  type JournalLine,
} from './format.ts';
import { readLinesOf } from './line-reader.ts';
import { Numbering } from './numbering.ts';

/** A process that has written to an experiment. All in milliseconds since 1970. */
export interface Session {
  readonly startedAt: number;
  /** The latest time that its events have. */
  readonly lastAt: number;
}

/** An experiment as its journal has it. */
export interface ReadExperiment {
  readonly experiment: ExperimentRecord;
  /** Its processes, in order. */
  readonly sessions: readonly Session[];
  /** The `study_id` in the file. */
  readonly study: number;
  /** The `trial_id` in the file of each trial, in order. */
  readonly trialIds: readonly number[];
  /** The last ones. */
  readonly callbackStates: readonly CallbackState[];
}

/** What to read of a journal. */
export interface ReadOptions {
  /** The name of the experiment. Default: the last one in the file. */
  readonly study?: string;
  /** Called with all events, those of other experiments too, before they are in their record. */
  readonly onEvent?: (event: ExperimentEvent, study: number) => void;
}

/**
 * Reads the experiment of a journal, also one that is being written to. A torn last line is ignored.
 *
 * @throws JournalError if it can't be read, has no experiment of that name, or is from a newer version
 */
export function readExperiment(path: string, options: ReadOptions = {}): ReadExperiment {
  const reader = new ExperimentReader(options.onEvent);
  readLinesOf(path, (line) => reader.apply(line));
  const found = reader.found(options.study);
  if (found !== undefined) return found;
  const which = options.study === undefined ? '' : ` of the name ${JSON.stringify(options.study)}`;
  throw new JournalError(`${path} has no experiment of eagleray${which}`, { path, line: 0 });
}

interface Reading {
  readonly study: number;
  readonly experiment: ExperimentRecord;
  readonly sessions: { startedAt: number; lastAt: number }[];
  readonly trialIds: number[];
  callbackStates: readonly CallbackState[];
}

interface RestoreAttribute {
  readonly at: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

interface ReadTrial {
  readonly of: Reading;
  readonly trial: TrialRecord;
  /** Until the line that ends it. */
  ending: TrialEvent | undefined;
}

/** Takes the lines of a journal in order. */
export class ExperimentReader {
  readonly numbering = new Numbering();
  readonly #onEvent: (event: ExperimentEvent, study: number) => void;
  /** By study: those of ours that there are. */
  readonly #experiments = new Map<number, Reading>();
  /** By `trial_id`. */
  readonly #trials = new Map<number, ReadTrial>();

  constructor(onEvent: ReadOptions['onEvent']) {
    this.#onEvent = onEvent ?? (() => {});
  }

  /** The last experiment, or that of a name. */
  found(study?: string): ReadExperiment | undefined {
    const all = [...this.#experiments.values()];
    return all.findLast(
      ({ experiment }) => study === undefined || experiment.header.name === study,
    );
  }

  /** @throws LineError */
  apply(line: JournalLine): void {
    const created = this.numbering.apply(line);
    if (line.op_code === Operation.deleteStudy) this.#forget(numberIn(line, 'study_id'));
    if (line.worker_id !== WORKER) return;
    switch (line.op_code) {
      case Operation.setStudySystemAttribute:
        this.#applyToStudy(numberIn(line, 'study_id'), objectIn(line, 'system_attr'));
        break;
      case Operation.createTrial:
        if (created !== null) this.#addTrial(line, created);
        break;
      case Operation.setTrialState:
        this.#finish(line);
        break;
      case Operation.setTrialSystemAttribute:
        this.#applyToTrial(line);
        break;
    }
  }

  #forget(study: number): void {
    if (!this.#experiments.delete(study)) return;
    for (const [id, { of }] of this.#trials) if (of.study === study) this.#trials.delete(id);
  }

  #applyToStudy(study: number, attributes: Readonly<Record<string, unknown>>): void {
    const [name, value] = ownAttribute(attributes);
    // Without the study: somebody has deleted it while it was written to.
    if (name === undefined || !this.numbering.studies.has(study)) return;
    switch (name) {
      case 'experiment': {
        const header = headerOf(value);
        this.#experiments.set(study, {
          study,
          experiment: newExperiment(header),
          sessions: [{ startedAt: header.createdAt, lastAt: header.createdAt }],
          trialIds: [],
          callbackStates: [],
        });
        this.#onEvent({ kind: 'experiment', header }, study);
        break;
      }
      case 'restore': {
        const event = { kind: 'restore', ...(value as RestoreAttribute) } as const;
        const { at } = event;
        const reading = this.#experiments.get(study);
        reading?.sessions.push({ startedAt: at, lastAt: at });
        this.#onEvent(event, study);
        if (reading !== undefined) applyEvent(reading.experiment, event);
        break;
      }
      case 'callbacks': {
        const { states } = value as { readonly states: readonly CallbackState[] };
        const reading = this.#experiments.get(study);
        if (reading !== undefined) reading.callbackStates = states;
        this.#onEvent({ kind: 'callbacks', states }, study);
        break;
      }
      default:
        throw unknown(name);
    }
  }

  #addTrial(line: JournalLine, id: number): void {
    const reading = this.#experiments.get(numberIn(line, 'study_id'));
    const [name, value] = ownAttribute(objectIn(line, 'system_attrs'));
    if (reading === undefined || name === undefined) return;
    if (name !== 'trial') throw unknown(name);
    const { at, ...rest } = value as TrialHeader & { readonly at: number };
    const { experiment, trialIds } = reading;
    const values = rest.values ?? valuesOf(experiment.header, objectIn(line, 'params'));
    const event = { kind: 'trial', trial: { ...rest, values }, at } as const;
    this.#onEvent(event, reading.study);
    applyEvent(experiment, event);
    const place = experiment.trials.findLastIndex(({ header }) => header === event.trial);
    trialIds.splice(place, 0, id);
    this.#trials.set(id, { of: reading, trial: experiment.trials[place]!, ending: undefined });
    sawTime(reading, at);
  }

  #applyToTrial(line: JournalLine): void {
    const [name, value] = ownAttribute(objectIn(line, 'system_attr'));
    if (name === undefined) return;
    const found = this.#trialOf(line);
    if (found === undefined) return;
    const event = eventOf(name, found.trial.header.number, value as Record<string, unknown>);
    if (event.kind === 'end') found.ending = event;
    else this.#happened(found, event);
  }

  #finish(line: JournalLine): void {
    const state = numberIn(line, 'state');
    if (state === State.running || state === State.waiting) return;
    const found = this.#trialOf(line);
    if (found?.ending === undefined) return;
    this.#happened(found, found.ending);
    found.ending = undefined;
  }

  #trialOf(line: JournalLine): ReadTrial | undefined {
    const id = numberIn(line, 'trial_id');
    if (id >= this.numbering.nextTrial) throw new LineError(`there is no trial ${id}`);
    return this.#trials.get(id);
  }

  #happened({ of, trial }: ReadTrial, event: TrialEvent): void {
    this.#onEvent(event, of.study);
    applyToTrial(trial, event);
    if (event.kind === 'report') sawTime(of, event.metrics.timestamp);
    else if ('at' in event) sawTime(of, event.at);
  }
}

function sawTime({ sessions }: Reading, at: number): void {
  const session = sessions.at(-1)!;
  if (at > session.lastAt) session.lastAt = at;
}

/** The attribute of ours, without what its name begins with. */
function ownAttribute(
  attributes: Readonly<Record<string, unknown>>,
): readonly [string | undefined, unknown] {
  for (const name in attributes) {
    if (!name.startsWith(OWN)) continue;
    const value = attributes[name];
    if (typeof value !== 'object' || value === null) throw new LineError(`${name} is no object`);
    return [name.slice(OWN.length), value];
  }
  return [undefined, undefined];
}

function headerOf(value: unknown): ExperimentHeader {
  const { format, ...header } = value as ExperimentHeader & { readonly format: unknown };
  if (format === FORMAT_VERSION) return header;
  throw new LineError(
    `the experiment has the format ${JSON.stringify(format)}, and this version of eagleray reads ` +
      `${FORMAT_VERSION}: it was written by a newer one`,
  );
}

function valuesOf(
  { parameters }: ExperimentHeader,
  byName: Readonly<Record<string, unknown>>,
): (number | null)[] {
  return parameters.map(({ name }) =>
    Object.hasOwn(byName, name) ? (byName[name] as number) : null,
  );
}

/** The kinds of events that are attributes of a trial by their own names. */
const TRIAL_EVENTS: ReadonlySet<string> = new Set<TrialEvent['kind']>([
  'start',
  'report',
  'checkpoint',
  'dropped',
  'pause',
  'requeue',
  'exploit',
  'resources',
  'end',
]);

function eventOf(name: string, number: number, value: Record<string, unknown>): TrialEvent {
  if (name === 'report') {
    // Its nulls are left out.
    const { metrics, checkpoint = null, violations = null } = value;
    return { kind: 'report', number, metrics, checkpoint, violations } as TrialEvent;
  }
  if (!TRIAL_EVENTS.has(name)) throw unknown(name);
  return { kind: name, number, ...value } as TrialEvent;
}

function unknown(name: string): LineError {
  return new LineError(`${OWN}${name} is unknown: it was written by a newer version of eagleray`);
}
