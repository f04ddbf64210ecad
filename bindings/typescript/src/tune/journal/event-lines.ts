/**
 * The events of an experiment as lines of an Optuna journal. Writes no file.
 *
 * - EL-1 All of an event can be read back from its lines, and what is large is in them once.
 * - EL-2 Lines of a trial that Optuna is to see come before the line that ends it: later ones it drops.
 * - EL-3 The line that says the event to us is the last one (JF-3): for an end, that which ends the trial.
 *
 * What Optuna sees: a trial that is PENDING is WAITING, RUNNING and PAUSED are RUNNING, ERROR is FAIL, and TERMINATED is PRUNED
 * if the scheduler stopped it, else COMPLETE. A trial whose last metrics are not finite is FAIL, too, and so is one that ended
 * without them, unless the scheduler stopped it: Optuna has no best trial among some without values. A study has to have an
 * objective: one without a metric minimizes a value that is 0 for all of its trials.
 */

import { metricAt, RESERVED_METRICS } from '../metrics.ts';
import type { ReportedMetrics } from '../types.ts';
import type {
  ExperimentEvent,
  ExperimentHeader,
  TrialEvent,
  TrialHeader,
} from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import { distributionOf } from './distributions.ts';
import {
  CONSTRAINTS,
  dateTime,
  Direction,
  FORMAT_VERSION,
  METRIC_NAMES,
  Operation,
  OWN,
  State,
  WORKER,
} from './format.ts';
import { writeJson } from './python-json.ts';

type EventOf<Kind extends ExperimentEvent['kind']> = Extract<
  ExperimentEvent,
  { readonly kind: Kind }
>;

/** What later lines of a trial depend on. */
interface WrittenTrial {
  readonly id: number;
  state: number;
  startedAt: number | null;
  values: readonly (number | null)[];
  /** As the record has it: going on from a checkpoint takes reports back, and the last one counts at the end. */
  readonly history: ReportedMetrics[];
  /** Of the last report. */
  violations: Readonly<Record<string, number>> | null;
}

/** What Optuna calls a parameter, as text that is put into lines. */
interface ParameterText {
  /** A JSON string. */
  readonly name: string;
  /** A JSON string that holds the JSON of the distribution. */
  readonly distribution: string;
}

/** The lines of one study's events. */
export class EventLines {
  readonly #header: ExperimentHeader;
  readonly #study: number;
  readonly #parameters: readonly ParameterText[];
  /** Of all parameters: most spaces have no conditional ones. */
  readonly #distributions: string;
  /** By number. */
  readonly #trials = new Map<number, WrittenTrial>();

