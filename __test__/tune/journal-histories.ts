/** Seeded random histories of experiments, as the controller would write them, and what comes of them. */

import type {
  ErrorRecord,
  ExperimentEvent,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import {
  applyEvent,
  newExperiment,
  type ExperimentRecord,
} from '../../bindings/typescript/src/tune/experiment/record.ts';
import type { ParameterDescription } from '../../bindings/typescript/src/tune/space/parameter.ts';
import type {
  MetricValue,
  ReportedMetrics,
  StopReason,
} from '../../bindings/typescript/src/tune/types.ts';

/** A generator of numbers in [0, 1): the same for a seed. */
export function randomOf(seed: number): () => number {
  let state = Math.trunc(seed) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const STARTED_AT = Date.UTC(2026, 10, 29, 12);

/** One of each kind of domain, and one that is there for one choice only. */
export const PARAMETERS: readonly ParameterDescription[] = [
  parameter('lr', 'loguniform', [1e-5, 1]),
  parameter('momentum', 'uniform', [0, 1]),
  parameter('dropout', 'quniform', [0, 0.5, 0.1]),
  parameter('decay', 'qloguniform', [0.1, 10, 0.1]),
  parameter('noise', 'randn', [0, 2]),
  parameter('shift', 'qrandn', [1, 0.25, 0.5]),
  parameter('layers', 'randint', [1, 9]),
  parameter('units', 'lograndint', [8, 513]),
  parameter('batch', 'qrandint', [16, 128, 16]),
  parameter('width', 'qlograndint', [8, 64, 8]),
  parameter('optimizer', 'choice', [[{ name: 'adam' }, { name: 'sgd' }, 'none']]),
  parameter('grid', 'gridSearch', [[true, null, 3, 'three', { name: 'adam' }]]),
  {
    ...parameter('optimizer[1].nesterov', 'choice', [[false, true]]),
    when: { name: 'optimizer', index: 1 },
  },
];

function parameter(
  name: string,
  kind: ParameterDescription['kind'],
  args: readonly unknown[],
): ParameterDescription {
  return { name, path: [name], kind, args };
}

export interface HistoryOptions {
  readonly seed: number;
  readonly name: string;
  /** 0, 1 or more. Default: random. */
  readonly metrics?: number;
  /** How many events there are at least. */
  readonly events: number;
  /** Ends all trials. Default: it ends in the middle. */
  readonly finish?: boolean;
  /** The number of a trial, given how many there are. */
  readonly numberOf?: (count: number) => number;
}

interface Running {
  readonly number: number;
  status: 'PENDING' | 'RUNNING' | 'PAUSED';
  iteration: number;
  timeTotalMs: number;
  saved: number;
}

/** All events of an experiment, in order. */
export function* historyOf(options: HistoryOptions): Generator<ExperimentEvent> {
  const random = randomOf(options.seed);
  const pick = <T>(...items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const count = options.metrics ?? pick(0, 1, 1, 1, 2);
  const metrics = ['loss', 'eval.accuracy', 'size'].slice(0, count);
  let at = STARTED_AT;
  const now = (): number => (at += Math.floor(random() * 50));
  const header: ExperimentHeader = {
    name: options.name,
    metrics,
    modes: metrics.map((_, index) => (index === 0 ? 'min' : 'max')),
    seed: Math.floor(random() * 2 ** 31),
    createdAt: now(),
    parameters: PARAMETERS,
    options: { numSamples: Infinity, stop: { loss: -Infinity }, note: 'a "text"\n…', none: null },
  };
  yield { kind: 'experiment', header };
  const open: Running[] = [];
  let trials = 0;

  const valuesOf = (): (number | null)[] => {
    const values = PARAMETERS.map(({ kind, args }) => {
      const [low, high, step] = args as number[];
      if (kind === 'choice' || kind === 'gridSearch') {
        return Math.floor(random() * (args[0] as readonly unknown[]).length);
      }
      if (kind.startsWith('q') && kind !== 'qrandn') {
        const steps = Math.floor(random() * (Math.round((high! - low!) / step!) + 1));
        return Number((low! + steps * step!).toFixed(6));
      }
      if (kind === 'qrandn') return Math.round(random() * 4) * step!;
      return kind.endsWith('int')
        ? low! + Math.floor(random() * (high! - low!))
        : low! + random() * (high! - low!);
    });
    return values.map((value, index) =>
      PARAMETERS[index]!.when === undefined || values[10] === 1 ? value : null,
    );
  };
  const configOf = (values: readonly (number | null)[]): unknown => ({
    lr: values[0],
    nested: {
      layers: [values[6], pick<string | boolean | null>('a', null, true)],
      text: pick('NaN', 'null', 'ü', '\\"'),
    },
  });
  const valueOf = (): number =>
    pick(random(), random(), random(), -random(), random() * 1e6, NaN, Infinity, -Infinity);
  const reportOf = (trial: Running, number: number): ReportedMetrics => {
    const spent = Math.floor(random() * 1000) / 8;
    trial.iteration += 1;
    trial.timeTotalMs += spent;
    const reported: Record<string, MetricValue> = {};
    if (random() < 0.9) reported['loss'] = valueOf();
    if (random() < 0.9) reported['eval'] = { accuracy: valueOf(), curve: [valueOf(), null, []] };
    if (random() < 0.9) reported['size'] = Math.floor(random() * 1e6);
    if (random() < 0.3)
      reported['note'] = pick('NaN', '-Infinity "x', '{}', '', '\u{1f600}\n', 'é');
    if (random() < 0.3) reported['flag'] = random() < 0.5;
    if (random() < 0.1) reported['NaN'] = { Infinity: [NaN, 'NaN'] };
    return {
      ...reported,
      trainingIteration: trial.iteration,
      timeThisIterMs: spent,
      timeTotalMs: trial.timeTotalMs,
      timestamp: now(),
      trialId: idOf(number),
      pid: 4711,
      hostname: 'node',
      done: false,
    };
  };
  const endOf = (trial: Running): ExperimentEvent => {
    open.splice(open.indexOf(trial), 1);
    const isError = random() < 0.2;
    const reason = pick<StopReason>('finished', 'finished', 'stopper', 'scheduler', 'timeBudget');
    return {
      kind: 'end',
      number: trial.number,
      status: isError ? 'ERROR' : 'TERMINATED',
      stopReason: isError ? null : reason,
      error: isError ? errorOf('it failed') : null,
      at: now(),
      durationMs: trial.timeTotalMs,
    };
  };

  for (let written = 1; written < options.events; written++) {
    const running = open.filter(({ status }) => status === 'RUNNING');
    const waiting = open.filter(({ status }) => status !== 'RUNNING');
    const trial = pick(...(running.length > 0 ? running : open));
    const what = random();
    if (open.length < 2 || (what < 0.12 && open.length < 8)) {
      const number = options.numberOf?.(trials) ?? trials;
      trials += 1;
      open.push({ number, status: 'PENDING', iteration: 0, timeTotalMs: 0, saved: 0 });
      const values = valuesOf();
      yield {
        kind: 'trial',
        trial: {
          number,
          id: idOf(number),
          config: configOf(values),
          values,
          repeatIndex: pick(null, 2),
          source: trials > 3 && random() < 0.1 ? 1 : null,
        },
        at: now(),
      };
    } else if (running.length === 0 || (what < 0.25 && waiting.length > 0)) {
      const next = pick(...waiting);
      next.status = 'RUNNING';
      next.iteration = next.saved;
      yield { kind: 'start', number: next.number, iteration: next.saved, at: now() };
    } else if (what < 0.75) {
      const { number } = trial!;
      const metrics = reportOf(trial!, number);
      const checkpoint = { iteration: trial!.iteration, path: pick(null, `trials/${number}/c`) };
      const hasCheckpoint = random() < 0.4;
      if (hasCheckpoint) trial!.saved = trial!.iteration;
      yield {
        kind: 'report',
        number,
        metrics,
        checkpoint: hasCheckpoint ? checkpoint : null,
        violations: pick(null, { latencyMs: random() - 0.5, memory: -1 }),
      };
    } else if (what < 0.79) {
      trial!.saved = trial!.iteration;
      const checkpoint = { iteration: trial!.iteration, path: null };
      yield { kind: 'checkpoint', number: trial!.number, checkpoint };
    } else if (what < 0.81) {
      const iterations = [Math.max(0, trial!.saved - 1), 99];
      yield { kind: 'dropped', number: trial!.number, iterations };
    } else if (what < 0.85) {
      trial!.status = 'PAUSED';
      yield { kind: 'pause', number: trial!.number, at: now() };
    } else if (what < 0.89) {
      trial!.status = 'PENDING';
      const error = random() < 0.5 ? errorOf('lost "its" worker') : null;
      const durationMs = Math.round(random() * 1e6) / 1e3;
      yield { kind: 'requeue', number: trial!.number, error, at: now(), durationMs };
    } else if (what < 0.92) {
      const values = valuesOf();
      const config = configOf(values);
      const { number, iteration } = trial!;
      yield {
        kind: 'exploit',
        number,
        source: 0,
        checkpoint: { iteration, path: null },
        config,
        values,
      };
    } else if (what < 0.94) {
      const resources = { numCpus: 2, resources: { Custom: 0.5 } };
      yield { kind: 'resources', number: trial!.number, resources };
    } else if (what < 0.96) {
      yield { kind: 'restore', at: now() };
    } else {
      yield endOf(random() < 0.8 ? trial! : pick(...open));
    }
  }
  while (options.finish === true && open.length > 0) yield endOf(open[0]!);
}

export function idOf(number: number): string {
  return String(number).padStart(5, '0');
}

function errorOf(message: string): ErrorRecord {
  return { name: 'Error', message, code: null, stack: `Error: ${message}\n    at f (a.ts:1:2)` };
}

/** What events come to. */
export function recordOf(events: readonly ExperimentEvent[]): ExperimentRecord {
  const [first] = events;
  if (first?.kind !== 'experiment') throw new Error('no experiment');
  const record = newExperiment(first.header);
  for (const event of events) applyEvent(record, event);
  return record;
}
