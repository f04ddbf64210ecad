/** What code of users is given is its own: whoever writes to all of it changes neither results nor files. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { init, shutdown } from 'eagleray';
import {
  Study,
  Tuner,
  choice,
  fifo,
  loadResults,
  pbt,
  randint,
  report,
  resourceChanging,
  sampleFrom,
  uniform,
  type Callback,
  type Checkpoint,
  type Result,
  type ResultGrid,
  type Scheduler,
  type Searcher,
  type TrialContext,
} from 'eagleray/tune';
import { simulate } from 'eagleray/tune/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-vandals-'));
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

type Spoil = (...given: unknown[]) => void;

const nothing: Spoil = () => undefined;

/** Counts what it has got hold of, so that a test sees that it was given something. */
function vandal(): { readonly spoil: Spoil; readonly spoilt: () => number } {
  let count = 0;
  const destroy = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof AbortSignal) return;
    if ('spoilt' in value || isDomain(value)) return;
    // Throws where somebody has frozen it: what is one's own can be written to.
    Object.assign(value, { spoilt: 'spoilt' });
    count++;
    for (const key of Object.keys(value)) {
      const part: unknown = Reflect.get(value, key);
      if (part !== 'spoilt') {
        destroy(part);
        Reflect.set(value, key, 'spoilt');
      }
      if (!Array.isArray(value)) Reflect.deleteProperty(value, key);
    }
    if (Array.isArray(value)) value.length = 0;
  };
  return { spoil: (...given) => given.forEach(destroy), spoilt: () => count };
}

/** What a user has made, and nobody can change. */
function isDomain(value: object): boolean {
  return value.constructor.name.endsWith('Domain') && Object.isFrozen(value);
}

/** All hooks of callbacks, with what each was given. */
function callbackOf(spoil: Spoil): Callback {
  const hooks = [
    'setup',
    'onStepBegin',
    'onStepEnd',
    'onTrialStart',
    'onTrialRestore',
    'onTrialSave',
    'onTrialResult',
    'onTrialComplete',
    'onTrialRecover',
    'onTrialError',
    'onCheckpoint',
    'onExperimentEnd',
  ];
  return Object.fromEntries(hooks.map((name) => [name, (info: unknown) => spoil(info)]));
}

/** Runs one trial at a time, and stops those with an odd number at their second report. */
function schedulerOf(spoil: Spoil): Scheduler {
  const live: string[] = [];
  const ended = ({ id }: { readonly id: string }): void => void live.splice(live.indexOf(id), 1);
  return {
    setup: (setup) => spoil(setup),
    onTrialAdd(trial, control) {
      live.push(trial.id);
      spoil(trial, control.trials, control.firstWaiting?.());
    },
    onTrialResult(trial, metrics, control) {
      const stops = metrics.trialId.endsWith('1') && metrics.trainingIteration === 2;
      spoil(metrics, trial.metrics, trial.config, control.trials, trial);
      return stops ? 'STOP' : 'CONTINUE';
    },
    onTrialComplete(trial, metrics, control) {
      ended({ id: metrics.trialId });
      spoil(trial, metrics, control);
    },
    onTrialError(_trial, control) {
      live.shift();
      spoil(control);
    },
    chooseTrialToRun(control) {
      spoil(control);
      return live[0];
    },
  };
}

/** Gives configs by number. */
function searcherOf(spoil: Spoil): Searcher {
  return {
    setup: (setup) => spoil(setup),
    ask(trial) {
      const { number } = trial;
      spoil(trial);
      const net = number % 2 === 0 ? { kind: 'small' } : { kind: 'large', units: 4 + number };
      return { lr: number / 10, net, late: undefined, resources: [1, 2] };
    },
    tell: (...given) => spoil(...given),
    onResult: (...given) => spoil(...given),
    observe: (...given) => spoil(...given),
    resume(...given) {
      spoil(...given);
      return undefined;
    },
  };
}

