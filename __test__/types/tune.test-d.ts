/**
 * What the compiler makes of a user's program for tuning: all types follow from the space, nothing has to be annotated, and what can't
 * be right does not compile. Like `api.test-d.ts`, compiled and never run.
 */

import { expectTypeOf } from 'vitest';

import { put } from '../../bindings/typescript/src/index.ts';
import {
  Checkpoint,
  Study,
  Trainable,
  TrialStoppedError,
  Tuner,
  allOf,
  asha,
  basicVariant,
  bohb,
  choice,
  cmaes,
  concurrencyLimiter,
  fifo,
  getCheckpoint,
  getContext,
  gp,
  grid,
  gridSearch,
  halton,
  hyperband,
  hyperbandForBohb,
  jsonReporter,
  lineReporter,
  lograndint,
  loguniform,
  maximumIterationStopper,
  medianStopping,
  mlflow,
  nsga2,
  patientStopping,
  pbt,
  pbtReplay,
  percentileStopping,
  qlograndint,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  repeater,
  report,
  reportSync,
  resourceChanging,
  sampleFrom,
  sobol,
  stagnationStopper,
  tableReporter,
  thresholdStopping,
  timeoutStopper,
  tpe,
  trialPlateauStopper,
  uniform,
  wilcoxonStopping,
  withParameters,
} from '../../bindings/typescript/src/tune/index.ts';
import type {
  Callback,
  Config,
  Domain,
  Metrics,
  MetricValue,
  ReportedMetrics,
  Result,
  ResultGrid,
  Scheduler,
  Searcher,
  Stopper,
  StudyTrial,
  TrialContext,
} from '../../bindings/typescript/src/tune/index.ts';

declare const flag: boolean;

// Spaces

export function domains(): void {
  expectTypeOf(uniform(0, 1)).toEqualTypeOf<Domain<number>>();
  const numbers = [
    loguniform(1, 2),
    quniform(0, 1, 0.5),
    qloguniform(1, 2, 1),
    randn(),
    randn(1, 2),
    qrandn(0, 1, 0.5),
    randint(0, 5),
    lograndint(1, 5),
    qrandint(0, 4, 2),
    qlograndint(2, 4, 2),
  ];
  expectTypeOf(numbers).toEqualTypeOf<Domain<number>[]>();
  expectTypeOf(choice(['a', 'b'])).toEqualTypeOf<Domain<'a' | 'b'>>();
  expectTypeOf(choice([1, 'a', null, true])).toEqualTypeOf<Domain<1 | 'a' | null | true>>();
  expectTypeOf(gridSearch([8, 16])).toEqualTypeOf<Domain<8 | 16>>();
  expectTypeOf(choice([8, 16], { ordered: true })).toEqualTypeOf<Domain<8 | 16>>();
  const kinds: string[] = ['a'];
  expectTypeOf(choice(kinds)).toEqualTypeOf<Domain<string>>();

  // @ts-expect-error a string is no bound
  uniform('0', 1);
  // @ts-expect-error it has no upper bound
  uniform(0);
  // @ts-expect-error it has no q
  quniform(0, 1);
  // @ts-expect-error elements come in a list
  choice('a', 'b');
  // @ts-expect-error unknown option
  choice([1, 2], { order: true });
  // @ts-expect-error a flag
  choice([1, 2], { ordered: 'yes' });
  // @ts-expect-error a grid has no options
  gridSearch([1, 2], { ordered: true });
  // @ts-expect-error no function
  sampleFrom(5);
}

export function configs(): void {
  const space = {
    lr: loguniform(1e-5, 1e-1),
    epochs: 10,
    name: 'net',
    debug: true,
    nothing: null,
    optimizer: { kind: choice(['adam', 'sgd']), betas: [uniform(0, 1), 0.999] },
    layers: [randint(1, 5), { width: qrandint(8, 64, 8) }],
    size: gridSearch([8, 16]),
    activation: (x: number) => Math.max(0, x),
    when: new Date(),
    data: new Float64Array(3),
    table: new Map([['a', 1]]),
  } as const;
  expectTypeOf<Config<typeof space>>().toEqualTypeOf<{
    lr: number;
    epochs: 10;
    name: 'net';
    debug: true;
    nothing: null;
    optimizer: { kind: 'adam' | 'sgd'; betas: [number, 0.999] };
    layers: [number, { width: number }];
    size: 8 | 16;
    activation: (x: number) => number;
    when: Date;
    data: Float64Array<ArrayBuffer>;
    table: Map<string, number>;
  }>();

  // A list of domains whose length is not known, and a space that is made by a function.
  const widths = [1, 2].map(() => randint(1, 9));
  expectTypeOf<Config<typeof widths>>().toEqualTypeOf<number[]>();
  const spaceOf = (most: number) => ({ depth: randint(1, most), of: { lr: uniform(0, 1) } });
  expectTypeOf<Config<ReturnType<typeof spaceOf>>>().toEqualTypeOf<{
    depth: number;
    of: { lr: number };
  }>();
  const parts: Record<string, Domain<number>> = { a: uniform(0, 1) };
  expectTypeOf<Config<typeof parts>>().toEqualTypeOf<Record<string, number>>();
  // A part that may not be there stays so.
  const maybe: { lr: Domain<number>; momentum?: Domain<number> } = { lr: uniform(0, 1) };
  expectTypeOf<Config<typeof maybe>>().toEqualTypeOf<{ lr: number; momentum?: number }>();
}