  constructor(header: ExperimentHeader, study: number) {
    this.#header = header;
    this.#study = study;
    this.#parameters = header.parameters.map((parameter) => ({
      name: JSON.stringify(parameter.name),
      distribution: JSON.stringify(writeJson(distributionOf(parameter))),
    }));
    this.#distributions = this.#parameters
      .map(({ name, distribution }) => `${name}:${distribution}`)
      .join(',');
  }

  /** The place in the file of a trial whose event was written: its `trial_id`. */
  place(trial: TrialHeader, id: number): void {
    this.#trials.set(trial.number, {
      id,
      state: State.waiting,
      startedAt: null,
      values: trial.values,
      history: [],
      violations: null,
    });
  }

  /** The place of a trial that was read. */
  restore(trial: TrialRecord, id: number): void {
    this.#trials.set(trial.header.number, {
      id,
      state: stateOf(trial),
      startedAt: trial.startedAt,
      values: trial.values,
      history: trial.endedAt === null ? [...trial.history] : [],
      violations: trial.violations,
    });
  }

  /** The lines of an event, each with its end. `row` is the JSON of a report's metrics, for whoever has it already. */
  of(event: ExperimentEvent, row?: string): string {
    switch (event.kind) {
      case 'experiment':
        return studyLines(event.header, this.#study);
      case 'restore':
      case 'callbacks': {
        const { kind, ...value } = event;
        return studyAttribute(this.#study, `${OWN}${kind}`, value);
      }
      case 'trial':
        return this.#trialLine(event.trial, event.at);
      case 'start':
        return this.#startLines(event);
      case 'report':
        return this.#reportLines(event, row ?? writeJson(event.metrics));
      case 'exploit':
        return this.#exploitLines(event);
      case 'requeue':
        return this.#requeueLines(event);
      case 'end':
        return this.#endLines(event);
      default:
        return own(this.#trial(event.number).id, event.kind, data(event));
    }
  }

  #trial(number: number): WrittenTrial {
    const trial = this.#trials.get(number);
    if (trial === undefined) throw new Error(`trial ${number} has no event of its own yet`);
    return trial;
  }

  #trialLine(trial: TrialHeader, at: number): string {
    const { values, ...rest } = trial;
    const present: ParameterText[] = [];
    let parameters = '';
    for (const [index, parameter] of this.#parameters.entries()) {
      const value = values[index];
      if (!isNumber(value)) continue;
      parameters += `${present.length === 0 ? '' : ','}${parameter.name}:${value}`;
      present.push(parameter);
    }
    const distributions =
      present.length === this.#parameters.length
        ? this.#distributions
        : present.map(({ name, distribution }) => `${name}:${distribution}`).join(',');
    // By name they are there already.
    const areThere =
      values.length === this.#parameters.length &&
      values.every((value) => value === null || isNumber(value));
    const header = writeJson(areThere ? { ...rest, at } : { ...rest, values, at });
    return (
      `${begin(Operation.createTrial)},"study_id":${this.#study},"datetime_start":null,"state":${State.waiting},` +
      `"params":{${parameters}},"distributions":{${distributions}},"system_attrs":{"${OWN}trial":${header}}}\n`
    );
  }

  #startLines(event: EventOf<'start'>): string {
    const trial = this.#trial(event.number);
    const { history } = trial;
    while (history.length > 0 && history.at(-1)!.trainingIteration > event.iteration) history.pop();
    return this.#runningLine(trial, event.at) + own(trial.id, event.kind, data(event));
  }

  /** Optuna's own writers never have RUNNING twice: its reader would drop the second. */
  #runningLine(trial: WrittenTrial, at: number): string {
    if (trial.state === State.running) return '';
    trial.state = State.running;
    trial.startedAt ??= at;
    return stateLine(
      trial.id,
      State.running,
      `null,"datetime_start":"${dateTime(trial.startedAt)}"`,
    );
  }

  #reportLines(
    { number, metrics, checkpoint, violations }: EventOf<'report'>,
    row: string,
  ): string {
    const trial = this.#trial(number);
    trial.history.push(metrics);
    trial.violations = violations;
    const { id } = trial;
    let lines = '';
    const [metric] = this.#header.metrics;
    if (metric !== undefined && this.#header.metrics.length === 1) {
      const value = metricAt(metrics, metric);
      if (typeof value === 'number') {
        lines =
          `${ofTrial(Operation.setTrialIntermediateValue, id)},"step":${metrics.trainingIteration},` +
          `"intermediate_value":${value}}\n`;
      }
    }
    const rest =
      (checkpoint === null ? '' : `,"checkpoint":${writeJson(checkpoint)}`) +
      (violations === null ? '' : `,"violations":${writeJson(violations)}`);
    return lines + systemAttribute(id, `${OWN}report`, `{"metrics":${row}${rest}}`);
  }

  #exploitLines(event: EventOf<'exploit'>): string {
    const trial = this.#trial(event.number);
    let lines = '';
    for (const [index, { name, distribution }] of this.#parameters.entries()) {
      const value = event.values[index];
      if (!isNumber(value) || value === trial.values[index]) continue;
      lines +=
        `${ofTrial(Operation.setTrialParameter, trial.id)},"param_name":${name},"param_value_internal":${value},` +
        `"distribution":${distribution}}\n`;
    }
    trial.values = event.values;
    return lines + own(trial.id, event.kind, data(event));
  }

  #requeueLines(event: EventOf<'requeue'>): string {
    const trial = this.#trial(event.number);
    const line = trial.state === State.waiting ? '' : stateLine(trial.id, State.waiting, 'null');
    trial.state = State.waiting;
    return line + own(trial.id, event.kind, data(event));
  }

  #endLines(event: EventOf<'end'>): string {
    const trial = this.#trial(event.number);
    const { id, violations } = trial;
    const metrics = trial.history.at(-1) ?? null;
    // Optuna's finished trials have a start.
    let lines = trial.startedAt === null ? this.#runningLine(trial, event.at) : '';
    for (const [name, value] of Object.entries(metrics ?? {})) {
      if (value === undefined || RESERVED_METRICS.has(name)) continue;
      if (this.#header.metrics.includes(name)) continue;
      lines +=
        `${ofTrial(Operation.setTrialUserAttribute, id)},"user_attr":` +
        `{${JSON.stringify(name)}:${writeJson(value)}}}\n`;
    }
    if (violations !== null) {
      lines += systemAttribute(id, CONSTRAINTS, writeJson(Object.values(violations)));
    }
    lines += own(id, event.kind, data(event));
    const [state, values] = this.#outcome(event, metrics);
    lines += stateLine(id, state, `${values},"datetime_complete":"${dateTime(event.at)}"`);
    trial.state = state;
    // What is left of an ended trial is where it is.
    trial.history.length = 0;
    trial.violations = null;
    trial.values = [];
    return lines;
  }

  /** The state, and the values as JSON. */
  #outcome(
    { status, stopReason }: EventOf<'end'>,
    metrics: ReportedMetrics | null,
  ): readonly [number, string] {
    if (status === 'ERROR') return [State.fail, 'null'];
    const finished = stopReason === 'scheduler' ? State.pruned : State.complete;
    if (this.#header.metrics.length === 0) return [finished, '[0]'];
    const values = this.#header.metrics.map((path) => metricAt(metrics ?? {}, path));
    if (values.every(isNumber)) return [finished, writeJson(values)];
    const isMissing = values.every((value) => value === undefined);
    return [isMissing && finished === State.pruned ? finished : State.fail, 'null'];
  }
}

