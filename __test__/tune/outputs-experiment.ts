/** Experiments for the tests of outputs, made of events as a controller makes them; the same each time. */

import type {
  ExperimentEvent,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import { applyEvent, newExperiment } from '../../bindings/typescript/src/tune/experiment/record.ts';
import type { ExperimentRecord } from '../../bindings/typescript/src/tune/experiment/record.ts';
import type { Metrics, ReportedMetrics } from '../../bindings/typescript/src/tune/types.ts';

export const CREATED_AT = Date.UTC(2026, 10, 29, 12);

export function header(more: Partial<ExperimentHeader> = {}): ExperimentHeader {
  return {
    name: 'mnist',
    metrics: ['loss'],
    modes: ['min'],
    seed: 7,
    createdAt: CREATED_AT,
    parameters: [{ name: 'lr', path: ['lr'], kind: 'loguniform', args: [1e-5, 1] }],
    options: {},
    ...more,
  };
}

export function experimentOf(
  events: readonly ExperimentEvent[],
  more: Partial<ExperimentHeader> = {},
): ExperimentRecord {
  const experiment = newExperiment(header(more));
  for (const event of events) applyEvent(experiment, event);
  return experiment;
}

export function trialEvent(
  number: number,
  config: unknown,
  values: readonly (number | null)[] = [],
): ExperimentEvent {
  const id = String(number).padStart(5, '0');
  const trial = { number, id, config, values, repeatIndex: null, source: null };
  return { kind: 'trial', trial, at: CREATED_AT + number };
}

export function startEvent(number: number, at = CREATED_AT + 1000, iteration = 0): ExperimentEvent {
  return { kind: 'start', number, iteration, at };
}

export function reported(
  number: number,
  iteration: number,
  metrics: Metrics,
  at = CREATED_AT + 1000 + iteration * 500,
): ReportedMetrics {
  return {
    ...metrics,
    trainingIteration: iteration,
    timeThisIterMs: 500,
    timeTotalMs: 500 * iteration,
    timestamp: at,
    trialId: String(number).padStart(5, '0'),
    pid: 42,
    hostname: 'host',
    done: false,
  };
}

export function reportEvent(
  number: number,
  iteration: number,
  metrics: Metrics,
  at?: number,
  violations: Readonly<Record<string, number>> | null = null,
): ExperimentEvent {
  return {
    kind: 'report',
    number,
    metrics: reported(number, iteration, metrics, at),
    checkpoint: null,
    violations,
  };
}

export function endEvent(
  number: number,
  more: Partial<Extract<ExperimentEvent, { kind: 'end' }>> = {},
): ExperimentEvent {
  return {
    kind: 'end',
    number,
    status: 'TERMINATED',
    stopReason: 'finished',
    error: null,
    at: CREATED_AT + 9000,
    durationMs: 8000,
    ...more,
  };
}

/** Numbers in [0, 1) that look random (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface LargeOptions {
  readonly trials: number;
  readonly iterations: number;
  readonly workers?: number;
  /** Two metrics to be made better. */
  readonly isMulti?: boolean;
  /** Put into names, labels, messages and metrics. */
  readonly text?: string;
}

/** As a search with successive halving leaves it: learning curves, rungs, failures, choices and conditional parameters. */
export function largeExperiment({
  isMulti = false,
  iterations,
  text = '',
  trials,
  workers = 4,
}: LargeOptions): ExperimentRecord {
  const random = randomOf(1);
  const optimizers = ['sgd', 'adam', `rmsprop${text}`];
  const experiment = newExperiment(
    header({
      name: `digits-asha${text}`,
      metrics: isMulti ? ['eval.loss', 'latencyMs'] : ['eval.loss'],
      modes: isMulti ? ['min', 'min'] : ['min'],
      parameters: [
        { name: 'optimizer.lr', path: ['optimizer', 'lr'], kind: 'loguniform', args: [1e-5, 1] },
        { name: 'optimizer.kind', path: ['optimizer', 'kind'], kind: 'choice', args: [optimizers] },
        {
          name: 'momentum',
          path: ['momentum'],
          kind: 'uniform',
          args: [0, 1],
          when: { name: 'optimizer.kind', index: 0 },
        },
        { name: 'batchSize', path: ['batchSize'], kind: 'choice', args: [[16, 32, 64, 128]] },
        { name: 'layers[0]', path: ['layers', 0], kind: 'randint', args: [8, 257] },
        {
          name: `dropout${text}`,
          path: [`dropout${text}`],
          kind: 'quniform',
          args: [0, 0.6, 0.05],
        },
      ],
    }),
  );
  const apply = (event: ExperimentEvent) => applyEvent(experiment, event);
  const rungs = [1, 4, 16, 64].filter((rung) => rung < iterations);
  const freeAt = new Array<number>(workers).fill(CREATED_AT + 200);
  for (let number = 0; number < trials; number++) {
    const lr = 10 ** (-5 + 5 * random());
    const kind = Math.floor(random() * 3);
    const momentum = kind === 0 ? random() : null;
    const batch = Math.floor(random() * 4);
    const width = 8 + Math.floor(random() * 249);
    const dropout = Math.round(random() * 12) * 0.05;
    const config = {
      optimizer: { lr, kind: optimizers[kind] },
      ...(momentum === null ? {} : { momentum }),
      batchSize: 16 * 2 ** batch,
      layers: [width],
      [`dropout${text}`]: dropout,
      warmup: Math.round(lr * 1000),
    };
    apply(trialEvent(number, config, [lr, kind, momentum, batch, width, dropout]));
    const lane = freeAt.indexOf(Math.min(...freeAt));
    let at = freeAt[lane]!;
    apply(startEvent(number, at));
    const quality =
      0.08 + 0.05 * (Math.log10(lr) + 2.5) ** 2 + 0.03 * kind + 0.1 * dropout + 0.05 * random();
    let end: ExperimentEvent | undefined;
    for (let iteration = 1; iteration <= iterations && end === undefined; iteration++) {
      at += 300 + Math.round(width * 2 + random() * 50);
      const loss = quality + 2 * Math.exp(-iteration / 6) + 0.02 * random();
      const metrics = {
        eval: { loss, accuracy: Math.max(0, 1 - loss / 2.5) },
        latencyMs: 1 + width / 16 + 2 * random(),
        note: text,
      };
      const durationMs = at - freeAt[lane]!;
      if (number % 37 === 11 && iteration === 3) {
        const error = { name: 'RangeError', message: `diverged${text}`, code: null, stack: '' };
        end = endEvent(number, { status: 'ERROR', stopReason: null, error, at, durationMs });
        break;
      }
      apply(
        reportEvent(
          number,
          iteration,
          number % 53 === 20 ? { eval: { loss: Number.NaN } } : metrics,
          at,
        ),
      );
      if (
        rungs.includes(iteration) &&
        quality > 0.1 + 0.6 * random() * (1 / (1 + rungs.indexOf(iteration)))
      ) {
        end = endEvent(number, { stopReason: 'scheduler', at, durationMs });
      } else if (iteration === iterations) {
        end = endEvent(number, { stopReason: 'stopper', at, durationMs });
      }
    }
    if (end !== undefined && number < trials - 2) apply(end);
    freeAt[lane] = at + 40;
  }
  return experiment;
}
