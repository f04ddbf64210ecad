/**
 * Optuna opens our journals, and we read its own. Runs where OPTUNA_PYTHON names a Python that has `optuna==5.0.0`, such as that
 * of a virtual environment.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { ExperimentEvent } from '../../bindings/typescript/src/tune/experiment/events.ts';
import type { TrialRecord } from '../../bindings/typescript/src/tune/experiment/record.ts';
import { InvalidArgumentError } from '../../bindings/typescript/src/index.ts';
import { metricAt, RESERVED_METRICS } from '../../bindings/typescript/src/tune/metrics.ts';
import { readExperiment } from '../../bindings/typescript/src/tune/journal/experiment-reader.ts';
import { readJournal } from '../../bindings/typescript/src/tune/journal/known-results.ts';
import { readJson } from '../../bindings/typescript/src/tune/journal/python-json.ts';
import { JournalWriter } from '../../bindings/typescript/src/tune/journal/writer.ts';
import { historyOf, PARAMETERS, recordOf } from './journal-histories.ts';

const PYTHON = process.env['OPTUNA_PYTHON'];
const SCRIPT = path.join(import.meta.dirname, 'references/optuna_journal.py');

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-journal-'));
  file = path.join(folder, 'journal.log');
});

afterEach(() => rmSync(folder, { recursive: true }));

function optuna<T>(command: string, ...more: readonly string[]): T {
  const output = execFileSync(PYTHON!, [SCRIPT, command, file, ...more], { encoding: 'utf8' });
  return readJson(output) as T;
}

interface Shown {
  readonly directions: readonly string[];
  readonly metricNames: readonly string[] | null;
  readonly best: number | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly asked: number | null;
  readonly trials: readonly {
    readonly number: number;
    readonly state: string;
    readonly values: readonly number[] | null;
    readonly params: Readonly<Record<string, unknown>>;
    readonly outside: readonly string[];
    readonly distributions: Readonly<Record<string, { name: string; attributes: unknown }>>;
    readonly intermediate: Readonly<Record<string, number>>;
    readonly user: Readonly<Record<string, unknown>>;
    readonly constraints: readonly number[] | null;
    readonly own: readonly string[];
    readonly start: string | null;
    readonly complete: string | null;
  }[];
}

function stateOf({ status, stopReason, history }: TrialRecord, metrics: readonly string[]): string {
  if (status === 'PENDING') return 'WAITING';
  if (status === 'RUNNING' || status === 'PAUSED') return 'RUNNING';
  if (status === 'ERROR') return 'FAIL';
  const finished = stopReason === 'scheduler' ? 'PRUNED' : 'COMPLETE';
  const values = metrics.map((metric) => metricAt(history.at(-1) ?? {}, metric));
  if (values.every((value) => Number.isFinite(value))) return finished;
  if (values.every((value) => value === undefined) && finished === 'PRUNED') return 'PRUNED';
  return 'FAIL';
}

/** Optuna's value of a parameter. */
function paramOf(name: string, value: number): unknown {
  const { kind, args } = PARAMETERS.find((parameter) => parameter.name === name)!;
  if (kind !== 'choice' && kind !== 'gridSearch') return value;
  const element = (args[0] as readonly unknown[])[value];
  return typeof element === 'object' && element !== null ? JSON.stringify(element) : element;
}

function expectShown(shown: Shown, events: readonly ExperimentEvent[]): void {
  const { header, trials } = recordOf(events);
  expect(shown.directions).toEqual(
    header.metrics.length === 0
      ? ['MINIMIZE']
      : header.modes.map((mode) => (mode === 'min' ? 'MINIMIZE' : 'MAXIMIZE')),
  );
  expect(shown.metricNames).toEqual(header.metrics.length === 0 ? null : header.metrics);
  expect(shown.trials.length).toBe(trials.length);
  for (const [index, trial] of trials.entries()) {
    const seen = shown.trials[index]!;
    const last = trial.history.at(-1);
    const isFinished = trial.status === 'TERMINATED' || trial.status === 'ERROR';
    expect(seen.number).toBe(trial.header.number);
    expect(seen.state, `trial ${index}`).toBe(stateOf(trial, header.metrics));
    const values = header.metrics.map((metric) => metricAt(last ?? {}, metric));
    // One that was pruned may never have reported the metric, or not in its last report.
    const isPrunedWithout = seen.state === 'PRUNED' && values.every((value) => value === undefined);
    if (isPrunedWithout && header.metrics.length > 0) {
      expect(seen.values).toBeNull();
    } else if (
      (seen.state === 'COMPLETE' || seen.state === 'PRUNED') &&
      header.metrics.length > 0
    ) {
      expect(seen.values).toEqual(values);
    } else if (seen.state === 'COMPLETE') {
      expect(seen.values).toEqual([0]);
    } else if (seen.state === 'FAIL') {
      expect(seen.values).toBeNull();
    }
    // A config that was exploited may lack a parameter that an earlier one had, and Optuna forgets none.
    const params = Object.fromEntries(
      PARAMETERS.flatMap(({ name }, place) => {
        const value = trial.values[place] ?? trial.header.values[place];
        return typeof value === 'number' ? [[name, paramOf(name, value)]] : [];
      }),
    );
    if (trial.configs.length <= 2) expect(seen.params).toEqual(params);
    expect(seen.outside).toEqual([]);
    if (header.metrics.length === 1) {
      for (const metrics of trial.history) {
        const value = metricAt(metrics, header.metrics[0]!);
        if (typeof value !== 'number') continue;
        expect(seen.intermediate[metrics.trainingIteration]).toEqual(value);
      }
    } else {
      expect(seen.intermediate).toEqual({});
    }
    const user = Object.entries(last ?? {}).filter(
      ([name]) => !RESERVED_METRICS.has(name) && !header.metrics.includes(name),
    );
    expect(seen.user).toEqual(isFinished ? Object.fromEntries(user) : {});
    const violations = isFinished ? trial.violations : null;
    expect(seen.constraints).toEqual(violations === null ? null : Object.values(violations));
    expect(seen.own).toContain('eagleray:trial');
    expect(seen.complete !== null).toBe(isFinished);
    if (trial.startedAt !== null) expect(Date.parse(seen.start!)).toBe(trial.startedAt);
    if (isFinished) expect(Date.parse(seen.complete!)).toBe(trial.endedAt);
  }
}

