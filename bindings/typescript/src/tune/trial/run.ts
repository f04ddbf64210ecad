/**
 * Works on a trial, in a worker: calls the trainable, carries its reports to the controller and waits for the answers.
 *
 * - RT-1 Reports leave in the order in which they were made, one at a time: a report is on its way only when the one before is decided.
 * - RT-2 After the trial was told to end, nothing of it counts, and a `TrialStoppedError` that passes is no failure. One exception: a
 *   step of a class that an interruption has come into is finished and reported, so that the state that is saved then is that of its
 *   last report.
 * - RT-3 What a trial has left running when it has ended can't report any more.
 * - RT-4 A checkpoint that can't be written for want of a good disk ends the run with that error, whatever the trial's code makes of
 *   it: it may catch it, or await no report.
 * - RT-5 What a report holds is what it held when it was made: it is copied then, if others are before it, or sent at once.
 */

import { hostname } from 'node:os';
import { join } from 'node:path';

import {
  type ActorHandle,
  InvalidArgumentError,
  NotSupportedError,
  type ObjectRef,
  get,
  getSync,
  put,
} from '../../index.ts';
import { invalid, isRecord } from '../../option-checks.ts';
import { StorageError, type TrialEndReason, TrialStoppedError } from '../errors.ts';
import { checkMetrics } from '../metrics.ts';
import type { Metrics } from '../types.ts';
import {
  Checkpoint,
  DirectoryCheckpoint,
  checkpointFolder,
  savedState,
  writeCheckpoint,
  writeCheckpointSync,
} from './checkpoint.ts';
import {
  type ReportOptions,
  type TrialContext,
  type TrialHost,
  contextOf,
  runAs,
} from './context.ts';
import { logged } from './log-files.ts';
import type { TrialMailbox } from './mailbox.ts';
import type { ReportMessage, RunOutcome, SentCheckpoint, TrialAssignment } from './protocol.ts';
import type { StepResult, Trainable, TrainableFunction } from './trainable.ts';

/** Read once: to ask the system takes a call for each report. */
const HOSTNAME = hostname();

/** What a run is given besides its assignment. */
export interface RunConnections {
  readonly mailbox: ActorHandle<TrialMailbox>;
  readonly signal: AbortSignal;
  /** The value of the checkpoint, where it is in the object store. */
  readonly stored: ObjectRef<unknown> | null;
}

/** Works on a trial, and says how long it runs where its outcome does not: it may have waited for long before it began. */
export async function timed(
  assignment: TrialAssignment,
  connections: RunConnections,
  work: () => Promise<RunOutcome>,
): Promise<RunOutcome> {
  const began = performance.now();
  // Whoever limits its time counts from now on, before any code of it runs: that may leave no time for messages.
  if (assignment.tellsStart) await tellRunTime(assignment, connections, 0);
  try {
    return await work();
  } catch (error) {
    const isKnown = assignment.tellsStart || connections.signal.aborted;
    if (!isKnown) {
      await tellRunTime(assignment, connections, performance.now() - began).catch(() => {
        // The mailbox has ended with its experiment, for which no time counts any more.
      });
    }
    throw error;
  }
}

/** Runs a function or a generator. */
export async function runFunction(
  trainable: TrainableFunction<unknown, unknown>,
  assignment: TrialAssignment,
  connections: RunConnections,
  params: unknown,
): Promise<RunOutcome> {
  return timed(assignment, connections, async () => {
    const run = new TrialRun(assignment, connections);
    return logged(assignment, () =>
      run.complete(async () => {
        const result: unknown = await trainable(run.assignment.config, run.context, params);
        return isGenerator(result) ? run.drain(result) : result;
      }),
    );
  });
}

/** Runs an instance of a class, from its `setup` or from the config that it was reset to. */
export async function runInstance(
  instance: Trainable,
  isNew: boolean,
  assignment: TrialAssignment,
  connections: RunConnections,
  params: unknown,
): Promise<RunOutcome> {
  const run = new TrialRun(assignment, connections);
  const outcome = await run.complete(() => run.stepOn(instance, isNew, params));
  return run.withSaved(instance, outcome);
}

