/** Which time of a trial counts as its run time, also in a process that takes it up: what failed does, what was lost in a pause does not. */

import { expect, test } from 'vitest';

import { Controller } from '../../bindings/typescript/src/tune/controller/controller.ts';
import type { Instruction } from '../../bindings/typescript/src/tune/controller/instructions.ts';
import type { Trial } from '../../bindings/typescript/src/tune/controller/trial.ts';
import type {
  ExperimentEvent,
  ExperimentHeader,
} from '../../bindings/typescript/src/tune/experiment/events.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { Space } from '../../bindings/typescript/src/tune/space/space.ts';
import { stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import { PLAIN_SETUP } from './controller-setup.ts';

const HEADER: ExperimentHeader = {
  name: 'time',
  metrics: ['loss'],
  modes: ['min'],
  seed: 3,
  createdAt: 0,
  parameters: [],
  options: { storagePath: '/nowhere' },
};

/** One trial, and what a worker does with it. */
class Experiment {
  readonly events: ExperimentEvent[];
  readonly controller: Controller;
  #report = 0;

  constructor(before: readonly ExperimentEvent[] = []) {
    this.events = [...before];
    this.controller = new Controller({
      ...PLAIN_SETUP,
      header: HEADER,
      space: new Space({}, 'test'),
      searcher: {
        isAdaptive: false,
        setup: () => undefined,
        ask: () => ({}),
        tell: () => undefined,
      },
      scheduler: fifo(),
      stopper: stopperOf(undefined, HEADER),
      numSamples: 1,
      maxFailures: 5,
      record: (event) => void this.events.push(structuredClone(event)),
    });
    if (before.length > 0) {
      this.controller.restore(structuredClone(before), {
        ofErrors: 'nothing',
        savesAtEnd: false,
        isLost: () => false,
        configOf: (config) => config,
      });
    }
    this.controller.start();
  }

  get trial(): Trial {
    return this.controller.trials[0]!;
  }

  get times(): readonly number[] {
    return this.trial.record.history.map(({ timeTotalMs }) => timeTotalMs);
  }

  report(elapsedMs: number, checkpoint: boolean): Instruction[] {
    const { attempt } = this.trial;
    return this.controller.reported(this.trial, {
      attempt,
      report: ++this.#report,
      metrics: { loss: 1 },
      checkpoint,
      done: false,
      elapsedMs,
      timestamp: 0,
      pid: 0,
      hostname: '',
    });
  }

  fail(elapsedMs: number): void {
    this.#end(elapsedMs, new Error('lost'));
  }

  /** It has left, because it was told to. */
  leave(elapsedMs: number): void {
    this.#end(elapsedMs, null);
  }

  #end(elapsedMs: number, failure: Error | null): void {
    this.#report = 0;
    const { attempt } = this.trial;
    const error =
      failure === null
        ? null
        : {
            name: 'Error',
            message: failure.message,
            code: null,
            stack: '',
            isFinal: false,
            original: failure,
          };
    this.controller.ended(this.trial, { attempt, error, saved: null, at: 0, elapsedMs });
  }
}

/** The same experiment in a new process. */
const takenUp = ({ events }: Experiment): Experiment => new Experiment(events);
const asItIs = (experiment: Experiment): Experiment => experiment;

/** What a process has recorded up to its first event of a kind, with it. */
function upTo(experiment: Experiment, kind: ExperimentEvent['kind']): Experiment {
  const length = experiment.events.findIndex((event) => event.kind === kind) + 1;
  return new Experiment(experiment.events.slice(0, length));
}

test.each([
  ['in the same process', asItIs],
  ['in the next one', (experiment: Experiment) => upTo(experiment, 'requeue')],
])('the time of a failed run counts %s', (_where, goOn) => {
  const experiment = new Experiment();
  experiment.report(10, true);
  experiment.fail(50);
  expect(experiment.events.find(({ kind }) => kind === 'requeue')).toMatchObject({
    durationMs: 50,
    error: { message: 'lost' },
  });
  const next = goOn(experiment);
  next.report(5, true);
  expect(next.times).toEqual([10, 55]);
  next.fail(7);
  next.report(1, false);
  expect(next.times).toEqual([10, 55, 58]);
});

test.each([
  ['from the beginning', false],
  ['from its checkpoint', true],
])('a process that dies later does not change that: %s', (_from, checkpoint) => {
  const experiment = new Experiment();
  experiment.report(10, checkpoint);
  experiment.fail(50);
  // What is reported now, and not saved, is lost with the process.
  experiment.report(20, false);
  const next = takenUp(experiment);
  next.report(5, true);
  expect(next.times).toEqual(checkpoint ? [10, 55] : [55]);
});

test('what a run did after its checkpoint and did not report does not count where it was told to leave', () => {
  const experiment = new Experiment();
  experiment.report(10, true);
  experiment.controller.interrupt();
  experiment.leave(50);
  const next = takenUp(experiment);
  next.report(5, false);
  expect(next.times).toEqual([10, 15]);
});
