/**
 * What users hang on an experiment: callbacks, in order, each awaited. Ray's `tune.Callback`.
 *
 * - CB-1 What a callback gets is its own: it can write to it what it likes, and nobody else notices.
 */

import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';

import { SerializationError } from '../../index.ts';
import { invalid, isRecord, type Check } from '../../option-checks.ts';
import type { CallbackEvent } from '../controller/instructions.ts';
import { copyOfData } from '../data-copies.ts';
import { errorOf } from '../experiment/error-record.ts';
import type { CallbackState } from '../experiment/events.ts';
import { metricsOfCheckpoint } from '../results/kept-checkpoints.ts';
import type { Revival } from '../results/result.ts';
import type { ScheduledTrial } from '../schedulers/scheduler.ts';
import { ShownTrials, readAnew } from '../schedulers/shown-trials.ts';
import type { Checkpoint, ReportedMetrics } from '../types.ts';
import type { Patience } from './patience.ts';

/** What a callback gets. */
export interface CallbackInfo {
  /** How many steps there were: a step handles what has come in since the last. */
  readonly iteration: number;
  /** All trials, by number. */
  readonly trials: readonly ScheduledTrial[];
}

/** What a callback gets that is about a trial. */
export interface TrialCallbackInfo extends CallbackInfo {
  readonly trial: ScheduledTrial;
}

type Hook<Info = CallbackInfo> = (info: Info) => void | Promise<void>;
type TrialHook<More = unknown> = Hook<TrialCallbackInfo & More>;
type CheckpointHook = TrialHook<{ readonly checkpoint: Checkpoint }>;
type ErrorHook = TrialHook<{ readonly error: Error }>;

/**
 * Any of these methods. One that throws makes `fit` reject with what it threw. What they get is theirs: a trial says how it stands when
 * it is read, and what is written to it changes nothing but it.
 */
export interface Callback {
  readonly setup?: Hook;
  readonly onStepBegin?: Hook;
  readonly onStepEnd?: Hook;
  readonly onTrialStart?: TrialHook;
  readonly onTrialRestore?: TrialHook;
  readonly onTrialSave?: CheckpointHook;
  readonly onTrialResult?: TrialHook<{ readonly result: ReportedMetrics }>;
  readonly onTrialComplete?: TrialHook;
  readonly onTrialRecover?: ErrorHook;
  readonly onTrialError?: ErrorHook;
  readonly onCheckpoint?: CheckpointHook;
  readonly onExperimentEnd?: Hook;
  /** State that a restored experiment gets back by `setState`; may be a promise of it. */
  getState?(): unknown;
  setState?(state: never): void | Promise<void>;
}

const HOOKS = [
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
] as const;
type HookName = (typeof HOOKS)[number];

const METHODS = [...HOOKS, 'getState', 'setState'] as const;

/** A list of objects with at least one of the methods. */
export const callbackList: Check<readonly Callback[]> = (value, place) => {
  if (!Array.isArray(value)) throw invalid(place, value, 'an array of callbacks');
  for (const [index, each] of value.entries()) {
    const isOne = isRecord(each) && METHODS.some((name) => typeof each[name] === 'function');
    if (isOne) continue;
    throw invalid(
      { ...place, name: `${place.name}[${index}]` },
      each,
      `an object with any of the methods ${METHODS.join(', ')}`,
    );
  }
  return value as readonly Callback[];
};

/** Calls callbacks, in the order of their list. */
export class Callbacks {
  readonly #callbacks: readonly Callback[];
  /** Of an earlier process. */
  readonly #former: readonly CallbackState[];
  /** As they were given last, to see whether they have changed. */
  #states: readonly CallbackState[];
  /** By place in the list: CB-1. */
  readonly #shown: readonly ShownTrials[];
  readonly #checkpointOf: Revival['checkpoint'];
  readonly #patience: Patience;
  #iteration = 0;

  constructor(
    callbacks: readonly Callback[],
    trials: readonly ScheduledTrial[],
    former: readonly CallbackState[],
    patience: Patience,
    checkpointOf: Revival['checkpoint'],
  ) {
    this.#patience = patience;
    this.#callbacks = callbacks;
    this.#shown = callbacks.map(() => new ShownTrials(trials));
    this.#checkpointOf = checkpointOf;
    this.#former = former;
    this.#states = former;
  }

