/**
 * An experiment without processes, whose journal is cut off behind each of its events in turn: whoever goes on from there comes to the
 * same end. The controller is the real one; trials are arithmetic, and take turns.
 */

import { describe, expect, test, vi } from 'vitest';

import { Controller } from '../../bindings/typescript/src/tune/controller/controller.ts';
import type { Instruction } from '../../bindings/typescript/src/tune/controller/instructions.ts';
import type { Trial } from '../../bindings/typescript/src/tune/controller/trial.ts';
import type {
  ExperimentEvent,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import { asha } from '../../bindings/typescript/src/tune/schedulers/asha.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { hyperband } from '../../bindings/typescript/src/tune/schedulers/hyperband.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { pb2 } from '../../bindings/typescript/src/tune/schedulers/pb2.ts';
import { pbt } from '../../bindings/typescript/src/tune/schedulers/pbt.ts';
import type { Scheduler } from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import type { Searcher } from '../../bindings/typescript/src/tune/search/searcher.ts';
import {
  concurrencyLimiter,
  repeater,
} from '../../bindings/typescript/src/tune/search/wrappers.ts';
import { uniform } from '../../bindings/typescript/src/tune/space/domain.ts';
import { Space } from '../../bindings/typescript/src/tune/space/space.ts';
import { stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import { PLAIN_SETUP } from './controller-setup.ts';
import type { BanditQuestion, Period } from '../../bindings/typescript/src/tune/search/bandit.ts';

/** A model whose answers change with all that it is told and asked: one that was not told everything again answers otherwise. */
vi.mock('../../bindings/typescript/src/tune/search/bandit.ts', () => ({
  BanditModel: class {
    #known = 0;

    observe({ time, reward, change, values }: Period): void {
      for (const value of [time, reward, change, ...values]) {
        this.#known = (this.#known * 1.7 + Math.abs(value)) % 1;
      }
    }

    next({ running, start, seed, number }: BanditQuestion): number[] {
      const asked = [...running.flat(), start.time, start.reward, seed, number];
      return [10 * (asked.reduce((sum, value) => sum * 1.3 + Math.abs(value), this.#known) % 1)];
    }
  },
}));

const HEADER: ExperimentHeader = {
  name: 'cuts',
  metrics: ['loss'],
  modes: ['min'],
  seed: 3,
  createdAt: 0,
  parameters: [],
  options: { storagePath: '/nowhere' },
};

const fraction = (number: number): number => (number * 0.6180339887498949) % 1;

/** Proposes by number, and notes what it is told. */
class Searching implements Searcher {
  readonly told: string[] = [];
  setup(): void {}
  ask({ number }: { readonly number: number }): unknown {
    return { x: fraction(number + 1) };
  }
  tell({ number }: { readonly number: number }, { metrics }: { metrics: object }): void {
    this.told.push(`${number} ${String((metrics as { loss?: number }).loss)}`);
  }
}

interface Case {
  readonly scheduler: () => Scheduler;
  readonly search?: (inner: Searcher) => Searcher;
  readonly numSamples?: number;
  readonly stop?: object;
  /** How many reports a trial gives by itself. */
  readonly length?: number;
  /** Whether it says so with the last one, as a class does. */
  readonly saysDone?: boolean;
  readonly maxConcurrent?: number;
}

interface Run {
  readonly controller: Controller;
  readonly events: ExperimentEvent[];
  readonly searcher: Searching;
}

/** The process has died. */
const DEATH = new Error('dead');

/** States by trial and iteration, as on a disk. */
type Disk = Map<string, number>;

const keyOf = (trial: Trial, iteration: number): string => `${trial.id}/${iteration}`;

function begin(given: Case, events: ExperimentEvent[]): Run {
  const searcher = new Searching();
  const controller = new Controller({
    ...PLAIN_SETUP,
    header: HEADER,
    space: new Space({ x: uniform(0, 10) }, 'test'),
    searcher: given.search?.(searcher) ?? searcher,
    scheduler: given.scheduler(),
    stopper: stopperOf(given.stop, HEADER),
    numSamples: given.numSamples ?? 6,
    maxConcurrent: given.maxConcurrent ?? 2,
    // As a journal keeps it.
    record: (event) => void events.push(structuredClone(event)),
    now: () => events.length,
  });
  return { controller, events, searcher };
}

/** Runs it to its end, each trial that runs in turn, or interrupts it after so many reports: then each that runs makes one more. */
function carryOut(
  { controller }: Run,
  given: Case,
  disk: Disk,
  life = { isOver: false },
  interruptedAfter = Infinity,
): void {
  let reports = 0;
  let isInterrupted = false;
  const running: { trial: Trial; attempt: number; i: number; report: number; state: number }[] = [];
  const leaving = new Set<Trial>();
  const end = { isFinished: false };
  const follow = (instructions: readonly Instruction[]): void => {
    for (const instruction of instructions) {
      // What a restore finds not copied it copies: `experiment-files.ts`, on a real disk.
      if (life.isOver && instruction.kind !== 'adopt') continue;
      switch (instruction.kind) {
        case 'run': {
          const { trial, attempt, iteration: i, checkpoint } = instruction;
          const state = checkpoint === null ? 0 : disk.get(keyOf(trial, i));
          if (state === undefined) throw new Error(`no checkpoint ${i} of ${trial.id}`);
          running.push({ trial, attempt, i, report: 0, state });
          break;
        }
        case 'interrupt':
          leaving.add(instruction.trial);
          break;
        case 'adopt': {
          const { from, trial, checkpoint } = instruction;
          const state = disk.get(keyOf(from.trial, from.checkpoint.iteration));
          disk.set(keyOf(trial, checkpoint.iteration), state!);
          break;
        }
        case 'finish':
          if (instruction.end.kind === 'broken') throw instruction.end.error;
          end.isFinished = true;
          break;
        default:
      }
    }
    if (life.isOver) throw DEATH;
  };
  const ending = { error: null, saved: null, at: 0, elapsedMs: 0 };
  follow(controller.start());
  for (let turns = 0; !end.isFinished || running.length > 0; turns++) {
    if (turns > 5_000) throw new Error('it does not come to an end');
    const each = running.shift();
    if (each === undefined) throw new Error('nothing runs, and it is not over');
    const { trial, attempt } = each;
    if (!isInterrupted && reports >= interruptedAfter) {
      isInterrupted = true;
      follow(controller.interrupt());
    }
    const isLeaving = leaving.delete(trial);
    const isAtEnd = each.i === (given.length ?? 6);
    if (!isAtEnd && (!isLeaving || isInterrupted)) {
      reports++;
      if (!isLeaving) running.push(each);
      follow(report(each));
    }
    if (isLeaving || isAtEnd) follow(controller.ended(trial, { ...ending, attempt }));
  }

  function report(each: (typeof running)[number]): Instruction[] {
    const { trial, attempt } = each;
    each.i++;
    each.report++;
    const { x } = trial.config as { readonly x: number };
    each.state = (each.state * 3 + x * each.i) % 1.7;
    const checkpoint = each.i % 2 === 0;
    if (checkpoint) disk.set(keyOf(trial, each.i), each.state);
    return controller.reported(trial, {
      attempt,
      report: each.report,
      metrics: { loss: each.state },
      checkpoint,
      done: given.saysDone === true && each.i === given.length,
      elapsedMs: each.i,
      timestamp: 0,
      pid: 0,
      hostname: '',
    });
  }
}

function goOn(
  given: Case,
  events: ExperimentEvent[],
  disk: Disk,
  interruptedAfter = Infinity,
): Run {
  const run = begin(given, events);
  const before = events.slice();
  events.push({ kind: 'restore', at: 0 });
  run.controller.restore(structuredClone(before), {
    ofErrors: 'nothing',
    savesAtEnd: false,
    isLost: () => false,
    configOf: (config) => config,
  });
  carryOut(run, given, disk, undefined, interruptedAfter);
  return run;
}

const outcomeOf = ({ controller }: Run) =>
  controller.trials.map(({ number, status, config, record }) => ({
    number,
    status,
    config,
    configs: record.configs,
    stopReason: record.stopReason,
    repeatIndex: record.header.repeatIndex,
    history: record.history.map(({ loss, trainingIteration, done }) => [
      loss,
      trainingIteration,
      done,
    ]),
  }));

const REPEATED: Record<string, Case> = {
  fifo: { scheduler: fifo },
  'a stopper': { scheduler: fifo, stop: { trainingIteration: 4 } },
  repeater: { scheduler: fifo, search: (inner) => repeater(inner, { repeat: 3 }) },
  'a batch': {
    scheduler: fifo,
    search: (inner) => concurrencyLimiter(inner, { maxConcurrent: 2, batch: true }),
  },
  hyperband: { scheduler: () => hyperband({ maxT: 9 }), length: 20, numSamples: 12 },
  'trials that are done where they would pause': {
    scheduler: () => asha({ type: 'promotion', maxT: 9, reductionFactor: 3 }),
    numSamples: 12,
    length: 3,
    saysDone: true,
    maxConcurrent: 1,
  },
  'synchronous pbt': {
    scheduler: () =>
      pbt({
        timeAttr: 'trainingIteration',
        perturbationInterval: 2,
        hyperparamMutations: { x: [0.1, 0.2, 0.3, 0.4] },
        synch: true,
      }),
    numSamples: 4,
    maxConcurrent: 4,
    stop: { trainingIteration: 10 },
    length: 100,
  },
  'synchronous pb2': {
    scheduler: () =>
      pb2({
        timeAttr: 'trainingIteration',
        perturbationInterval: 2,
        hyperparamBounds: { x: [0, 10] },
        synch: true,
      }),
    numSamples: 4,
    maxConcurrent: 4,
    stop: { trainingIteration: 10 },
    length: 100,
  },
};
const TIMED: Record<string, Case> = {
  'asha, one at a time': {
    scheduler: () => asha({ maxT: 9, reductionFactor: 3 }),
    maxConcurrent: 1,
  },
  asha: { scheduler: () => asha({ maxT: 9, reductionFactor: 3 }), numSamples: 9, length: 20 },
  promotion: {
    scheduler: () => asha({ type: 'promotion', maxT: 9, reductionFactor: 3 }),
    numSamples: 12,
    length: 20,
  },
  median: {
    scheduler: () =>
      medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 2, minSamplesRequired: 1 }),
    numSamples: 8,
  },
  pbt: {
    scheduler: () =>
      pbt({
        timeAttr: 'trainingIteration',
        perturbationInterval: 2,
        hyperparamMutations: { x: [0.1, 0.2, 0.3, 0.4] },
      }),
    numSamples: 5,
    stop: { trainingIteration: 10 },
    length: 100,
  },
  pb2: {
    scheduler: () =>
      pb2({
        timeAttr: 'trainingIteration',
        perturbationInterval: 2,
        hyperparamBounds: { x: [0, 10] },
      }),
    numSamples: 5,
    stop: { trainingIteration: 10 },
    length: 100,
  },
};

const ONE_BY_ONE: Record<string, Case> = {
  'asha, one at a time': TIMED['asha, one at a time']!,
  'promotion, one at a time': { ...TIMED['promotion']!, maxConcurrent: 1 },
};

function undisturbed(given: Case): Run {
  const run = begin(given, [{ kind: 'experiment', header: HEADER }]);
  carryOut(run, given, new Map());
  return run;
}

/** Every cut of an undisturbed run, and what was on the disk then. */
function* cuts(
  given: Case,
): Generator<{ readonly events: ExperimentEvent[]; readonly disk: Disk }> {
  const whole = undisturbed(given);
  for (let length = 1; length <= whole.events.length; length++) {
    const disk: Disk = new Map();
    const events: ExperimentEvent[] = [{ kind: 'experiment', header: HEADER }];
    const run = begin(given, events);
    // The process dies at the first event that is not there.
    const life = { isOver: false };
    const push = events.push.bind(events);
    events.push = (event) => {
      if (events.length < length) return push(event);
      life.isOver = true;
      throw DEATH;
    };
    try {
      carryOut(run, given, disk, life);
    } catch (error) {
      if (error !== DEATH) throw error;
    }
    yield { events: [...events].map((event) => structuredClone(event)), disk };
  }
}

const iterationsOf = ({ controller }: Run) =>
  controller.trials.map(({ record }) =>
    record.history.map(({ trainingIteration }) => trainingIteration),
  );

describe.each(Object.entries({ ...REPEATED, ...TIMED }))('%s', (name, given) => {
  test('comes to its end from everywhere, and its searcher knows all of it', () => {
    const whole = undisturbed(given);
    const expected = outcomeOf(whole);
    for (const { events, disk } of cuts(given)) {
      const cut = events.length;
      const run = goOn(given, events, disk);
      expect(run.controller.trials.every(({ status }) => status === 'TERMINATED')).toBe(true);
      expect(run.controller.trials).toHaveLength(expected.length);
      for (const { config, record } of run.controller.trials) {
        // Also where it was changed.
        expect([config, record.config], `cut ${cut}`).toEqual([
          record.configs.at(-1)!.config,
          record.configs.at(-1)!.config,
        ]);
      }
      for (const iterations of iterationsOf(run)) {
        expect(new Set(iterations).size, `cut ${cut}`).toBe(iterations.length);
      }
      expect(run.searcher.told.toSorted(), `cut ${cut}`).toHaveLength(whole.searcher.told.length);
      if (name in REPEATED) expect(outcomeOf(run), `cut ${cut}`).toEqual(expected);
      // A second restore, of what has ended, changes nothing.
      const again = goOn(given, run.events, disk);
      expect(outcomeOf(again), `cut ${cut}, again`).toEqual(outcomeOf(run));
    }
  });
});

describe.each(Object.entries({ ...REPEATED, ...ONE_BY_ONE }))('%s, interrupted', (_name, given) => {
  test('comes to the same end, wherever and however often that was', () => {
    const expected = outcomeOf(undisturbed(given));
    for (let after = 0; after <= 40; after++) {
      for (const every of [Infinity, 3, 1]) {
        const disk: Disk = new Map();
        const events: ExperimentEvent[] = [{ kind: 'experiment', header: HEADER }];
        let run = begin(given, events);
        carryOut(run, given, disk, undefined, after);
        for (let times = 0; isUnfinished(run, expected.length); times++) {
          // Where nothing is saved at every report, an experiment that is interrupted at every one gets nowhere.
          run = goOn(given, events, disk, times < 12 ? every : Infinity);
        }
        expect(outcomeOf(run), `after ${after} reports, every ${every}`).toEqual(expected);
      }
    }
  });
});

function isUnfinished({ controller: { trials } }: Run, total: number): boolean {
  return trials.length < total || trials.some((trial) => !trial.hasEnded);
}