/** See the file. */
class TrialRun implements TrialHost {
  readonly context: TrialContext;
  readonly checkpoint: Checkpoint | null;
  reason: TrialEndReason | undefined;
  hasEnded = false;
  readonly assignment: TrialAssignment;
  readonly #connections: RunConnections;
  readonly #stop = new AbortController();
  readonly #began = performance.now();
  #reports = 0;
  /** The report before is decided. */
  #before: Promise<unknown> = Promise.resolve();
  /** How many are under way. */
  #underWay = 0;
  /** The iteration of the last checkpoint that this run has saved. */
  #saved = -1;
  /** RT-4. */
  #unwritten: StorageError | undefined;

  readonly #onAbort = (): void => this.#end(this.#connections.signal.reason as TrialEndReason);

  constructor(assignment: TrialAssignment, connections: RunConnections) {
    this.assignment = assignment;
    this.#connections = connections;
    this.checkpoint = checkpointOf(assignment, connections);
    this.context = contextOf(this);
    const { signal } = connections;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get iteration(): number {
    return (this.assignment.checkpoint?.iteration ?? 0) + this.#reports;
  }

  /** Runs the trainable as this trial, until it has ended. */
  async complete(code: () => Promise<unknown>): Promise<RunOutcome> {
    let last: ReportMessage | null = null;
    try {
      const result = await this.#untilDone(code);
      if (this.#unwritten !== undefined) throw this.#unwritten;
      if (this.reason === undefined && result !== undefined && result !== null) {
        last = this.#message(checkMetrics(result, 'what the trainable returned'), null, true);
      }
    } catch (error) {
      // What it throws after it was told to end is dropped (RT-2).
      if (this.reason === undefined) throw this.#unwritten ?? error;
    } finally {
      // It may be the next trial's as well.
      this.#connections.signal.removeEventListener('abort', this.#onAbort);
    }
    return { last, saved: null, elapsedMs: this.#elapsed() };
  }

  /** Runs it, and waits for the reports that it has not waited for itself, also where it throws. */
  async #untilDone(code: () => Promise<unknown>): Promise<unknown> {
    try {
      return await runAs(this.context, code);
    } finally {
      this.hasEnded = true;
      await this.#before;
    }
  }

  async send(metrics: Metrics, checkpoint: unknown, hasCheckpoint: boolean): Promise<void> {
    // Behind others it waits for its turn, and the trial may change its state meanwhile.
    const copy = hasCheckpoint && this.#underWay > 0 ? this.#copyOf(checkpoint) : undefined;
    return this.#inTurn(async () => {
      const iteration = this.iteration + 1;
      const state = copy === undefined ? checkpoint : await copy();
      const stored = hasCheckpoint ? this.#store(iteration, state) : null;
      // What is not written is on its way before the caller goes on (RT-5).
      const sent = stored instanceof Promise ? await stored : stored;
      await this.#deliver(this.#message(metrics, sent, false));
    });
  }