  get isEmpty(): boolean {
    return this.#callbacks.length === 0;
  }

  /** The experiment is interrupted: one that does not settle is not waited for without end. */
  interrupt(): void {
    this.#patience.interrupt();
  }

  async begin(): Promise<void> {
    await this.#call('setup');
    for (const [place, callback] of this.#callbacks.entries()) {
      const name = nameOf(callback);
      const former = this.#former.find((each) => each.place === place && each.name === name);
      if (former === undefined) continue;
      const state = deserialize(Buffer.from(former.state, 'base64')) as never;
      await this.#waitFor(place, 'setState', () => callback.setState?.(state));
    }
  }

  /**
   * What they want to have again after a restore; undefined if it is the same as at the last call.
   *
   * @throws SerializationError for what can't be kept
   */
  async changedStates(): Promise<readonly CallbackState[] | undefined> {
    const states: CallbackState[] = [];
    for (const [place, callback] of this.#callbacks.entries()) {
      const state = await this.#waitFor(place, 'getState', () => callback.getState?.());
      if (state === undefined) continue;
      const name = nameOf(callback);
      const bytes = bytesOf(state, `what getState() of callbacks[${place}] returned`);
      states.push({ place, name, state: bytes.toString('base64') });
    }
    if (isDeepStrictEqual(states, this.#states)) return undefined;
    this.#states = states;
    return states;
  }

  async stepBegins(): Promise<void> {
    this.#iteration++;
    await this.#call('onStepBegin');
  }

  async stepEnds(): Promise<void> {
    await this.#call('onStepEnd');
  }

  async tell(event: CallbackEvent): Promise<void> {
    await this.#call(event.name, event);
  }

  async end(): Promise<void> {
    await this.#call('onExperimentEnd');
  }

  async #call(name: HookName, event?: CallbackEvent): Promise<void> {
    for (const [place, callback] of this.#callbacks.entries()) {
      if (callback[name] === undefined) continue;
      // What an event has goes by its name.
      const info = this.#infoFor(this.#shown[place]!, event) as never;
      await this.#waitFor(place, name, () => callback[name]?.(info));
    }
  }

  /** CB-1. */
  #infoFor(shown: ShownTrials, event: CallbackEvent | undefined): object {
    const info: Record<string, unknown> = { iteration: this.#iteration };
    // Most read no other trial than their own.
    readAnew(info, 'trials', () => shown.list);
    if (event === undefined) return info;
    const { trial, result, checkpoint, error } = event;
    info['trial'] = shown.of(trial);
    if (result !== undefined) info['result'] = copyOfData(result);
    if (error !== undefined) info['error'] = errorOf(copyOfData(error));
    if (checkpoint !== undefined) {
      const metrics = copyOfData(metricsOfCheckpoint(trial.record, checkpoint));
      info['checkpoint'] = this.#checkpointOf(checkpoint, metrics, trial.record);
    }
    return info;
  }

  /** Calls a method, and waits for it if there is something to wait for. */
  async #waitFor<Value>(
    place: number,
    method: (typeof METHODS)[number],
    call: () => Value | Promise<Value>,
  ): Promise<Value | undefined> {
    const callback = this.#callbacks[place]!;
    if (this.#patience.hasGivenUp(callback)) return undefined;
    const called = call();
    if (!isThenable(called)) return called;
    const className = nameOf(callback);
    const which = className === '' || className === 'Object' ? '' : ` (${className})`;
    return this.#patience.waitFor(callback, `callbacks[${place}].${method}()${which}`, called);
  }
}

function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as PromiseLike<Value> | null | undefined)?.then === 'function';
}

function bytesOf(state: unknown, what: string): Buffer {
  try {
    return serialize(state);
  } catch (cause) {
    throw new SerializationError(
      `${what} can't be kept in a journal: ${(cause as Error).message}`,
      { path: ['getState()'] },
      { cause },
    );
  }
}

function nameOf(callback: Callback): string {
  return (callback.constructor as { readonly name?: string } | undefined)?.name ?? '';
}