function spaceOf(spoil: Spoil) {
  return {
    lr: uniform(0, 1),
    net: choice([{ kind: 'small' }, { kind: 'large', units: randint(1, 100) }]),
    late: sampleFrom((config) => {
      const late = { double: (config as { lr: number }).lr * 2 };
      spoil(config);
      return late;
    }),
    resources: [1, 2],
  };
}

/** Three reports; the third trial fails, and is tried again. */
async function train(config: { readonly lr: number }, trial: TrialContext): Promise<void> {
  for (let step = trial.iteration; step < 3; step++) {
    await report(
      { loss: config.lr + step, eval: { parts: [step, { rest: 1 }] } },
      { checkpoint: { step } },
    );
    if (trial.number === 2 && step === 1) throw new RangeError('as expected');
  }
}

/** The files of an experiment, without what is another time. */
function filesOf(results: ResultGrid): Record<string, string> {
  const names = ['journal.log', 'results.csv', 'reports.jsonl'];
  return Object.fromEntries(
    names.map((name) => [
      name,
      readFileSync(path.join(results.path!, name), 'utf8')
        .replaceAll(JSON.stringify(path.dirname(results.path!)), '"folder"')
        .replaceAll(/"(\w*(?:Ms|At)|at|timestamp|pid)":[\d.]+/g, '"$1":0')
        .replaceAll(/"datetime_(\w+)":"[^"]+"/g, '"datetime_$1":""')
        .replaceAll(/pid \d+/g, 'pid 0')
        .replaceAll(/^((?:[^,"]*,){4})[\d.]+/gm, (_all, before: string) => before),
    ]),
  );
}

function seenOf(results: Iterable<Result>): unknown[] {
  return Array.from(results, ({ trialId, status, stopReason, config, history, error }) => ({
    trialId,
    status,
    stopReason,
    config,
    error: error?.message.replaceAll(/pid \d+/g, 'pid 0'),
    cause: (error?.cause as Error | undefined)?.message,
    history: history.map(({ loss, eval: parts, trainingIteration, done }) => ({
      loss,
      parts,
      trainingIteration,
      done,
    })),
  }));
}

async function tried(options: object, name: string): Promise<unknown> {
  const results = await new Tuner(
    train as never,
    {
      metric: 'loss',
      mode: 'min',
      numSamples: 4,
      maxConcurrentTrials: 1,
      maxFailures: 1,
      seed: 5,
      reporter: 'silent',
      storagePath: path.join(folder, name),
      name: 'experiment',
      ...options,
    } as never,
  ).fit();
  const loaded = loadResults(results.path!);
  return {
    inMemory: seenOf(results),
    loaded: seenOf(loaded),
    files: filesOf(results),
    rows: results.toCsv().split('\n').length,
  };
}

/** Each way by which something of the tuner's gets to code of a user's. */
const WAYS: Readonly<Record<string, (spoil: Spoil) => object>> = {
  callbacks: (spoil) => ({
    space: spaceOf(nothing),
    callbacks: [callbackOf(spoil), callbackOf(spoil)],
  }),
  scheduler: (spoil) => ({ space: spaceOf(nothing), scheduler: schedulerOf(spoil) }),
  searcher: (spoil) => ({
    space: spaceOf(nothing),
    search: searcherOf(spoil),
    pointsToEvaluate: [{ lr: 0.5 }],
    knownResults: [
      {
        config: { lr: 0.25, net: { kind: 'small' }, late: null, resources: [1, 2] },
        metrics: { loss: 3 },
      },
    ],
  }),
  stoppers: (spoil) => ({
    space: spaceOf(nothing),
    stop: [
      (_id: string, metrics: object) => {
        spoil(metrics);
        return false;
      },
      {
        onResult(_id: string, metrics: { readonly trainingIteration: number }) {
          const isOver = metrics.trainingIteration > 1;
          spoil(metrics);
          return isOver;
        },
        stopAll: () => false,
      },
    ],
  }),
  reporter: (spoil) => ({
    space: spaceOf(nothing),
    reporter: { report: (state: unknown) => spoil(state), maxReportFrequencyMs: 0 },
  }),
  'functions of a config': (spoil) => ({
    space: spaceOf(spoil),
    resources: (config: unknown) => {
      spoil(config);
      return { numCpus: 1 };
    },
    parameterConstraints: [
      (config: unknown) => {
        spoil(config);
        return true;
      },
    ],
  }),
  allocate: (spoil) => ({
    space: spaceOf(nothing),
    scheduler: resourceChanging(fifo(), {
      allocate(trial, metrics, control) {
        const resources = { numCpus: 1, resources: {} };
        spoil(metrics, control.trials, trial);
        // What was asked for is its own, too.
        queueMicrotask(() => spoil(resources));
        return resources;
      },
    }),
  }),
};

describe('a vandal that writes to all it gets changes nothing', () => {
  test.each(Object.entries(WAYS))('%s', { timeout: 60_000 }, async (name, way) => {
    const { spoil, spoilt } = vandal();
    const honest = await tried(way(nothing), `${name}-honest`);
    const spoiled = await tried(way(spoil), `${name}-vandal`);
    expect(spoilt()).toBeGreaterThan(3);
    expect(spoiled).toEqual(honest);
  });

  test('what a population makes of configs', async () => {
    const run = (spoil: Spoil, name: string) => {
      const kept: object[] = [];
      return tried(
        {
          space: { lr: uniform(0, 1), net: { units: 3 } },
          scheduler: pbt({
            timeAttr: 'trainingIteration',
            perturbationInterval: 1,
            synch: true,
            quantileFraction: 0.5,
            customExploreFn(config) {
              const own = { ...(structuredClone(config) as object), net: { units: 4 } };
              spoil(config, ...kept);
              kept.push(own);
              return own;
            },
          }),
        },
        name,
      );
    };
    const { spoil, spoilt } = vandal();
    const honest = await run(nothing, 'population-honest');
    expect(await run(spoil, 'population-vandal')).toEqual(honest);
    expect(spoilt()).toBeGreaterThan(0);
  });

  test('a simulation', () => {
    const run = (spoil: Spoil) =>
      seenOf(
        simulate({
          space: spaceOf(spoil),
          scheduler: schedulerOf(spoil),
          search: searcherOf(spoil),
          objective(config, iteration) {
            const metrics = { loss: iteration, eval: { parts: [iteration] } };
            spoil(config);
            return metrics;
          },
          duration(config) {
            spoil(config);
            return 1;
          },
          metric: 'loss',
          mode: 'min',
          numSamples: 3,
          workers: 1,
          stop: { trainingIteration: 3 },
          seed: 1,
        }).trials,
      );
    const { spoil, spoilt } = vandal();
    expect(run(spoil)).toEqual(run(nothing));
    expect(spoilt()).toBeGreaterThan(10);
  });

  test('a study, and what is read of it', () => {
    const run = (spoil: Spoil) => {
      const study = new Study({
        space: spaceOf(spoil),
        scheduler: schedulerOf(spoil),
        search: searcherOf(spoil),
        metric: 'loss',
        mode: 'min',
        seed: 1,
      });
      for (let number = 0; number < 3; number++) {
        const trial = study.ask();
        trial.report({ loss: number, eval: { parts: [number] } });
        study.tell(trial, { loss: number + 1, eval: { parts: [number] } });
        spoil(trial.config, study.results.table());
      }
      return seenOf(study.results);
    };
    const { spoil } = vandal();
    expect(run(spoil)).toEqual(run(nothing));
  });
});

describe('what callbacks get', () => {
  test('one has not what another one has written', async () => {
    const seen: unknown[] = [];
    const first: Callback = {
      onTrialResult(info) {
        Object.assign(info.result, { loss: 'mine' });
        Object.assign(info.trial.config as object, { lr: 'mine' });
        (info.trials as unknown[]).length = 0;
      },
    };
    const second: Callback = {
      onTrialResult: ({ result, trial, trials }) =>
        void seen.push([result['loss'], (trial.config as { lr: unknown }).lr, trials.length]),
    };
    await new Tuner((config: { readonly lr: number }) => ({ loss: config.lr }), {
      space: { lr: 0.5 },
      metric: 'loss',
      mode: 'min',
      reporter: 'silent',
      storagePath: null,
      callbacks: [first, second],
    }).fit();
    expect(seen).toEqual([[0.5, 0.5, 1]]);
  });

  test.each([['a folder'], ['the object store']])(
    'checkpoints of %s and errors are instances, that can be used',
    async (where) => {
      const states: unknown[] = [];
      const paths: (string | null)[] = [];
      const errors: unknown[] = [];
      const loaded = async ({ checkpoint }: { readonly checkpoint: Checkpoint }) => {
        paths.push(checkpoint.path);
        states.push([checkpoint.iteration, checkpoint.metrics?.['loss'], await checkpoint.load()]);
      };
      const results = await new Tuner(
        train as never,
        {
          space: { lr: 0.5 },
          numSamples: 3,
          maxConcurrentTrials: 1,
          maxFailures: 1,
          metric: 'loss',
          mode: 'min',
          reporter: 'silent',
          storagePath: where === 'a folder' ? path.join(folder, 'instances') : null,
          callbacks: [
            {
              onCheckpoint: loaded,
              onTrialSave: loaded,
              onTrialRecover: ({ error }: { readonly error: Error }) => void errors.push(error),
              onTrialError: ({ error }: { readonly error: Error }) => void errors.push(error),
            },
          ],
        } as never,
      ).fit();
      expect(states.slice(0, 2)).toEqual([
        [1, 0.5, { step: 0 }],
        [1, 0.5, { step: 0 }],
      ]);
      expect(paths.every((each) => (each === null) === (where !== 'a folder'))).toBe(true);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toBeInstanceOf(Error);
      expect((errors[0] as Error).cause).toBeInstanceOf(RangeError);
      expect(results.numTerminated).toBe(3);
    },
  );
});

test('a trial says how it stands when it is read, and is the same object each time', async () => {
  const begun: { readonly status: string; readonly metrics: object }[] = [];
  const seen: unknown[] = [];
  await new Tuner(() => ({ loss: 1 }), {
    storagePath: null,
    reporter: 'silent',
    callbacks: [
      {
        onTrialStart: ({ trial }) => void begun.push(trial),
        onTrialComplete({ trial, trials }) {
          seen.push(begun[0] === trial, trials[0] === trial, begun[0]!.status);
          seen.push(
            (begun[0]!.metrics as { loss: number }).loss,
            Object.keys(JSON.parse(JSON.stringify(trial)) as object),
            trial.metrics === trial.metrics,
          );
        },
      },
    ],
  }).fit();
  const keys = ['id', 'number', 'status', 'config', 'metrics'];
  expect(seen).toEqual([true, true, 'TERMINATED', 1, keys, true]);
});

test('the trials of a study are the same until there is another one', () => {
  const study = new Study({ space: { lr: uniform(0, 1) }, seed: 1 });
  study.tell(study.ask(), { loss: 1 });
  const { trials } = study;
  expect(study.trials).toBe(trials);
  const open = study.ask();
  expect(trials).toHaveLength(1);
  expect(study.trials).toHaveLength(2);
  expect(study.trials[0]).toBe(trials[0]);
  const [, second] = study.trials;
  expect(second!.status).toBe('RUNNING');
  study.tell(open, { loss: 2 });
  expect(second).toMatchObject({ status: 'TERMINATED', metrics: { loss: 2 } });
  expect(Reflect.set(study.trials, 'length', 0)).toBe(false);
});