  /** A state as it is now; a folder is copied when its report is sent. @throws SerializationError @throws NotSupportedError */
  #copyOf(state: unknown): () => unknown {
    if (this.assignment.folder !== null) {
      const saved = savedState(state);
      return () => saved;
    }
    requireNoFolder(state);
    const ref = put(state);
    return async () => {
      const copy = await get(ref, KEEPING_CPUS);
      ref.dispose();
      return copy;
    };
  }

  sendSync(metrics: Metrics, checkpoint: unknown, hasCheckpoint: boolean): void {
    if (this.#underWay > 0) {
      throw new InvalidArgumentError(
        'reportSync() is called while a report() of the trial is under way, and would overtake it; await that one first',
        { argument: 'reportSync()' },
      );
    }
    this.#refuseUnwritten();
    const iteration = this.iteration + 1;
    const sent = hasCheckpoint ? this.#storeSync(iteration, checkpoint) : null;
    const { mailbox } = this.#connections;
    const answer = mailbox.report.remote(this.#message(metrics, sent, false));
    this.#takeAnswer(getSync(answer, KEEPING_CPUS));
  }

  /** Reports what a generator yields, and gives what it returns. */
  async drain(
    generator: Generator<unknown, unknown, void> | AsyncGenerator<unknown, unknown, void>,
  ): Promise<unknown> {
    for (;;) {
      const { done, value } = await generator.next();
      if (done === true) return value;
      try {
        const [metrics, options] = yielded(value);
        await this.context.report(metrics, options);
      } catch (error) {
        await generator.return(undefined);
        throw error;
      }
    }
  }

  /** Steps until something stops it. */
  async stepOn(instance: Trainable, isNew: boolean, params: unknown): Promise<void> {
    const { context } = this;
    const { config } = this.assignment;
    instance.config = config;
    instance.trial = context;
    if (isNew) await instance.setup?.(config, context, params);
    if (this.checkpoint !== null && instance.loadCheckpoint !== undefined) {
      await instance.loadCheckpoint((await Checkpoint.stateOf(this.checkpoint)) as never);
    }
    const { checkpointFrequency } = this.assignment;
    while (this.reason === undefined) {
      const { done, metrics } = stepResultOf(await instance.step());
      // Those that the step has made itself come first.
      await this.#before;
      if (this.#isStopped) return;
      const iteration = this.iteration + 1;
      const isDue = checkpointFrequency > 0 && iteration % checkpointFrequency === 0;
      const state = isDue ? await instance.saveCheckpoint?.() : undefined;
      const sent = state === undefined ? null : await this.#store(iteration, state);
      await this.#deliver(this.#message(checkMetrics(metrics, 'step()'), sent, done));
      if (done) return;
    }
  }

  /** The outcome, with a state that is saved at the end, if it is to be. */
  async withSaved(instance: Trainable, outcome: RunOutcome): Promise<RunOutcome> {
    const isToGoOn = this.reason !== undefined && RESUMED.has(this.reason);
    const isDue = isToGoOn || this.assignment.checkpointAtEnd;
    const { iteration } = this;
    // Without a report its state is the one that it came with, or that of a step that nobody has heard of.
    if (!isDue || this.#reports === 0 || this.#saved === iteration) return outcome;
    const state: unknown = await runAs(this.context, () => instance.saveCheckpoint?.());
    if (state === undefined) return outcome;
    return { ...outcome, saved: { iteration, checkpoint: await this.#store(iteration, state) } };
  }

  /** Whether nothing of it counts any more. */
  get #isStopped(): boolean {
    return this.reason !== undefined && this.reason !== 'interrupted';
  }

  /** An action begins at once if no other one is under way. */
  async #inTurn(action: () => Promise<void>): Promise<void> {
    const before = this.#underWay++ === 0 ? null : this.#before;
    const sent = this.#after(before, action).finally(() => {
      this.#underWay--;
    });
    this.#before = sent.catch(() => undefined);
    return sent;
  }

  async #after(before: Promise<unknown> | null, action: () => Promise<void>): Promise<void> {
    if (before !== null) await before;
    this.#refuseUnwritten();
    if (this.reason !== undefined) throw new TrialStoppedError('', { reason: this.reason });
    await action();
  }

  async #deliver(message: ReportMessage): Promise<void> {
    const { mailbox } = this.#connections;
    const answer = mailbox.report.remote(message);
    this.#takeAnswer(await get(answer, KEEPING_CPUS));
  }

  #takeAnswer(reason: TrialEndReason | null): void {
    if (reason !== null) this.#end(reason);
    if (this.reason !== undefined) throw new TrialStoppedError('', { reason: this.reason });
  }

  #end(reason: TrialEndReason): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#stop.abort(new TrialStoppedError('', { reason }));
  }

  #message(metrics: Metrics, checkpoint: SentCheckpoint | null, done: boolean): ReportMessage {
    const { number, attempt } = this.assignment;
    this.#reports++;
    return [
      number,
      attempt,
      this.#reports,
      metrics,
      checkpoint,
      done,
      this.#elapsed(),
      Date.now(),
      process.pid,
      HOSTNAME,
    ];
  }

  #store(iteration: number, state: unknown): SentCheckpoint | Promise<SentCheckpoint> {
    this.#saved = iteration;
    const path = this.#pathOf(iteration);
    return path === null ? valueSent(state) : this.#write(path, state);
  }

  async #write(path: string, state: unknown): Promise<SentCheckpoint> {
    try {
      await writeCheckpoint(path, state);
    } catch (error) {
      throw this.#noted(error);
    }
    return { isStored: true };
  }

  #storeSync(iteration: number, state: unknown): SentCheckpoint {
    this.#saved = iteration;
    const path = this.#pathOf(iteration);
    if (path === null) return valueSent(state);
    try {
      writeCheckpointSync(path, state);
    } catch (error) {
      throw this.#noted(error);
    }
    return { isStored: true };
  }

  #noted(error: unknown): unknown {
    if (error instanceof StorageError) this.#unwritten ??= error;
    return error;
  }

  /** What follows a checkpoint that is not there could not be gone on from. */
  #refuseUnwritten(): void {
    if (this.#unwritten !== undefined) throw this.#unwritten;
  }

  #pathOf(iteration: number): string | null {
    const { folder, id } = this.assignment;
    return folder === null ? null : join(folder, checkpointFolder(id, iteration));
  }

  #elapsed(): number {
    return performance.now() - this.#began;
  }
}