export function branches(): void {
  const space = {
    model: choice([
      { kind: 'linear' },
      { kind: 'forest', trees: randint(10, 100) },
      {
        kind: 'net',
        layers: choice([1, 2]),
        optimizer: choice([{ name: 'adam', beta: uniform(0, 1) }, { name: 'sgd' }]),
      },
    ]),
    fill: choice([0, uniform(0, 1)]),
    sizes: choice([[8, 8], [randint(1, 9)]]),
  };
  type Model =
    | { kind: 'linear' }
    | { kind: 'forest'; trees: number }
    | {
        kind: 'net';
        layers: 1 | 2;
        optimizer: { name: 'adam'; beta: number } | { name: 'sgd' };
      };
  expectTypeOf<Config<typeof space>['model']>().toEqualTypeOf<Model>();
  expectTypeOf<Config<typeof space>['fill']>().toEqualTypeOf<number>();
  expectTypeOf<Config<typeof space>['sizes']>().toEqualTypeOf<[8, 8] | [number]>();

  new Tuner(
    async ({ model }) => {
      // Narrowed by what tells the branches apart.
      if (model.kind === 'forest') expectTypeOf(model.trees).toEqualTypeOf<number>();
      if (model.kind === 'net' && model.optimizer.name === 'adam') {
        expectTypeOf(model.optimizer.beta).toEqualTypeOf<number>();
      }
      // @ts-expect-error a linear model has no trees
      if (model.kind === 'linear') await report({ loss: model.trees });
      // @ts-expect-error there is no such branch
      if (model.kind === 'tree') await report({ loss: 1 });
    },
    { space },
  );
}

export function sampled(): void {
  const space = {
    lr: uniform(0, 1),
    twice: sampleFrom(({ lr }: { lr: number }) => lr * 2),
    token: sampleFrom((_config, random) => {
      expectTypeOf(random).toEqualTypeOf<() => number>();
      return `${random()}`;
    }),
    none: sampleFrom(() => 'x' as const),
  };
  expectTypeOf<Config<typeof space>>().toEqualTypeOf<{
    lr: number;
    twice: number;
    token: string;
    none: 'x';
  }>();
  new Tuner((config) => ({ loss: config.twice + config.token.length }), { space });
  // What the config will be can't be inferred from inside of it: it is whatever one says it is, and nothing without.
  sampleFrom((config) => {
    // @ts-expect-error it is not known here
    return config.lr;
  });
}

// Trainables

