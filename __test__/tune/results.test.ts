/** `ResultGrid` and `Result`: which trial is the best, what is in the front, and that no reader can change a record. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import { InvalidArgumentError } from '../../bindings/typescript/src/index.ts';
import { NoResultError } from '../../bindings/typescript/src/tune/errors.ts';
import {
  applyEvent,
  type ExperimentRecord,
} from '../../bindings/typescript/src/tune/experiment/record.ts';
import { undominated } from './results-oracle.ts';
import {
  ResultGrid,
  type ResultGridContext,
} from '../../bindings/typescript/src/tune/results/result-grid.ts';
import type { ImportanceQuestion } from '../../bindings/typescript/src/tune/results/importances.ts';
import { SCOPES } from '../../bindings/typescript/src/tune/results/scores.ts';
import type { Checkpoint, Mode } from '../../bindings/typescript/src/tune/types.ts';
import {
  addTrial,
  errorRecord,
  experimentOf,
  LOSS,
  randomOf,
  type TrialSketch,
} from './results-fixture.ts';

function gridOf(
  experiment: ExperimentRecord,
  context: Partial<ResultGridContext> = {},
): ResultGrid<Record<string, unknown>> {
  return new ResultGrid(experiment, {
    path: '/experiments/digits',
    revive: {
      checkpoint: ({ iteration, path }, metrics): Checkpoint => ({
        iteration,
        path,
        metrics,
        load: async () => ({ iteration }),
      }),
    },
    importances: () => {
      throw new Error('nobody asks for importances here');
    },
    hypervolume: () => {
      throw new Error('nobody asks for a volume here');
    },
    ...context,
  });
}

function losses(...rows: readonly (readonly number[])[]): ExperimentRecord {
  return experimentOf(
    LOSS,
    rows.map((row) => ({ reports: row.map((loss) => ({ loss })) })),
  );
}

describe('the best result', () => {
  // The last, the least, the greatest, and the means of all, of five and of ten differ in whom they choose.
  const rows = [
    [9, 9, 9, 9, 9, 9, 1], // the least last one
    [0, 9, 9, 9, 9, 9, 9], // the least at all
    [5, 5, 5, 5, 5, 5, 5], // the least mean of all
    [99, 99, 4, 4, 4, 4, 4], // the least mean of the last five
    [...Array.from({ length: 50 }, () => 99), 9, 9, 9, 9, 9, 0.5, 4.5, 4.5, 4.5, 4.5], // of no last one
  ];
  test.each([
    ['last', 'min', 0],
    ['all', 'min', 1],
    ['avg', 'min', 2],
    ['last-5-avg', 'min', 4],
    ['last-10-avg', 'min', 2],
    ['last', 'max', 1],
    ['all', 'max', 3],
    ['avg', 'max', 4],
    ['last-5-avg', 'max', 1],
    ['last-10-avg', 'max', 3],
  ] as const)('scope %s, mode %s', (scope, mode, number) => {
    expect(gridOf(losses(...rows)).getBestResult({ scope, mode }).number).toBe(number);
  });

  test('is that of Ray', () => {
    // `references/ray_results.py` made them: the losses of some trials, and whom `get_best_trial` of Ray 2.60 chooses by each scope.
    const cases = readFileSync(join(import.meta.dirname, 'results-ray.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { rows: number[][]; min: number[]; max: number[] });
    expect(cases).toHaveLength(100);
    for (const { rows: cased, min, max } of cases) {
      const grid = gridOf(losses(...cased));
      const chosen = (mode: Mode): number[] =>
        SCOPES.map((scope) => grid.getBestResult({ scope, mode }).number);
      expect([chosen('min'), chosen('max')]).toEqual([min, max]);
    }
  });

  test('is by the last value of the metric, also where the last report lacks it', () => {
    const grid = gridOf(
      experimentOf(LOSS, [
        { reports: [{ loss: 3 }, { loss: 1 }, { note: 'the end' }] },
        { reports: [{ loss: 2 }] },
      ]),
    );
    expect(grid.best.number).toBe(0);
  });

  test('is of equal ones that with the lower number', () => {
    expect(gridOf(losses([2], [1], [1])).best.number).toBe(1);
    expect(gridOf(losses([2], [1], [1])).getBestResult({ mode: 'max' }).number).toBe(0);
  });

  test('is by a nested metric, and by one that is not the experiment’s', () => {
    const grid = gridOf(
      experimentOf({ metrics: ['eval.loss'], modes: ['min'] }, [
        { reports: [{ eval: { loss: 2, tops: [1, 5] } }] },
        { reports: [{ eval: { loss: 1, tops: [1, 4] } }] },
      ]),
    );
    expect(grid.best.number).toBe(1);
    expect(grid.getBestResult({ metric: 'eval.tops[1]', mode: 'max' }).number).toBe(0);
    expect(() => grid.getBestResult({ metric: 'eval.tops[1]' })).toThrow(/mode has to be given/);
  });

  test('is never one in ERROR, nor one that breaks a constraint, but may still run', () => {
    const grid = gridOf(
      experimentOf(LOSS, [
        { reports: [{ loss: 0 }], status: 'ERROR' },
        { reports: [{ loss: 1 }], violations: { latencyMs: 0.1, size: -1 } },
        { reports: [{ loss: 2 }], violations: { latencyMs: NaN } },
        { reports: [{ loss: 3 }], violations: { latencyMs: 0 }, status: 'RUNNING' },
        { reports: [{ loss: 4 }] },
      ]),
    );
    expect(grid.best.number).toBe(3);
  });

  test('is never one whose value is NaN or infinite, unless that is asked for', () => {
    const grid = gridOf(losses([NaN], [-Infinity], [2], [3]));
    expect(grid.best.number).toBe(2);
    expect(grid.getBestResult({ filterNanAndInf: false }).number).toBe(1);
    // NaN is worse than any, wherever it stands.
    expect(gridOf(losses([NaN], [7])).getBestResult({ filterNanAndInf: false }).number).toBe(1);
    expect(gridOf(losses([NaN])).getBestResult({ filterNanAndInf: false }).number).toBe(0);
  });

  test('is by the finite ones of all values, in whatever order they came', () => {
    for (const row of [
      [NaN, 1, -Infinity],
      [1, NaN, -Infinity],
      [-Infinity, NaN, 1],
    ]) {
      expect(gridOf(losses([2], row)).getBestResult({ scope: 'all' }).number).toBe(1);
    }
    // A mean over it is not finite.
    expect(gridOf(losses([2], [NaN, 1, 1])).getBestResult({ scope: 'avg' }).number).toBe(0);
  });

  test('needs a metric: one, or one that is named', () => {
    expect(() => gridOf(experimentOf({}, [])).best).toThrow(InvalidArgumentError);
    const several = gridOf(
      experimentOf({ metrics: ['a', 'b'], modes: ['min', 'max'] }, [{ reports: [{ a: 1, b: 1 }] }]),
    );
    expect(() => several.best).toThrow(/several metrics \(a, b\)/);
    expect(several.getBestResult({ metric: 'b' }).number).toBe(0);
  });

  test('refuses options that there are not', () => {
    const grid = gridOf(losses([1]));
    expect(() => grid.getBestResult({ scope: 'first' } as never)).toThrow(
      /scope is "first"; allowed: 'last', 'all'/,
    );
    expect(() => grid.getBestResult({ metrc: 'loss' } as never)).toThrow(/Did you mean metric\?/);
    expect(() => grid.getBestResult({ mode: 'best' } as never)).toThrow(InvalidArgumentError);
  });
});

describe('without a best result the error says why', () => {
  function whyOf(...trials: readonly TrialSketch[]): string {
    const grid = gridOf(experimentOf(LOSS, trials));
    try {
      return `it was ${grid.best.trialId}`;
    } catch (error) {
      expect(error).toBeInstanceOf(NoResultError);
      return (error as Error).message.replace('there is no best trial by "loss": ', '');
    }
  }

  const failed: TrialSketch = {
    status: 'ERROR',
    error: { name: 'RangeError', message: 'too much' },
  };
  const missing: TrialSketch = { reports: [{ accuracy: 1, eval: { top5: 2 } }] };

  test('no trials', () => {
    expect(whyOf()).toBe('the experiment has no trials');
  });

  test('all have failed', () => {
    expect(whyOf(failed)).toBe('its only trial failed (00000: RangeError: too much)');
    expect(whyOf(failed, failed)).toBe('all 2 trials failed (00000: RangeError: too much)');
  });

  test('the metric was never reported, but other names', () => {
    expect(whyOf(missing, missing)).toBe(
      'all 2 trials never reported it (reported: accuracy, eval.top5)',
    );
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`m${at}`, at]));
    expect(whyOf({ reports: [many] })).toMatch(/m8, m9, …\)$/);
  });

  test('nothing was reported, or no number', () => {
    expect(whyOf({ status: 'PENDING' })).toBe('its only trial has reported nothing');
    expect(whyOf({ reports: [{ loss: 'low' }] })).toBe(
      'its only trial reported it as something else than a number',
    );
  });

  test('no value is finite', () => {
    expect(whyOf({ reports: [{ loss: NaN }] }, { reports: [{ loss: Infinity }] })).toBe(
      'all 2 trials have no finite value of it (filterNanAndInf: false takes NaN and infinite ones)',
    );
  });

  test('all break constraints', () => {
    const slow = (latencyMs: number): TrialSketch => ({
      reports: [{ loss: 1 }],
      violations: { latencyMs, size: -3 },
    });
    expect(whyOf(slow(5), slow(2))).toBe(
      'all 2 trials break outcome constraints (latencyMs by 2 or more)',
    );
  });

  test('several reasons are counted', () => {
    expect(whyOf(failed, missing, { reports: [{ loss: NaN }] }, failed)).toBe(
      '2 of 4 trials failed (00000: RangeError: too much); ' +
        '1 of 4 trials never reported it (reported: accuracy, eval.top5); ' +
        '1 of 4 trials has no finite value of it (filterNanAndInf: false takes NaN and infinite ones)',
    );
  });
});

describe('a result', () => {
  const sketches: readonly TrialSketch[] = [
    {
      config: { lr: 0.1, layers: [8, 8] },
      reports: [{ loss: 2 }, { loss: 1 }],
      stopReason: 'stopper',
    },
    {
      config: { lr: 1 },
      status: 'ERROR',
      reports: [{ loss: 3 }],
      error: { name: 'RangeError', code: 'E1' },
    },
    { config: {}, status: 'PENDING' },
  ];

  test('shows its trial', () => {
    const result = gridOf(experimentOf(LOSS, sketches)).at(0)!;
    expect(result).toMatchObject({
      trialId: '00000',
      number: 0,
      config: { lr: 0.1, layers: [8, 8] },
      configs: [{ iteration: 0, config: { lr: 0.1, layers: [8, 8] } }],
      status: 'TERMINATED',
      stopReason: 'stopper',
      error: null,
      checkpoint: null,
      bestCheckpoints: [],
      path: '/experiments/digits/trials/00000',
      failures: 0,
      durationMs: 2000,
    });
    expect(result.metrics).toMatchObject({ loss: 1, trainingIteration: 2, done: true });
    expect(result.history.map(({ done }) => done)).toEqual([false, true]);
    expect(result.history.at(-1)).toBe(result.metrics);
  });

  test('of a trial that has not begun is empty', () => {
    const result = gridOf(experimentOf(LOSS, sketches), { path: null }).at(2)!;
    expect(result).toMatchObject({
      metrics: {},
      history: [],
      status: 'PENDING',
      startedAt: null,
      path: null,
    });
    expect(Object.keys(result.metrics)).toEqual([]);
  });

  test('cannot change the record, and its config is the reader’s own', () => {
    const experiment = experimentOf(LOSS, sketches);
    const before = structuredClone(experiment);
    const grid = gridOf(experiment);
    const result = grid.at(0)!;
    result.config['lr'] = 5;
    (result.config['layers'] as number[]).push(9);
    expect(() => Object.assign(result.metrics, { loss: 0 })).toThrow(TypeError);
    expect(() => Object.assign(result, { status: 'ERROR' })).toThrow(TypeError);
    expect(() => (result.history as unknown[]).pop()).toThrow(TypeError);
    expect(() => (result.configs as unknown[]).pop()).toThrow(TypeError);
    Object.assign(grid.table()[0]!, { loss: 0 });
    expect(experiment).toEqual(before);
    expect(result.config['lr']).toBe(5);
    expect(grid.at(0)!.config['lr']).toBe(0.1);
  });

  test('keeps nested metrics of a record from changing', () => {
    const experiment = experimentOf(LOSS, [{ reports: [{ eval: { parts: [1, 2] } }] }]);
    const { metrics } = gridOf(experiment).at(0)!;
    const parts = (metrics as unknown as { eval: { parts: number[] } }).eval.parts;
    expect(() => parts.push(3)).toThrow(TypeError);
  });

  test('goes on with its experiment', () => {
    const experiment = experimentOf(LOSS, [{ status: 'RUNNING', reports: [{ loss: 2 }] }]);
    const grid = gridOf(experiment);
    const result = grid.at(0)!;
    const { history } = result;
    expect(result.history).toBe(history);
    const [last] = experiment.trials[0]!.history;
    applyEvent(experiment, {
      kind: 'report',
      number: 0,
      metrics: { ...last!, loss: 1, trainingIteration: 2 },
      checkpoint: null,
      violations: null,
    });
    expect(history).toHaveLength(1);
    expect(result.history).toHaveLength(2);
    expect(result.metrics).toMatchObject({ loss: 1 });
    addTrial(experiment, { reports: [{ loss: 0 }] });
    expect(grid.length).toBe(2);
    expect(grid.best.number).toBe(1);
  });

  test('has all configs after an exploit, and the last as its own', () => {
    const experiment = experimentOf(LOSS, [
      { config: { lr: 1 }, status: 'RUNNING', reports: [{ loss: 2 }] },
    ]);
    applyEvent(experiment, {
      kind: 'exploit',
      number: 0,
      source: 1,
      checkpoint: { iteration: 4, path: null },
      config: { lr: 0.5 },
      values: [0.5],
    });
    const { config, configs } = gridOf(experiment).at(0)!;
    expect(configs).toEqual([
      { iteration: 0, config: { lr: 1 } },
      { iteration: 4, config: { lr: 0.5 } },
    ]);
    expect(configs[1]!.config).toBe(config);
  });

  test('has the error with its name, message, code and stack; or what revives it', () => {
    const experiment = experimentOf(LOSS, sketches);
    const { error } = gridOf(experiment).at(1)!;
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('RangeError: boom');
    expect(error).toMatchObject({ code: 'E1', stack: 'RangeError: boom\n    at train' });
    expect(Object.keys(error!)).toEqual(['code']);
    const own = new TypeError('own');
    const revive = { checkpoint: () => expect.unreachable(), error: () => own };
    const grid = gridOf(experiment, { revive });
    expect(grid.at(1)!.error).toBe(own);
    expect(grid.errors).toEqual([own]);
    expect([grid.numErrors, grid.numTerminated, grid.length]).toEqual([1, 1, 3]);
  });

  test('without a code its error has none', () => {
    const experiment = experimentOf({}, [{ status: 'ERROR' }]);
    expect(gridOf(experiment).errors[0]).not.toHaveProperty('code');
    expect(errorRecord().code).toBeNull();
  });

  test('has a config with what is no data, where somebody revives it', () => {
    const activation = (): number => 1;
    const grid = gridOf(experimentOf({}, [{ config: { activation: '[Function]' } }]), {
      revive: { checkpoint: () => expect.unreachable(), config: () => ({ activation }) },
    });
    const result = grid.at(0)!;
    expect(result.config['activation']).toBe(activation);
    expect(result.config).toBe(result.config);
  });

  test('prints what it has, can be spread and is JSON', () => {
    const result = gridOf(experimentOf(LOSS, sketches)).at(0)!;
    expect(inspect(result)).toMatch(/^Result \{[^]*status: 'TERMINATED'/);
    expect(inspect(result)).not.toContain('[Getter]');
    expect({ ...result }.config).toEqual({ lr: 0.1, layers: [8, 8] });
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ number: 0, metrics: { loss: 1 } });
  });
});

describe('checkpoints', () => {
  const saved: TrialSketch = {
    reports: [{ loss: 3 }, { loss: 1 }, { loss: NaN }, { loss: 2 }, { loss: 1 }, { other: 0 }],
    checkpoints: [1, 2, 3, 4, 5, 6],
  };
  const iterationsOf = (options: Record<string, unknown>, header = LOSS): number[] =>
    gridOf(experimentOf({ ...header, options }, [saved]))
      .at(0)!
      .bestCheckpoints.map(({ iteration }) => iteration);

  test('the latest, with the report that it came with', async () => {
    const { checkpoint } = gridOf(experimentOf(LOSS, [saved])).at(0)!;
    expect(checkpoint).toMatchObject({
      iteration: 6,
      path: 'trials/00000/checkpoint_000006',
      metrics: { other: 0, trainingIteration: 6 },
    });
    expect(await checkpoint!.load()).toEqual({ iteration: 6 });
  });

  test('the best first, as many as are kept, and the later of equal ones', () => {
    expect(iterationsOf({})).toEqual([5]);
    expect(iterationsOf({ checkpoints: { numToKeep: 3 } })).toEqual([5, 2, 4]);
    expect(iterationsOf({ checkpoints: { numToKeep: Infinity } })).toEqual([5, 2, 4, 1, 6, 3]);
    expect(iterationsOf({ checkpoints: { numToKeep: 0 } })).toEqual([]);
    expect(iterationsOf({ checkpoints: { numToKeep: 2, scoreOrder: 'max' } })).toEqual([1, 4]);
    expect(
      iterationsOf({ checkpoints: { scoreAttribute: 'trainingIteration', scoreOrder: 'min' } }),
    ).toEqual([1]);
  });

  test('without a metric the latest is the best', () => {
    expect(iterationsOf({ checkpoints: { numToKeep: 2 } }, {})).toEqual([6, 5]);
  });

  test('of a report that there is no more have no metrics', () => {
    const experiment = experimentOf(LOSS, [{ status: 'RUNNING' }]);
    const checkpoint = { iteration: 9, path: null };
    applyEvent(experiment, { kind: 'checkpoint', number: 0, checkpoint });
    expect(gridOf(experiment).at(0)!.checkpoint).toMatchObject({ metrics: null, path: null });
  });
});

describe('several metrics', () => {
  const TWO = { metrics: ['loss', 'speed'], modes: ['min', 'max'] as const };

  test('the front has those that none is better than, equal ones too', () => {
    const grid = gridOf(
      experimentOf(TWO, [
        { reports: [{ loss: 1, speed: 1 }] },
        { reports: [{ loss: 2, speed: 3 }] },
        { reports: [{ loss: 2, speed: 2 }] }, // worse than 1
        { reports: [{ loss: 2, speed: 3 }] }, // as 1
        { reports: [{ loss: 0, speed: 9 }], status: 'ERROR' },
        { reports: [{ loss: 0, speed: Infinity }] },
        { reports: [{ loss: 0, speed: 9 }], violations: { size: 1 } },
        { reports: [{ loss: 0 }] },
        { reports: [{ loss: 3, speed: 4 }], status: 'RUNNING' },
      ]),
    );
    expect(grid.paretoFront.map(({ number }) => number)).toEqual([0, 1, 3, 8]);
  });

  test.each([1, 2, 3, 4])('with %i metrics it is what comparing all pairs gives', (dimensions) => {
    const random = randomOf(dimensions);
    for (let round = 0; round < 20; round++) {
      const points = Array.from({ length: 60 }, () =>
        // Few values, so that many are equal.
        Array.from({ length: dimensions }, () => Math.floor(random() * 6)),
      );
      const modes = points[0]!.map((_, place): Mode => (place % 2 === 0 ? 'min' : 'max'));
      const metrics = modes.map((_, place) => `m${place}`);
      const trials = points.map((point) => ({
        reports: [Object.fromEntries(point.map((value, place) => [`m${place}`, value]))],
      }));
      const grid = gridOf(experimentOf({ metrics, modes }, trials));
      expect(grid.paretoFront.map(({ number }) => number)).toEqual(undominated(points, modes));
    }
  });

  test('the front needs a metric, and is empty without trials', () => {
    expect(() => gridOf(experimentOf({}, [])).paretoFront).toThrow(/has no metric/);
    expect(gridOf(experimentOf(TWO, [])).paretoFront).toEqual([]);
  });

  test('the volume is asked for with less being better, and without what lies beyond the reference', () => {
    const asked: unknown[] = [];
    const hypervolume = (points: unknown, reference: unknown): number => {
      asked.push({ points, reference });
      return 1.5;
    };
    const trials = [
      { reports: [{ loss: 1, speed: 5 }] },
      { reports: [{ loss: 2, speed: 6 }] },
      { reports: [{ loss: 9, speed: 7 }] },
      { reports: [{ loss: 3, speed: 5 }] }, // not in the front
    ];
    const grid = gridOf(experimentOf(TWO, trials), { hypervolume });
    expect(grid.hypervolume([4, 0])).toBe(1.5);
    expect(asked).toEqual([
      {
        points: [
          [1, -5],
          [2, -6],
        ],
        reference: [4, -0],
      },
    ]);
    // Nothing is better than this: there is nothing to ask.
    expect(grid.hypervolume([0, 100])).toBe(0);
    expect(asked).toHaveLength(1);
    for (const wrong of [[1], [1, NaN], [1, 2, 3], 'x', [1, '2']]) {
      expect(() => grid.hypervolume(wrong as never)).toThrow(/reference is .*loss, speed/);
    }
  });
});

describe('importances', () => {
  const parameters = ['lr', 'layers', 'decay'].map((name) => ({
    name,
    path: [name],
    kind: 'uniform' as const,
    args: [0, 1],
  }));
  const trial = (loss: number, rest: TrialSketch = {}): TrialSketch => ({
    values: [loss / 2, 1, null],
    reports: [{ loss, accuracy: loss }],
    ...rest,
  });

  function ask(
    options?: Parameters<ResultGrid['importances']>[0],
    found: readonly number[] = [1, 6, 1],
    modes: readonly Mode[] = ['min'],
  ): { question: ImportanceQuestion; answer: Record<string, number> } {
    let question: ImportanceQuestion | undefined;
    const trials = [
      trial(1),
      trial(2, { status: 'ERROR' }),
      trial(3, { stopReason: 'scheduler' }),
      trial(NaN),
      trial(4, { stopReason: 'stopper' }),
      trial(5, { status: 'RUNNING' }),
    ];
    const grid = gridOf(experimentOf({ ...LOSS, modes, parameters, seed: 11 }, trials), {
      importances: (asked) => {
        question = asked;
        return found;
      },
    });
    const answer = grid.importances(options);
    return { question: question!, answer };
  }

  test('are of trials that ended by themselves or by a stopper, with finite values', () => {
    expect(ask().question).toEqual({
      evaluator: 'pedAnova',
      parameters,
      values: [
        [0.5, 1, null],
        [2, 1, null],
      ],
      targets: [1, 4],
      seed: 11,
    });
  });

  test('are by name, descending, with the sum 1', () => {
    expect(Object.entries(ask().answer)).toEqual([
      ['layers', 0.75],
      ['lr', 0.125],
      ['decay', 0.125],
    ]);
    // Where nothing matters.
    expect(Object.values(ask(undefined, [0, 0, 0]).answer)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  test('take less as better: the others are negated', () => {
    expect(ask(undefined, [1, 1, 1], ['max']).question.targets).toEqual([-1, -4]);
    expect(ask({ metric: 'accuracy' }).question.targets).toEqual([1, 4]);
    expect(ask({ metric: 'accuracy', mode: 'max', evaluator: 'fanova' }).question).toMatchObject({
      targets: [-1, -4],
      evaluator: 'fanova',
    });
  });

  test('are equal where all results are, without asking', () => {
    const trials = [trial(1), trial(1)];
    const grid = gridOf(experimentOf({ ...LOSS, parameters }, trials));
    for (const evaluator of ['pedAnova', 'fanova'] as const) {
      expect(Object.values(grid.importances({ evaluator }))).toEqual([1 / 3, 1 / 3, 1 / 3]);
    }
  });

  test('need two trials, and a known evaluator', () => {
    expect(() => gridOf(experimentOf({ ...LOSS, parameters }, [trial(1)])).importances()).toThrow(
      NoResultError,
    );
    expect(() => ask({ evaluator: 'shap' } as never)).toThrow(/allowed: 'pedAnova', 'fanova'/);
    expect(() => ask({ metric: 'nothing' })).toThrow(/finite "nothing"; there is none/);
  });

  test('of a space without parameters are none', () => {
    expect(gridOf(experimentOf(LOSS, [trial(1), trial(2)])).importances()).toEqual({});
  });
});

describe('a grid', () => {
  test('is a list by number, from both ends', () => {
    const grid = gridOf(losses([3], [2], [1]));
    expect(grid.length).toBe(3);
    expect(grid.at(-1)!.number).toBe(2);
    expect(grid.at(3)).toBeUndefined();
    expect(grid.at(-4)).toBeUndefined();
    expect([...grid].map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(grid.path).toBe('/experiments/digits');
  });

  test('is in order of numbers where another program has written trials', () => {
    const grid = gridOf(
      experimentOf(LOSS, [
        { number: 4, reports: [{ loss: 1 }] },
        { number: 2, reports: [{ loss: 1 }] },
      ]),
    );
    expect([...grid].map(({ number }) => number)).toEqual([2, 4]);
    expect(grid.best.number).toBe(2);
  });

  test('prints how it stands', () => {
    expect(inspect(gridOf(losses([3])))).toBe(
      "ResultGrid {\n  length: 1,\n  numTerminated: 1,\n  numErrors: 0,\n  path: '/experiments/digits'\n}",
    );
  });
});