/** A trial that ends for one of these reasons goes on later. */
const RESUMED: ReadonlySet<TrialEndReason> = new Set([
  'paused',
  'exploited',
  'resources',
  'interrupted',
]);

/**
 * A trial has its CPU from its start to its end, also while it waits for what becomes of a report. What it waits for besides, it
 * waits for as every task.
 */
const KEEPING_CPUS = { keepCpus: true } as const;

/** A state that stays in the object store. @throws NotSupportedError */
function valueSent(state: unknown): SentCheckpoint {
  requireNoFolder(state);
  return { value: state };
}

/** @throws NotSupportedError where nothing is written to disk, and so a folder can't be kept */
function requireNoFolder(state: unknown): void {
  if (!(state instanceof DirectoryCheckpoint)) return;
  throw new NotSupportedError(
    `Checkpoint.fromDirectory() needs a folder to copy ${state.directory} to, and the experiment has none: storagePath is null; give a storagePath, or a value as the checkpoint`,
    { feature: 'Checkpoint.fromDirectory()' },
  );
}

/** What it is answered, the trial's signal says as well. */
async function tellRunTime(
  { number, attempt }: TrialAssignment,
  { mailbox }: RunConnections,
  elapsedMs: number,
): Promise<void> {
  await get(mailbox.report.remote([number, attempt, 0, elapsedMs]), KEEPING_CPUS);
}

function checkpointOf(
  { checkpoint }: TrialAssignment,
  { stored }: RunConnections,
): Checkpoint | null {
  if (checkpoint === null) return null;
  const { path, iteration, metrics } = checkpoint;
  const place = path === null ? (stored === null ? null : { ref: stored }) : { path };
  return place === null ? null : new Checkpoint(place, iteration, metrics);
}

/** What a step gives, taken apart. @throws InvalidArgumentError for what is no object, as for other metrics that are none */
function stepResultOf(value: unknown): { readonly done: boolean; readonly metrics: Metrics } {
  if (!isRecord(value)) return { done: false, metrics: checkMetrics(value, 'step()') };
  const { done = false, ...metrics } = value as StepResult;
  const place = { call: 'step()', name: 'done' };
  if (typeof done !== 'boolean') throw invalid(place, done, 'true or false');
  return { done, metrics };
}

/** What a generator yields, taken apart. @throws InvalidArgumentError */
function yielded(value: unknown): [metrics: Metrics, options?: ReportOptions] {
  if (!Array.isArray(value)) return [value as Metrics];
  if (value.length === 1 || value.length === 2) return value as [Metrics, ReportOptions];
  const place = { call: 'yield', name: 'a list' };
  throw invalid(place, value, 'metrics, or [metrics, { checkpoint }]');
}

function isGenerator(
  value: unknown,
): value is Generator<unknown, unknown, void> | AsyncGenerator<unknown, unknown, void> {
  if (typeof value !== 'object' || value === null) return false;
  const { next, return: end } = value as { next?: unknown; return?: unknown };
  return (
    typeof next === 'function' &&
    typeof end === 'function' &&
    (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}