export function functions(): void {
  const tuner = new Tuner(
    async (config, trial) => {
      expectTypeOf(config).toEqualTypeOf<{
        lr: number;
        kind: 'adam' | 'sgd';
        epochs: 10;
        deep: { width: number };
      }>();
      expectTypeOf(trial).toEqualTypeOf<TrialContext<typeof config>>();
      expectTypeOf(trial.config).toEqualTypeOf<typeof config>();
      const state = await trial.checkpoint?.load();
      expectTypeOf(state).toEqualTypeOf<unknown>();
      // @ts-expect-error there is no such parameter
      await report({ loss: config.learningRate });
      // @ts-expect-error there is no such choice
      if (config.kind === 'rmsprop') return;
      // @ts-expect-error a config is only read
      trial.config = config;
      await report({ loss: config.lr }, { checkpoint: { step: 1 } });
    },
    {
      space: {
        lr: loguniform(1e-5, 1e-1),
        kind: choice(['adam', 'sgd']),
        epochs: 10,
        deep: { width: randint(1, 9) },
      },
      metric: 'loss',
      mode: 'min',
      numSamples: 5,
    },
  );
  expectTypeOf(tuner.fit()).toEqualTypeOf<
    Promise<ResultGrid<{ lr: number; kind: 'adam' | 'sgd'; epochs: 10; deep: { width: number } }>>
  >();

  // All kinds of functions: with and without a config, sync and async, that return metrics or nothing.
  const space = { lr: uniform(0, 1), of: { depth: randint(1, 5) } };
  new Tuner(() => ({ loss: 1 }));
  new Tuner(async () => ({ loss: 1, nested: { list: [1, 'a', null, true] } }), { space });
  new Tuner(({ lr, of: { depth } }) => ({ loss: lr * depth }), { space });
  new Tuner(({ lr }) => void lr, { space });
  new Tuner(({ lr }) => (flag ? { loss: lr } : undefined), { space });
  async function declared({ lr }: { lr: number }): Promise<{ loss: number }> {
    return { loss: lr };
  }
  new Tuner(declared, { space });
  interface Scores {
    readonly loss: number;
    readonly parts: { readonly one: number };
  }
  const scores: Scores = { loss: 1, parts: { one: 1 } };
  // An interface may have more than it says, so it is no metrics; what is in it is.
  new Tuner(() => ({ ...scores }), { space });
  new Tuner(() => report({ ...scores }), { space });
  // @ts-expect-error see above
  void report(scores);

  // @ts-expect-error the space has no such parameter
  new Tuner((config: { momentum: number }) => ({ loss: config.momentum }), { space });
  // @ts-expect-error it is a number
  new Tuner((config: { lr: string }) => ({ loss: config.lr }), { space });
  // @ts-expect-error a number is no metrics
  new Tuner(({ lr }) => lr, { space });
  // @ts-expect-error a function is no metric
  new Tuner(() => ({ loss: () => 1 }), { space });
  // @ts-expect-error nor is a date
  new Tuner(async () => ({ loss: new Date() }), { space });
  // @ts-expect-error nor is a BigInt
  new Tuner(() => ({ loss: 1n }), { space });
  // @ts-expect-error a trainable has to be there
  new Tuner();
  // @ts-expect-error the name of one is none
  new Tuner('train', { space });
  // @ts-expect-error a trainable has three parameters at most
  new Tuner((_config, _trial, _params, _more) => ({ loss: 1 }), { space });
}

export function generators(): void {
  const space = { lr: uniform(0, 1) };
  new Tuner(
    function* ({ lr }, trial) {
      expectTypeOf(lr).toEqualTypeOf<number>();
      expectTypeOf(trial.id).toEqualTypeOf<string>();
      yield { loss: lr };
      yield [{ loss: lr }, { checkpoint: { step: 1 } }] as const;
    },
    { space },
  );
  new Tuner(
    async function* ({ lr }) {
      for (let step = 0; step < 3; step++) yield { loss: lr / step, nested: { step } };
      return { loss: lr };
    },
    { space },
  );
  new Tuner(
    // @ts-expect-error a number is no metrics
    function* ({ lr }: { lr: number }) {
      yield lr;
    },
    { space },
  );
}