describe.skipIf(PYTHON === undefined)(
  'with Optuna (skipped where OPTUNA_PYTHON names none)',
  () => {
    test.each([0, 1, 2])(
      'a finished and a running experiment with %i metrics are studies of Optuna',
      (metrics) => {
        for (const finish of [true, false]) {
          const options = {
            seed: 50 + metrics,
            name: `study ${finish}`,
            events: 400,
            metrics,
            finish,
          };
          const events = [...historyOf(options)];
          using writer = JournalWriter.open(file, { fsync: 'never', study: options.name });
          for (const event of events) writer.append(event);
          // Its locks and ours don't meet: the running one is looked at while its writer is there.
          expectShown(optuna<Shown>('show', options.name), events);
        }
      },
    );

    test('each kind of parameter is a distribution of Optuna', () => {
      const events = [...historyOf({ seed: 60, name: 'kinds', events: 100, metrics: 1 })];
      using writer = JournalWriter.open(file, { fsync: 'never', study: 'kinds' });
      for (const event of events) writer.append(event);
      const [first] = optuna<Shown>('show', 'kinds').trials;
      const { distributions } = first!;
      const number = (low: number, high: number, more: object = {}): object => ({
        log: false,
        step: null,
        low,
        high,
        ...more,
      });
      expect(
        Object.fromEntries(
          Object.entries(distributions).map(([name, { attributes }]) => [name, attributes]),
        ),
      ).toMatchObject({
        lr: number(1e-5, 1, { log: true }),
        momentum: number(0, 1),
        dropout: number(0, 0.5, { step: 0.1 }),
        decay: number(0.1, 10, { log: true }),
        noise: number(-20, 20),
        shift: number(-1.5, 3.5, { step: 0.5 }),
        layers: number(1, 8, { step: 1 }),
        units: number(8, 512, { step: 1, log: true }),
        batch: number(16, 128, { step: 16 }),
        width: number(8, 64, { step: 1, log: true }),
        optimizer: { choices: ['{"name":"adam"}', '{"name":"sgd"}', 'none'] },
        grid: { choices: [true, null, 3, 'three', '{"name":"adam"}'] },
      });
    });

    test('what it adds to an experiment meanwhile changes nothing of ours', () => {
      const events: ExperimentEvent[] = [];
      using writer = JournalWriter.open(file, { fsync: 'never', study: 'noted' });
      const numberOf = (): number => writer.nextNumber();
      for (const event of historyOf({
        seed: 70,
        name: 'noted',
        events: 90,
        metrics: 1,
        numberOf,
      })) {
        writer.append(event);
        events.push(event);
        if (events.length % 30 === 10) optuna('note', 'noted');
      }
      const { experiment } = readExperiment(file);
      expect(experiment).toEqual(recordOf(events));
      const shown = optuna<Shown>('show', 'noted');
      expect(shown.attributes).toEqual({ note: 'seen' });
      expect(shown.trials.filter(({ own }) => own.length === 0).length).toBe(3);
      for (const { header, status } of experiment.trials) {
        const seen = shown.trials[header.number]!;
        expect(seen.own).toContain('eagleray:trial');
        if (status === 'PENDING') expect(seen.state).toBe('WAITING');
      }
    });

    test('its own journals are known results', () => {
      interface Made {
        readonly config: unknown;
        readonly values: readonly number[];
      }
      const made = optuna<Readonly<Record<'single' | 'pair' | 'named', readonly Made[]>>>('make');
      expect(made.single.length).toBeGreaterThan(20);
      const known = (results: readonly Made[], names: readonly string[]): unknown =>
        results.map(({ config, values }) => ({
          config,
          metrics: Object.fromEntries(values.map((value, index) => [names[index], value])),
        }));
      expect(readJournal(file, { study: 'single' })).toEqual(known(made.single, ['value']));
      expect(readJournal(file, { study: 'pair' })).toEqual(known(made.pair, ['value', 'value1']));
      expect(readJournal(file, { study: 'named' })).toEqual(
        known(made.named, ['loss', 'accuracy']),
      );
      expect(() => readJournal(file)).toThrow(InvalidArgumentError);
    });
  },
);
