/**
 * What searchers propose after a restore is what they would have proposed without it. An experiment without processes, whose journal is
 * cut off at many places: in the middle of a generation or a batch, and while trials run. The controller is the real one.
 */

import { createRequire } from 'node:module';

import { describe, expect, test, vi } from 'vitest';

import type * as nativeModule from '../../bindings/typescript/src/native.ts';
import { native } from '../../bindings/typescript/src/native.ts';
import { platformName } from '../../bindings/typescript/src/platform.ts';

import { Controller } from '../../bindings/typescript/src/tune/controller/controller.ts';
import type { Instruction } from '../../bindings/typescript/src/tune/controller/instructions.ts';
import type { Trial } from '../../bindings/typescript/src/tune/controller/trial.ts';
import type {
  ExperimentEvent,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import { asha } from '../../bindings/typescript/src/tune/schedulers/asha.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { basicVariant, grid } from '../../bindings/typescript/src/tune/search/basic-variant.ts';
import type { Searcher } from '../../bindings/typescript/src/tune/search/searcher.ts';
import {
  bohb,
  cmaes,
  gp,
  halton,
  nsga2,
  sobol,
  tpe,
} from '../../bindings/typescript/src/tune/search/searchers.ts';
import {
  concurrencyLimiter,
  repeater,
} from '../../bindings/typescript/src/tune/search/wrappers.ts';
import {
  choice,
  qrandint,
  randint,
  uniform,
} from '../../bindings/typescript/src/tune/space/domain.ts';
import { Space } from '../../bindings/typescript/src/tune/space/space.ts';
import { stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import type { Metrics } from '../../bindings/typescript/src/tune/types.ts';
import { PLAIN_SETUP } from './controller-setup.ts';

/** The sources look for the native module beside them, and the build has put it elsewhere. */
vi.mock('../../bindings/typescript/src/native.ts', async (original) => {
  const require = createRequire(import.meta.url);
  return {
    ...(await original<typeof nativeModule>()),
    native: (): unknown => require(`../../dist/eagleray.${platformName()}.node`),
  };
});

const ENDLESS = {
  x: uniform(0, 1),
  y: uniform(-1, 1),
  kind: choice<readonly unknown[]>([{ name: 'deep', layers: randint(1, 9) }, 'flat']),
  width: qrandint(0, 8, 2),
};
const FINITE = { x: qrandint(0, 8, 1), y: randint(-2, 3) };
const TRIALS = 32;
const ITERATIONS = 2;

interface Case {
  readonly search: () => Searcher;
  readonly space?: object;
  readonly metrics?: readonly string[];
  /** Cut off at one of so many events. */
  readonly every?: number;
}

const CASES: Readonly<Record<string, Case>> = {
  basicVariant: { search: () => basicVariant() },
  grid: { search: () => grid(), space: FINITE },
  sobol: { search: () => sobol() },
  halton: { search: () => halton() },
  tpe: { search: () => tpe({ numStartupTrials: 4 }) },
  'tpe with two metrics': {
    search: () => tpe({ numStartupTrials: 4 }),
    metrics: ['loss', 'cost'],
  },
  cmaes: { search: () => cmaes() },
  'cmaes that restarts': {
    search: () => cmaes({ populationSize: 3, restartStrategy: 'bipop', sigma0: 1e-9 }),
  },
  gp: { search: () => gp({ numStartupTrials: 5 }), every: 60 },
  nsga2: { search: () => nsga2({ populationSize: 5 }) },
  'nsga2 with two metrics': {
    search: () => nsga2({ populationSize: 6 }),
    metrics: ['loss', 'cost'],
  },
  bohb: { search: () => bohb({ minPointsInModel: 5, randomFraction: 0.1 }) },
  'a limiter': { search: () => concurrencyLimiter(cmaes(), { maxConcurrent: 2 }) },
  'batches of nsga2': {
    search: () =>
      concurrencyLimiter(nsga2({ populationSize: 4 }), { maxConcurrent: 2, batch: true }),
  },
  'batches larger than what runs': {
    search: () => concurrencyLimiter(cmaes(), { maxConcurrent: 5, batch: true }),
  },
  'batches of a limiter': {
    search: () =>
      concurrencyLimiter(concurrencyLimiter(cmaes(), { maxConcurrent: 2 }), {
        maxConcurrent: 3,
        batch: true,
      }),
  },
  'a repeater of cmaes': {
    search: () => repeater(cmaes({ populationSize: 4 }), { repeat: 2 }),
  },
  'a repeater of nsga2': {
    search: () => repeater(nsga2({ populationSize: 4 }), { repeat: 3 }),
  },
  'a repeater of a limiter': {
    search: () =>
      repeater(concurrencyLimiter(cmaes({ populationSize: 4 }), { maxConcurrent: 1 }), {
        repeat: 2,
      }),
  },
  'a limiter of a repeater': {
    search: () =>
      concurrencyLimiter(repeater(cmaes({ populationSize: 4 }), { repeat: 2 }), {
        maxConcurrent: 2,
        batch: true,
      }),
  },
  'a repeater of tpe': { search: () => repeater(tpe({ numStartupTrials: 4 }), { repeat: 2 }) },
};

interface Config {
  readonly x: number;
  readonly y: number;
}

/** What comes of a trial depends on its config and number alone; some fail, and some have no finite number. */
function metricsOf({ number, config }: Trial, iteration: number): Metrics {
  const { x, y } = config as Config;
  const loss = (x - 0.3) ** 2 + y ** 2 + (ITERATIONS - iteration) * 0.1;
  return { loss: number % 11 === 6 ? NaN : loss, cost: Math.abs(x - y) };
}

const isFailing = ({ number }: Trial): boolean => number % 9 === 4;

/** In which one of those that run reports next. */
type Turn = (running: number, step: number) => number;

interface Options {
  readonly maxConcurrent: number;
  readonly isPruned?: boolean;
}

function headerOf({ metrics = ['loss'] }: Case, { maxConcurrent }: Options): ExperimentHeader {
  return {
    name: 'searching',
    metrics,
    modes: metrics.map(() => 'min' as const),
    seed: 11,
    createdAt: 0,
    parameters: [],
    options: { given: { maxConcurrentTrials: maxConcurrent } },
  };
}

function begin(given: Case, options: Options, events: ExperimentEvent[]): Controller {
  const { maxConcurrent, isPruned = false } = options;
  const header = headerOf(given, options);
  const space = given.space ?? ENDLESS;
  return new Controller({
    ...PLAIN_SETUP,
    header,
    space: new Space(space, 'test'),
    searcher: given.search(),
    scheduler: isPruned ? asha({ maxT: ITERATIONS + 1, reductionFactor: 2 }) : fifo(),
    stopper: stopperOf(undefined, header),
    numSamples: TRIALS,
    capacity: new Map([['CPU', 10_000 * maxConcurrent]]),
    maxConcurrent,
    deterministic: maxConcurrent > 1,
    pointsToEvaluate: [{ x: space === FINITE ? 3 : 0.5 }, { y: 0 }],
    // What is proposed instead is none of the searcher's own.
    parameterConstraints: [({ x, y }: Config) => x + y < 1.2 || space === FINITE],
    record: (event) => void events.push(structuredClone(event)),
    now: () => events.length,
  });
}

function carryOut(controller: Controller, turn: Turn): void {
  const running: { readonly trial: Trial; readonly attempt: number; i: number; report: number }[] =
    [];
  const stopped = new Set<Trial>();
  const follow = (instructions: readonly Instruction[]): void => {
    for (const instruction of instructions) {
      if (instruction.kind === 'run') {
        const { trial, attempt, iteration: i } = instruction;
        running.push({ trial, attempt, i, report: 0 });
      } else if (instruction.kind === 'interrupt') stopped.add(instruction.trial);
      else if (instruction.kind === 'finish' && instruction.end.kind === 'broken') {
        throw instruction.end.error;
      }
    }
  };
  follow(controller.start());
  for (let step = 0; running.length > 0; step++) {
    const at = turn(running.length, step);
    const each = running[at]!;
    const { trial, attempt } = each;
    const shared = { attempt, elapsedMs: 0 };
    const isAtEnd = stopped.delete(trial) || each.i === ITERATIONS;
    if (!isAtEnd && !(isFailing(trial) && each.i === 1)) {
      each.i++;
      each.report++;
      follow(
        controller.reported(trial, {
          ...shared,
          report: each.report,
          metrics: metricsOf(trial, each.i),
          checkpoint: true,
          done: false,
          timestamp: 0,
          pid: 0,
          hostname: '',
        }),
      );
      continue;
    }
    running.splice(at, 1);
    const error = isAtEnd
      ? null
      : { error: new Error('it fails'), record: { name: 'Error', message: '', code: null, stack: '' }, isFinal: true }; // prettier-ignore
    follow(controller.ended(trial, { ...shared, error: error as never, saved: null, at: 0 }));
  }
}

const proposedIn = ({ trials }: Controller) =>
  trials.map(({ config, record: { header } }) => ({
    config,
    isEnqueued: header.isEnqueued,
    repeatIndex: header.repeatIndex,
  }));

function restored(
  given: Case,
  options: Options,
  before: readonly ExperimentEvent[],
): { readonly controller: Controller; readonly events: ExperimentEvent[] } {
  const events = [...before, { kind: 'restore', at: 0 } as const];
  const controller = begin(given, options, events);
  controller.restore(structuredClone(before), {
    ofErrors: 'nothing',
    savesAtEnd: false,
    isLost: () => false,
    configOf: (config) => config,
  });
  return { controller, events };
}

function expectSameFromEverywhere(given: Case, options: Options, turns: readonly Turn[]): void {
  const header: ExperimentEvent = { kind: 'experiment', header: headerOf(given, options) };
  const events = [header];
  const whole = begin(given, options, events);
  carryOut(whole, turns[0]!);
  const expected = proposedIn(whole);
  expect(expected).toHaveLength(TRIALS);
  const { every = 5 } = given;
  for (let cut = 1; cut < events.length; cut += every) {
    const first = restored(given, options, events.slice(0, cut));
    carryOut(first.controller, turns[cut % turns.length]!);
    expect(proposedIn(first.controller), `cut ${cut}`).toEqual(expected);
    // Once more, somewhere behind it.
    const again = Math.ceil((cut + first.events.length) / 2);
    const second = restored(given, options, first.events.slice(0, again));
    carryOut(second.controller, turns[(cut + 1) % turns.length]!);
    expect(proposedIn(second.controller), `cut ${cut} and ${again}`).toEqual(expected);
  }
}

describe.each(Object.entries(CASES))('%s', (_name, given) => {
  test('proposes the same after a restore, one trial at a time', () => {
    expectSameFromEverywhere(given, { maxConcurrent: 1 }, [() => 0]);
  });

  test.skipIf(given.metrics !== undefined)('also where a scheduler ends some', () => {
    expectSameFromEverywhere(given, { maxConcurrent: 1, isPruned: true }, [() => 0]);
  });

  test('proposes the same after a restore with several at a time, where that is deterministic', () => {
    expectSameFromEverywhere(given, { maxConcurrent: 3 }, [
      () => 0,
      (running) => running - 1,
      (running, step) => (step * 7) % running,
    ]);
  });
});

test.each(['basicVariant', 'sobol', 'tpe', 'gp', 'bohb', 'a repeater of tpe'])(
  '%s remembers nothing of its proposals, and is not asked for them again',
  (name) => {
    const [given, options] = [CASES[name]!, { maxConcurrent: 1 }];
    const events: ExperimentEvent[] = [{ kind: 'experiment', header: headerOf(given, options) }];
    carryOut(begin(given, options, events), () => 0);
    const { SearchEngine } = native() as unknown as { SearchEngine: { prototype: { ask(): unknown } } }; // prettier-ignore
    const ask = vi.spyOn(SearchEngine.prototype, 'ask');
    try {
      restored(given, options, events);
      expect(ask).not.toHaveBeenCalled();
      carryOut(restored(given, options, events.slice(0, -12)).controller, () => 0);
      expect(ask).toHaveBeenCalled();
    } finally {
      ask.mockRestore();
    }
  },
);

test('trials that ran with another concurrency are taken up as they were', () => {
  const given: Case = { search: () => cmaes({ populationSize: 4 }) };
  const options = { maxConcurrent: 2 };
  const events: ExperimentEvent[] = [{ kind: 'experiment', header: headerOf(given, options) }];
  const whole = begin(given, options, events);
  carryOut(whole, () => 0);
  const [wide, numbers] = [{ maxConcurrent: 4 }, [12, 16, 20, 24, 28]];
  const same = numbers.filter((number) => {
    const cut = events.findIndex(({ kind }, at) => kind === 'trial' && events.slice(0, at).filter((event) => event.kind === 'trial').length === number); // prettier-ignore
    const { controller } = restored(given, wide, events.slice(0, cut));
    carryOut(controller, () => 0);
    const [found, expected] = [controller, whole].map((each) => proposedIn(each)[number]);
    return JSON.stringify(found) === JSON.stringify(expected);
  });
  expect(same).toEqual(numbers);
});

test.each(['cmaes', 'nsga2', 'a limiter of a repeater'])(
  '%s goes on with trials that it would not have proposed',
  (name) => {
    const [given, options] = [CASES[name]!, { maxConcurrent: 3 }];
    const events: ExperimentEvent[] = [{ kind: 'experiment', header: headerOf(given, options) }];
    carryOut(begin(given, options, events), () => 0);
    const others = events.slice(0, events.length / 2).map((event) => {
      if (event.kind !== 'trial') return event;
      const config = { ...(event.trial.config as Config), x: event.trial.number / 50 };
      return { ...event, trial: { ...event.trial, config } };
    });
    const { controller } = restored(given, options, others);
    carryOut(controller, () => 0);
    expect(controller.trials.map(({ hasEnded }) => hasEnded)).toEqual(
      Array.from({ length: TRIALS }, () => true),
    );
  },
);