export function classes(): void {
  class Net extends Trainable<{ lr: number }, { data: Float64Array }> {
    #weights = 0;
    override setup(config: { lr: number }, trial: TrialContext, { data }: { data: Float64Array }) {
      this.#weights = config.lr * trial.number * data.length;
    }
    step() {
      expectTypeOf(this.config).toEqualTypeOf<{ lr: number }>();
      expectTypeOf(this.trial).toEqualTypeOf<TrialContext<{ lr: number }>>();
      return { loss: this.#weights, done: this.#weights > 5 };
    }
    override async saveCheckpoint() {
      return { weights: this.#weights };
    }
    override loadCheckpoint({ weights }: { weights: number }) {
      this.#weights = weights;
    }
    override resetConfig({ lr }: { lr: number }) {
      return lr > 0;
    }
    override cleanup() {}
  }
  const data = new Float64Array(3);
  const space = { lr: uniform(0, 1), more: 1 };
  new Tuner(withParameters(Net, { data }), { space, reuseActors: true });
  new Tuner(withParameters(Net, { data: put(data) }), { space });
  // @ts-expect-error its parameters are missing
  new Tuner(Net, { space });
  // @ts-expect-error they are others
  withParameters(Net, { rows: data });
  // @ts-expect-error it wants another config
  new Tuner(withParameters(Net, { data }), { space: { momentum: uniform(0, 1) } });

  class Plain extends Trainable {
    async step() {
      return { loss: 1 };
    }
  }
  new Tuner(Plain);
  new Tuner(Plain, { space });
  class Typed extends Trainable<Config<typeof space>> {
    step() {
      return { loss: this.config.lr };
    }
  }
  new Tuner(Typed, { space });
  // @ts-expect-error a class without step
  new Tuner(class extends Trainable {}, { space });
  // @ts-expect-error an instance is no class
  new Tuner(new Plain(), { space });
  class Wrong extends Trainable {
    // @ts-expect-error a step gives metrics
    step() {
      return 1;
    }
  }
  void Wrong;
}

export function parameters(): void {
  const space = { lr: uniform(0, 1) };
  const rows = put([[1, 2]]);
  const trainable = withParameters(
    ({ lr }: { lr: number }, trial, { data, rows, label }) => {
      expectTypeOf(trial.number).toEqualTypeOf<number>();
      expectTypeOf(data).toEqualTypeOf<Float64Array<ArrayBuffer>>();
      expectTypeOf(rows).toEqualTypeOf<number[][]>();
      expectTypeOf(label).toEqualTypeOf<string>();
      return { loss: lr * data.length };
    },
    { data: new Float64Array(3), rows, label: 'a' },
  );
  new Tuner(trainable, { space, metric: 'loss', mode: 'min' });
  // The compiler looks into this call before it looks at the space: what the config is has to be said.
  new Tuner(
    withParameters(
      ({ lr }: Config<typeof space>, _trial, { data }) => ({ loss: lr * data.length }),
      { data: [1, 2] },
    ),
    { space },
  );
  new Tuner(
    withParameters(
      async function* (_config, _trial, { data }) {
        yield { loss: data.length };
      },
      { data: [1] },
    ),
    { space },
  );
  // @ts-expect-error the space has no such parameter
  new Tuner(trainable, { space: { momentum: uniform(0, 1) } });
  // @ts-expect-error parameters have names
  withParameters(() => ({ loss: 1 }), 5);
  // @ts-expect-error parameters have to be there
  withParameters(() => ({ loss: 1 }));
}

export async function reports(): Promise<void> {
  expectTypeOf(report({ loss: 1 })).toEqualTypeOf<Promise<void>>();
  await report({ loss: 1, name: 'a', ok: true, none: null, list: [1, [2]], nested: { loss: 1 } });
  await report({ loss: flag ? 1 : undefined }, { checkpoint: new Map() });
  await report({ loss: 1 }, { checkpoint: Checkpoint.fromDirectory('folder') });
  expectTypeOf(reportSync({ loss: 1 }, { checkpoint: 5 })).toEqualTypeOf<void>();
  // @ts-expect-error a number has no name
  await report(1);
  // @ts-expect-error nothing to report
  await report();
  // @ts-expect-error a function is no metric
  await report({ loss: () => 1 });
  // @ts-expect-error nor a promise
  await report({ loss: Promise.resolve(1) });
  // @ts-expect-error nor a date
  await report({ at: new Date() });
  // @ts-expect-error nor a map
  await report({ parts: new Map([['a', 1]]) });
  // @ts-expect-error nor a typed array
  await report({ losses: new Float64Array(3) });
  // @ts-expect-error nor a symbol, however deep
  await report({ nested: { list: [1, Symbol('a')] } });
  // @ts-expect-error a list is no metrics
  await report([1, 2]);
  // @ts-expect-error unknown option
  await report({ loss: 1 }, { checkpoints: 1 });
  // @ts-expect-error unknown option
  reportSync({ loss: 1 }, { path: 'x' });

  expectTypeOf(getContext().config).toEqualTypeOf<unknown>();
  expectTypeOf(getContext().signal).toEqualTypeOf<AbortSignal>();
  expectTypeOf(await getCheckpoint()?.load()).toEqualTypeOf<unknown>();
  const error: unknown = null;
  if (error instanceof TrialStoppedError) {
    // @ts-expect-error there is no such reason
    if (error.reason === 'tired') return;
    if (error.reason === 'exploited') return;
  }
}

// Options of a Tuner

export function tunerOptions(): void {
  const space = { lr: uniform(0, 1), kind: choice(['a', 'b']), of: { depth: randint(1, 9) } };
  const train = ({ lr }: { lr: number }) => ({ loss: lr });
  new Tuner(train, {
    space,
    metric: ['loss', 'eval.accuracy'],
    mode: ['min', 'max'],
    numSamples: Infinity,
    search: tpe({ seed: 1 }),
    scheduler: asha({ maxT: 5 }),
    seed: 1,
    maxConcurrentTrials: 2,
    deterministic: false,
    resources: ({ of }) => ({ numCpus: of.depth, resources: { custom: 1 }, memory: 5 }),
    stop: [
      { trainingIteration: 5 },
      (id, { trainingIteration }) => id === '' && trainingIteration > 1,
    ],
    timeBudgetMs: 5,
    trialTimeoutMs: 5,
    maxFailures: Infinity,
    maxErrors: 3,
    failFast: true,
    checkpoints: {
      numToKeep: 2,
      scoreAttribute: 'loss',
      scoreOrder: 'min',
      frequency: 1,
      atEnd: true,
    },
    reuseActors: false,
    pointsToEvaluate: [{ lr: 0.5 }, { of: {} }, { kind: 'a', of: { depth: 2 } }],
    knownResults: [{ config: { lr: 1, kind: 'b', of: { depth: 1 } }, metrics: { loss: 1 } }],
    parameterConstraints: [({ lr, kind }) => lr > 0.5 && kind === 'a'],
    outcomeConstraints: { latencyMs: { max: 20 }, accuracy: { min: 0.5, max: 1 } },
    storagePath: null,
    name: 'x',
    ifExists: 'overwrite',
    fsync: 'never',
    outputs: ['csv', 'jsonl', 'html', 'tensorboard'],
    callbacks: [mlflow({ trackingUri: 'x', experimentName: 'y' })],
    reporter: 'silent',
    handleSignals: false,
  });
  new Tuner(train, {
    space,
    reporter: { report: (state, done) => void [state.counts.ERROR, done] },
  });
  new Tuner(train, { space, reporter: tableReporter({ metricColumns: ['loss'] }) });
  new Tuner(train, { space, reporter: lineReporter() });
  new Tuner(train, { space, reporter: jsonReporter() });
  // An option that is undefined counts as not given.
  new Tuner(train, { space, seed: undefined, metric: undefined, mode: undefined });

  // @ts-expect-error a metric without a mode
  new Tuner(train, { space, metric: 'loss' });
  // @ts-expect-error a mode without a metric
  new Tuner(train, { space, mode: 'min' });
  // @ts-expect-error no such mode
  new Tuner(train, { space, metric: 'loss', mode: 'minimum' });
  // @ts-expect-error unknown option
  new Tuner(train, { space, numSample: 5 });
  // @ts-expect-error Ray's name of it
  new Tuner(train, { paramSpace: space });
  // @ts-expect-error times have their unit
  new Tuner(train, { space, timeBudget: 5 });
  // @ts-expect-error a number
  new Tuner(train, { space, numSamples: '5' });
  // @ts-expect-error a searcher is made by its function
  new Tuner(train, { space, search: 'tpe' });
  // @ts-expect-error and so is a scheduler
  new Tuner(train, { space, scheduler: 'asha' });
  // @ts-expect-error the function itself is none
  new Tuner(train, { space, search: tpe });
  // @ts-expect-error a searcher is no scheduler
  new Tuner(train, { space, scheduler: tpe() });
  // @ts-expect-error nor the other way round
  new Tuner(train, { space, search: asha() });
  // @ts-expect-error a string
  new Tuner(train, { space, seed: 'a' });
  // @ts-expect-error unknown resource
  new Tuner(train, { space, resources: { cpus: 2 } });
  // @ts-expect-error there is no such parameter
  new Tuner(train, { space, resources: ({ depth }) => ({ numCpus: depth }) });
  // @ts-expect-error an unknown option of checkpoints
  new Tuner(train, { space, checkpoints: { keep: 1 } });
  // @ts-expect-error no such order
  new Tuner(train, { space, checkpoints: { scoreOrder: 'ascending' } });
  // @ts-expect-error no such parameter
  new Tuner(train, { space, pointsToEvaluate: [{ momentum: 1 }] });
  // @ts-expect-error no such choice
  new Tuner(train, { space, pointsToEvaluate: [{ kind: 'c' }] });
  // @ts-expect-error a number
  new Tuner(train, { space, pointsToEvaluate: [{ of: { depth: 'deep' } }] });
  // @ts-expect-error a config has to be whole
  new Tuner(train, { space, knownResults: [{ config: { lr: 1 }, metrics: { loss: 1 } }] });
  // @ts-expect-error a point has no metrics
  new Tuner(train, { space, pointsToEvaluate: [{ lr: 1, metrics: { loss: 1 } }] });
  // @ts-expect-error no such parameter
  new Tuner(train, { space, parameterConstraints: [({ momentum }) => momentum > 1] });
  // @ts-expect-error a constraint says yes or no
  new Tuner(train, { space, parameterConstraints: [({ lr }) => lr] });
  // @ts-expect-error a bound is min or max
  new Tuner(train, { space, outcomeConstraints: { latencyMs: { below: 20 } } });
  // @ts-expect-error a bound has a side
  new Tuner(train, { space, outcomeConstraints: { latencyMs: 20 } });
  // @ts-expect-error a bound is a number
  new Tuner(train, { space, stop: { loss: 'low' } });
  // @ts-expect-error a stopper says yes or no
  new Tuner(train, { space, stop: () => 'yes' });
  // @ts-expect-error half a stopper
  new Tuner(train, { space, stop: { stopAll: () => true } });
  // @ts-expect-error no such answer
  new Tuner(train, { space, ifExists: 'append' });
  // @ts-expect-error no such output
  new Tuner(train, { space, outputs: ['json'] });
  // @ts-expect-error no such reporter
  new Tuner(train, { space, reporter: 'loud' });
  // @ts-expect-error no such frequency
  new Tuner(train, { space, fsync: true });
  // @ts-expect-error no such hook
  new Tuner(train, { space, callbacks: [{ onTrialEnd: () => undefined }] });
  // @ts-expect-error callbacks come in a list
  new Tuner(train, { space, callbacks: mlflow({ trackingUri: 'x', experimentName: 'y' }) });
  // @ts-expect-error a space is an object
  new Tuner(train, { space: 5 });
  // @ts-expect-error unknown option of fit
  void new Tuner(train, { space }).fit({ timeoutMs: 5 });
}

export function searchers(): void {
  const searchers: Searcher[] = [
    basicVariant({ constantGridSearch: true, seed: 1 }),
    grid({ shuffle: true }),
    sobol({ scramble: false }),
    halton(),
    tpe({
      numStartupTrials: 1,
      numEiCandidates: 2,
      multivariate: true,
      group: true,
      constantLiar: true,
      skipDuplicates: true,
    }),
    cmaes({
      x0: { lr: 0.5 },
      sigma0: 1,
      populationSize: 5,
      restartStrategy: 'bipop',
      separable: true,
    }),
    gp({ deterministicObjective: true }),
    nsga2({ crossover: 'sbx', crossoverProb: 0.5, swappingProb: 0.5, mutationProb: 0.1 }),
    bohb({
      minPointsInModel: 3,
      topNPercent: 15,
      numSamples: 64,
      randomFraction: 0.3,
      bandwidthFactor: 3,
      minBandwidth: 1e-3,
    }),
    concurrencyLimiter(tpe(), { maxConcurrent: 2, batch: true }),
    repeater(tpe(), { repeat: 3 }),
  ];
  void searchers;
  // @ts-expect-error unknown option
  tpe({ nStartupTrials: 1 });
  // @ts-expect-error Optuna's word for it
  gp({ deterministic: true });
  // @ts-expect-error no such strategy
  cmaes({ restartStrategy: 'ipops' });
  // @ts-expect-error no such crossover
  nsga2({ crossover: 'spx' });
  // @ts-expect-error how many has to be said
  concurrencyLimiter(tpe(), {});
  // @ts-expect-error how often has to be said
  repeater(tpe());
  // @ts-expect-error no searcher
  repeater(asha(), { repeat: 2 });
  // @ts-expect-error a seed is a number
  sobol({ seed: '1' });

  // One's own, without annotations, in its place.
  new Tuner(({ lr }) => ({ loss: lr }), {
    space: { lr: uniform(0, 1) },
    search: {
      setup({ parameters, metrics, seed }) {
        expectTypeOf(parameters[0]!.path).toEqualTypeOf<readonly (string | number)[]>();
        expectTypeOf(metrics[0]!.mode).toEqualTypeOf<'min' | 'max'>();
        expectTypeOf(seed).toEqualTypeOf<number>();
      },
      ask({ number, id }) {
        return number > 5 ? 'done' : { lr: 1 / (number + id.length) };
      },
      tell({ number }, { status, config, metrics }) {
        expectTypeOf(number).toEqualTypeOf<number>();
        expectTypeOf(config).toEqualTypeOf<unknown>();
        expectTypeOf(metrics['loss']).toEqualTypeOf<MetricValue | undefined>();
        // @ts-expect-error no such status
        if (status === 'DONE') return;
      },
      onResult(_trial, metrics) {
        expectTypeOf(metrics.trainingIteration).toEqualTypeOf<number>();
      },
    },
  });
  // @ts-expect-error it has to be told
  const deaf: Searcher = { setup() {}, ask: () => 'done' };
  void deaf;
}

export function schedulers(): void {
  const all: Scheduler[] = [
    fifo(),
    asha({
      type: 'promotion',
      timeAttr: 'trainingIteration',
      metric: 'loss',
      mode: 'min',
      brackets: 2,
    }),
    hyperband({ maxT: 9, reductionFactor: 3, stopLastTrials: false }),
    hyperbandForBohb({ maxT: 9 }),
    medianStopping({ gracePeriod: 1, minSamplesRequired: 1, minTimeSlice: 0, hardStop: false }),
    percentileStopping({ percentile: 25 }),
    thresholdStopping({ lower: 0 }),
    wilcoxonStopping({ pThreshold: 0.1 }),
    patientStopping(percentileStopping(), { patience: 3, minDelta: 0.1 }),
    pbt({
      perturbationInterval: 5,
      hyperparamMutations: { lr: loguniform(1e-4, 1), size: [8, 16], of: { x: () => 5 } },
      customExploreFn: (config) => config,
    }),
    pbtReplay('file'),
    resourceChanging(asha(), {
      allocate: (trial, metrics, { trials }) =>
        trials.length > metrics.trainingIteration ? { numCpus: trial.number } : undefined,
    }),
  ];
  void all;
  // @ts-expect-error no such type
  asha({ type: 'stop' });
  // @ts-expect-error Ray's name of it
  asha({ max_t: 5 });
  // @ts-expect-error no such mode
  hyperband({ mode: 'least' });
  // @ts-expect-error there has to be something to change
  pbt();
  // @ts-expect-error a number is no mutation
  pbt({ hyperparamMutations: { lr: 5 } });
  // @ts-expect-error how patient has to be said
  patientStopping(percentileStopping(), {});
  // @ts-expect-error who allocates has to be said
  resourceChanging(asha(), {});
  // @ts-expect-error an unknown resource
  resourceChanging(asha(), { allocate: () => ({ cpus: 1 }) });
  // @ts-expect-error a file
  pbtReplay();
  // @ts-expect-error it has none
  fifo({ seed: 1 });

  new Tuner(({ lr }) => ({ loss: lr }), {
    space: { lr: uniform(0, 1) },
    scheduler: {
      setup({ metric, mode }) {
        expectTypeOf(metric).toEqualTypeOf<string | undefined>();
        expectTypeOf(mode).toEqualTypeOf<'min' | 'max' | undefined>();
      },
      onTrialResult(trial, metrics, control) {
        expectTypeOf(trial.config).toEqualTypeOf<unknown>();
        expectTypeOf(control.trials.length).toEqualTypeOf<number>();
        return metrics.trainingIteration > 5 ? 'STOP' : 'CONTINUE';
      },
      chooseTrialToRun: ({ trials }) => trials.find(({ status }) => status === 'PENDING')?.id,
    },
  });
  // @ts-expect-error no such answer
  const wrong: Scheduler = { onTrialResult: () => 'KILL', chooseTrialToRun: () => undefined };
  void wrong;
}

export function stoppers(): void {
  const all: Stopper[] = [
    maximumIterationStopper(5),
    timeoutStopper(5),
    trialPlateauStopper({
      metric: 'loss',
      std: 1,
      numResults: 2,
      gracePeriod: 1,
      metricThreshold: 1,
      mode: 'min',
    }),
    stagnationStopper({ trials: 3 }),
    stagnationStopper(),
    allOf({ loss: 1 }, (id) => id === '', maximumIterationStopper(3)),
  ];
  void all;
  // @ts-expect-error of which metric
  trialPlateauStopper({ std: 1 });
  // @ts-expect-error a number
  maximumIterationStopper('5');
  // @ts-expect-error unknown option
  stagnationStopper({ patience: 3 });
}

export function callbacks(): void {
  new Tuner(() => ({ loss: 1 }), {
    callbacks: [
      {
        setup({ trials, iteration }) {
          expectTypeOf(trials.length).toEqualTypeOf<number>();
          expectTypeOf(iteration).toEqualTypeOf<number>();
        },
        async onTrialStart({ trial }) {
          expectTypeOf(trial.id).toEqualTypeOf<string>();
        },
        onTrialResult({ trial, result }) {
          expectTypeOf(trial.number).toEqualTypeOf<number>();
          expectTypeOf(result).toEqualTypeOf<ReportedMetrics>();
        },
        onTrialSave: ({ trial, checkpoint }) => void [trial.id, checkpoint.iteration],
        onCheckpoint: ({ trial, checkpoint }) => void [trial.id, checkpoint.iteration],
        onTrialError: ({ trial, error }) => void [trial.id, error.message],
        onTrialRecover: ({ trial, error }) => void [trial.id, error.message],
        onTrialRestore: ({ trial }) => void trial.id,
        onTrialComplete: ({ trial }) => void trial.id,
        onExperimentEnd: ({ trials }) => void trials,
        getState: () => ({ seen: 1 }),
        setState({ seen }: { seen: number }) {
          void seen;
        },
      },
    ],
  });
  class Own implements Callback {
    seen = 0;
    onTrialResult(): void {
      this.seen++;
    }
  }
  new Tuner(() => ({ loss: 1 }), { callbacks: [new Own()] });
  // @ts-expect-error where the server is has to be said
  mlflow({ experimentName: 'y' });
  // @ts-expect-error unknown option
  mlflow({ trackingUri: 'x', experimentName: 'y', runName: 'z' });
}

// Results

export async function results(): Promise<void> {
  const results = await new Tuner(({ lr }) => ({ loss: lr }), {
    space: { lr: uniform(0, 1), kind: choice(['a', 'b']) },
    metric: 'loss',
    mode: 'min',
  }).fit({ signal: new AbortController().signal });
  type C = { lr: number; kind: 'a' | 'b' };
  expectTypeOf(results).toEqualTypeOf<ResultGrid<C>>();
  expectTypeOf(results.best).toEqualTypeOf<Result<C>>();
  expectTypeOf(results.best.config).toEqualTypeOf<C>();
  expectTypeOf(results.best.configs[0]!.config).toEqualTypeOf<C>();
  expectTypeOf(results.best.metrics['loss']).toEqualTypeOf<MetricValue | undefined>();
  expectTypeOf(results.best.history).toEqualTypeOf<readonly ReportedMetrics[]>();
  expectTypeOf(results.best.history[0]!.trainingIteration).toEqualTypeOf<number>();
  expectTypeOf(results.best.error).toEqualTypeOf<Error | null>();
  for (const { config, status } of results) {
    expectTypeOf(config).toEqualTypeOf<C>();
    // @ts-expect-error no such status
    if (status === 'DONE') return;
  }
  expectTypeOf(
    results.getBestResult({ metric: 'loss', mode: 'max', scope: 'last-5-avg' }),
  ).toEqualTypeOf<Result<C>>();
  expectTypeOf(results.paretoFront).toEqualTypeOf<Result<C>[]>();
  expectTypeOf(results.toCsv()).toEqualTypeOf<string>();
  results.importances({ metric: 'loss', evaluator: 'fanova' });
  // @ts-expect-error no such scope
  results.getBestResult({ scope: 'last-3-avg' });
  // @ts-expect-error unknown option
  results.getBestResult({ filterNan: true });
  // @ts-expect-error no such evaluator
  results.importances({ evaluator: 'shap' });
  // @ts-expect-error a config has no such parameter
  void results.best.config.momentum;
  // @ts-expect-error a result is only read
  results.best.status = 'ERROR';
}

// Studies

export function studies(): void {
  using study = new Study({
    space: {
      x: uniform(-1, 1),
      model: choice([{ kind: 'a', depth: randint(1, 5) }, { kind: 'b' }]),
    },
    metric: 'loss',
    mode: 'min',
    search: tpe(),
    storagePath: null,
  });
  type C = { x: number; model: { kind: 'a'; depth: number } | { kind: 'b' } };
  const trial = study.ask();
  expectTypeOf(trial).toEqualTypeOf<StudyTrial<C>>();
  expectTypeOf(trial.config).toEqualTypeOf<C>();
  expectTypeOf(trial.report({ loss: 1 })).toEqualTypeOf<'CONTINUE' | 'STOP'>();
  study.tell(trial, { loss: 1 });
  study.tell(trial.number, { loss: 1 });
  study.prune(trial);
  study.fail(trial);
  study.fail(trial, new Error('x'));
  study.enqueue({ x: 0.5 });
  study.enqueue({ model: { kind: 'b' } });
  expectTypeOf(study.best).toEqualTypeOf<Result<C>>();
  expectTypeOf(study.trials).toEqualTypeOf<readonly Result<C>[]>();
  expectTypeOf(study.results).toEqualTypeOf<ResultGrid<C>>();
  expectTypeOf(study.score({ x: 0, model: { kind: 'b' } })?.acquisition).toEqualTypeOf<
    number | undefined
  >();
  // @ts-expect-error metrics have names
  study.tell(trial, 1);
  // @ts-expect-error a function is no metric
  study.tell(trial, { loss: () => 1 });
  // @ts-expect-error an id is no number
  study.tell(trial.id, { loss: 1 });
  // @ts-expect-error no such parameter
  study.enqueue({ y: 1 });
  // @ts-expect-error no such branch
  study.enqueue({ model: { kind: 'c' } });
  // @ts-expect-error a config is whole
  study.score({ x: 0 });
  // @ts-expect-error a metric without a mode
  new Study({ space: { x: uniform(0, 1) }, metric: 'loss' });
  // @ts-expect-error a study runs nothing
  new Study({ space: { x: uniform(0, 1) }, maxConcurrentTrials: 2 });
  // @ts-expect-error unknown option
  new Study({ directions: ['minimize'] });
  expectTypeOf(new Study().ask().config).toEqualTypeOf<Config<Record<never, never>>>();
}

// Generic code over spaces

export function tune<const Space extends object>(
  space: Space,
  loss: (config: Config<Space>) => number,
): Tuner<Space> {
  return new Tuner<Space>((config) => ({ loss: loss(config) }) satisfies Metrics, {
    space,
    metric: 'loss',
    mode: 'min',
  });
}
tune({ x: uniform(0, 1), y: [randint(1, 3)] }, ({ x, y: [z] }) => x * z);