/** A study that had this name is deleted first: Optuna would not make a second one of a name. */
export function deletionLine(study: number): string {
  return `${begin(Operation.deleteStudy)},"study_id":${study}}\n`;
}

function studyLines(header: ExperimentHeader, study: number): string {
  const directions =
    header.metrics.length === 0 ? [Direction.min] : header.modes.map((mode) => Direction[mode]);
  return (
    `${begin(Operation.createStudy)},"study_name":${JSON.stringify(header.name)},` +
    `"directions":[${directions.join(',')}]}\n` +
    (header.metrics.length === 0 ? '' : studyAttribute(study, METRIC_NAMES, header.metrics)) +
    studyAttribute(study, `${OWN}experiment`, { format: FORMAT_VERSION, ...header })
  );
}

function studyAttribute(study: number, name: string, value: unknown): string {
  return (
    `${begin(Operation.setStudySystemAttribute)},"study_id":${study},` +
    `"system_attr":{${JSON.stringify(name)}:${writeJson(value)}}}\n`
  );
}

function stateLine(trial: number, state: number, valuesAndTime: string): string {
  return `${ofTrial(Operation.setTrialState, trial)},"state":${state},"values":${valuesAndTime}}\n`;
}

function own(trial: number, name: string, value: unknown): string {
  return systemAttribute(trial, `${OWN}${name}`, writeJson(value));
}

function systemAttribute(trial: number, name: string, json: string): string {
  return `${ofTrial(Operation.setTrialSystemAttribute, trial)},"system_attr":{"${name}":${json}}}\n`;
}

function ofTrial(operation: number, trial: number): string {
  return `${begin(operation)},"trial_id":${trial}`;
}

function begin(operation: number): string {
  return `{"op_code":${operation},"worker_id":"${WORKER}"`;
}

/** What an event says beside what it is and whose: both are in its line. */
function data(event: TrialEvent): unknown {
  const { kind: _kind, number: _number, ...rest } = event;
  return rest;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** What Optuna has of a trial that was read. */
function stateOf({ status }: TrialRecord): number {
  switch (status) {
    case 'PENDING':
      return State.waiting;
    case 'RUNNING':
    case 'PAUSED':
      return State.running;
    default:
      // Which of the finished states makes no difference any more.
      return State.complete;
  }
}
