/**
 * Runs an experiment on the public API of eagleray: carries out what the controller says, and tells it what comes of it.
 *
 * - ER-1 Events are taken in the order in which they came, one after the other; what follows from one is done before the next.
 * - ER-2 A run of a trial that is to end has ten seconds for it; then its process is killed.
 * - ER-3 At the end nothing of it is left: no trial, no actor, no timer.
 * - ER-4 Where the runtime has ended, so has all that ran in it: nothing of that is a failure of a trial, nothing is called there any
 *   more, and the experiment is broken off, unless an interruption came first. That is how it has ended then.
 */

import { join } from 'node:path';

import {
  type ActorHandle,
  NotInitializedError,
  type ObjectRef,
  SerializationError,
  cancel,
  kill,
  put,
  remote,
} from '../../index.ts';
import type { Controller } from '../controller/controller.ts';
import type { ExperimentEnd, Instruction } from '../controller/instructions.ts';
import { trialSeed } from '../controller/seeds.ts';
import type { Trial } from '../controller/trial.ts';
import { type TrialEndReason } from '../errors.ts';
import type { CheckpointRecord } from '../experiment/events.ts';
import { checkpointFolder, copyCheckpoint, removeCheckpoint } from '../trial/checkpoint.ts';
import { TrialMailbox } from '../trial/mailbox.ts';
import { type StoredParameters, resolved } from '../trial/parameters.ts';
import type {
  Answers,
  LogFileNames,
  ReportMessage,
  RunOutcome,
  SentCheckpoint,
  RunTimeMessage,
  TrialAssignment,
} from '../trial/protocol.ts';
import { runFunction } from '../trial/run.ts';
import { TrialActor } from '../trial/trial-actor.ts';
import {
  type TrainableClass,
  type TrainableFunction,
  isTrainableClass,
} from '../trial/trainable.ts';
import type { TrialResources } from '../types.ts';
import { onAbort } from './abort-listeners.ts';
import type { Callbacks } from './callbacks.ts';
import { removeLeftovers } from './experiment-files.ts';
import { getUnseen } from './get-unseen.ts';
import { LongTimer } from './long-timer.ts';
import type { OwnRuntime } from './own-runtime.ts';
import { failureOf, reportOf, unwrittenIn, warnOfUnsaved, withoutAnswers } from './run-outcomes.ts';

/** How long a trial has to end when it was told to. */
export const GRACE_MS = 10_000;

/** What is shown and written is at most so old, in milliseconds. */
const STEP_INTERVAL_MS = 1_000;

/** How many reports may wait in the mailbox at a time. */
const MAILBOX_CONCURRENCY = 1_000_000;

const INTERRUPTED: ExperimentEnd = { kind: 'interrupted' };

/** What an experiment is run with. */
export interface ExperimentRunOptions {
  readonly runtime: OwnRuntime;
  readonly controller: Controller;
  readonly trainable: TrainableFunction | TrainableClass;
  /** Refs by name, of `withParameters`; null without. */
  readonly params: StoredParameters | null;
  readonly name: string;
  readonly seed: number;
  /** Null where nothing is written to disk. */
  readonly folder: string | null;
  readonly checkpointFrequency: number;
  readonly checkpointAtEnd: boolean;
  readonly logFiles: LogFileNames | null;
  readonly reuseActors: boolean;
  readonly trialTimeoutMs: number | null;
  /** What is left of it. */
  readonly timeBudgetMs: number | null;
  readonly callbacks: Callbacks;
  /** Called when what came in was handled, and about every second otherwise. */
  readonly onStep: () => Promise<void> | undefined;
}

/** A run of a trial. */
interface Running {
  readonly trial: Trial;
  readonly attempt: number;
  readonly ref: ObjectRef<RunOutcome>;
  readonly abort: AbortController;
  readonly actor: PooledActor | null;
  /** When it has begun, on the clock of `performance`; when it was submitted, as long as nothing was heard of it. */
  beganAt: number;
  timeout: LongTimer | undefined;
  grace: NodeJS.Timeout | undefined;
}

/** An actor for class trainables, with what it was started with. */
interface PooledActor {
  readonly handle: ActorHandle<TrialActor>;
  readonly key: string;
}

/** What was started for a trial. */
interface Submitted {
  readonly ref: ObjectRef<RunOutcome>;
  readonly actor: PooledActor | null;
}

/** What has to be done: what the controller says, and, where a run of a trial has ended, to look after the files that it has left. */
type Step = Instruction | { readonly kind: 'tidy'; readonly trial: Trial };

/** What trials say, as the mailbox has it. */
type Messages = readonly (ReportMessage | RunTimeMessage)[];

type FunctionTask = ReturnType<typeof taskOf>;

/** See the file. */
export class ExperimentRun {
  readonly #options: ExperimentRunOptions;
  readonly #controller: Controller;
  readonly #mailbox: ActorHandle<TrialMailbox>;
  readonly #running = new Map<Trial, Running>();
  /** By the resources as text: what trials with them are started by. */
  readonly #tasks = new Map<string, FunctionTask>();
  readonly #idleActors = new Map<string, PooledActor[]>();
  /** Actors that clean up, to make room for others. */
  readonly #endingActors = new Set<Promise<void>>();
  /** Of trials that have ended without being told to. */
  readonly #idleAborts: AbortController[] = [];
  /** Where nothing is written to disk: checkpoints by trial and iteration. */
  readonly #values = new Map<string, ObjectRef<unknown>>();
  readonly #events: (() => Step[])[] = [];
  #wake: (() => void) | undefined;
  /** As {@link Answers}. */
  readonly #answers: Answers[number][] = [];
  #isListening = false;
  /** What the mailbox has said last. */
  #heard: ObjectRef<Messages> | undefined;
  #end: ExperimentEnd | undefined;
  #isInterrupted = false;

  /** @throws NotInitializedError if the runtime has ended */
  constructor(options: ExperimentRunOptions) {
    this.#options = options;
    this.#controller = options.controller;
    options.runtime.require();
    this.#mailbox = remote(TrialMailbox, {
      numCpus: 0,
      maxRestarts: -1,
      maxTaskRetries: -1,
      maxConcurrency: MAILBOX_CONCURRENCY,
    }).remote();
  }

  /** What trials have saved, where it is not on disk. */
  checkpointValue(trial: string, iteration: number): ObjectRef<unknown> | undefined {
    return this.#values.get(`${trial}/${iteration}`);
  }

  /** Everything stops where it is, to be taken up by another process. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#options.callbacks.interrupt();
    this.#push(() => this.#controller.interrupt());
  }

  /** Runs all of it. Rejects with what a callback has thrown. */
  async run(signal: AbortSignal | null): Promise<ExperimentEnd> {
    const { timeBudgetMs } = this.#options;
    const isOver = timeBudgetMs !== null && timeBudgetMs <= 0;
    const budget =
      timeBudgetMs === null || isOver
        ? undefined
        : new LongTimer(timeBudgetMs, () => this.#push(() => this.#controller.timeBudgetOver()));
    const isAborted = signal?.aborted === true;
    if (isAborted) this.interrupt();
    const stopListening =
      signal === null || isAborted ? undefined : onAbort(signal, () => this.interrupt());
    const clock = setInterval(() => this.#push(() => []), STEP_INTERVAL_MS).unref();
    try {
      this.#events.unshift(() =>
        isOver ? this.#controller.timeBudgetOver() : this.#controller.start(),
      );
      return await this.#loop();
    } catch (error) {
      if (this.#isInterrupted && error instanceof NotInitializedError) return INTERRUPTED;
      throw error;
    } finally {
      budget?.clear();
      clearInterval(clock);
      stopListening?.();
      await this.#release();
    }
  }

  async #loop(): Promise<ExperimentEnd> {
    const { callbacks, onStep } = this.#options;
    await callbacks.begin();
    for (;;) {
      if (!callbacks.isEmpty) await callbacks.stepBegins();
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        for (const instruction of event()) {
          const waits = this.#carryOut(instruction);
          if (waits !== undefined) await waits;
        }
        if (this.#end !== undefined) break;
      }
      if (!callbacks.isEmpty) await callbacks.stepEnds();
      const stepped = onStep();
      if (stepped !== undefined) await stepped;
      if (this.#end !== undefined) {
        await callbacks.end();
        return this.#end;
      }
      this.#exchange();
      // Something may have come in while others were waited for.
      if (this.#events.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #push(event: () => Step[]): void {
    this.#events.push(event);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Answers, and waits for what trials say next. */
  #exchange(): void {
    const answers = this.#answers.splice(0);
    if (this.#isListening) {
      if (answers.length === 0) return;
      try {
        this.#mailbox.answer.remote(answers);
      } catch (error) {
        this.#breakOff(error);
      }
      return;
    }
    void this.#listen(answers);
  }

  async #listen(answers: Answers): Promise<void> {
    this.#isListening = true;
    // Before the call and not after the answer: then both are handed over at the turn's end, in one go with the look for what came
    // in. A call alone is handed over at once, and a thread watches for further ones.
    let messages: Messages;
    try {
      this.#heard?.dispose();
      const exchange = this.#mailbox.exchange.remote(answers);
      this.#heard = exchange;
      messages = await getUnseen(exchange);
    } catch (error) {
      // It restarts as often as it dies: what comes here is the end of the runtime, or of this experiment.
      if (this.#end === undefined) this.#breakOff(error);
      return;
    } finally {
      this.#isListening = false;
    }
    this.#receive(messages);
  }

  #receive(messages: Messages): void {
    for (const message of messages) {
      const [number, attempt, report] = message;
      const running = this.#runningOf(number, attempt);
      if (running === undefined) {
        // Of a run that is over: whoever has left this behind must not wait for ever.
        this.#answers.push(number, attempt, report, 'finished');
        continue;
      }
      if (message.length === 4) {
        this.#runsSince(running, message[3]);
        this.#begins(running);
        this.#answers.push(number, attempt, report, null);
        continue;
      }
      this.#runsSince(running, message[6]);
      const { trial } = running;
      const checkpoint = message[4];
      try {
        this.#keepValue(trial, trial.iterationBefore + report, checkpoint);
      } catch (error) {
        // The object store has no room for it, or the runtime has ended.
        this.#breakOff(error);
        return;
      }
      this.#push(() => this.#controller.reported(trial, reportOf(message)));
    }
    // Nothing was for us: listen on.
    if (this.#events.length === 0) this.#exchange();
  }

  #breakOff(error: unknown): void {
    this.#end ??= this.#isInterrupted
      ? INTERRUPTED
      : { kind: 'broken', error: this.#options.runtime.explained(error) };
    // A callback that hangs would hide it.
    this.#options.callbacks.interrupt();
    this.#push(() => []);
  }

  #carryOut(instruction: Step): Promise<void> | undefined {
    switch (instruction.kind) {
      case 'run':
        this.#start(instruction);
        return undefined;
      case 'answer':
        this.#answers.push(
          instruction.trial.number,
          instruction.attempt,
          instruction.report,
          instruction.reason,
        );
        return undefined;
      case 'interrupt':
        this.#interrupt(instruction.trial, instruction.attempt, instruction.reason);
        return undefined;
      case 'drop':
        return this.#drop(instruction.trial, instruction.checkpoints);
      case 'adopt':
        return this.#adopt(instruction);
      case 'callback':
        return this.#options.callbacks.isEmpty
          ? undefined
          : this.#options.callbacks.tell(instruction.event);
      case 'tidy':
        return this.#tidy(instruction.trial);
      case 'finish':
        this.#end = instruction.end;
        return undefined;
    }
  }

  // Runs of trials.

  #start({ trial, attempt, checkpoint }: Instruction & { kind: 'run' }): void {
    this.#options.runtime.require();
    const abort = this.#idleAborts.pop() ?? new AbortController();
    const assignment = this.#assignmentOf(trial, attempt, checkpoint);
    const stored =
      checkpoint === null ? null : (this.#values.get(keyOf(trial, checkpoint.iteration)) ?? null);
    const submitted = this.#submit(trial, assignment, abort.signal, stored);
    if (submitted instanceof SerializationError) {
      this.#idleAborts.push(abort);
      const end = {
        attempt,
        error: failureOf(submitted),
        saved: null,
        at: Date.now(),
        elapsedMs: 0,
      };
      this.#push(() => this.#controller.ended(trial, end));
      return;
    }
    const { ref, actor } = submitted;
    const running: Running = {
      trial,
      attempt,
      ref,
      abort,
      actor,
      beganAt: performance.now(),
      timeout: undefined,
      grace: undefined,
    };
    this.#running.set(trial, running);
    getUnseen(ref).then(
      (outcome) => this.#push(() => this.#finished(running, outcome)),
      (error: unknown) => this.#push(() => this.#failed(running, error)),
    );
  }

  /** Until it began it may have waited for a worker, or for CPUs that others use: that is no run time. */
  #runsSince(running: Running, elapsedMs: number): void {
    running.beganAt = Math.max(running.beganAt, performance.now() - elapsedMs);
  }

  /** Its worker has begun with it: until then it may have waited for one, or for CPUs that others use. */
  #begins(running: Running): void {
    const { trialTimeoutMs } = this.#options;
    // It may be told again: MB-2 of the mailbox.
    if (trialTimeoutMs === null || running.timeout !== undefined) return;
    const leftMs = Math.max(0, trialTimeoutMs - running.trial.timeBefore);
    running.timeout = new LongTimer(leftMs, () => this.#timeOut(running));
  }

  /** The error is that of its config; where the trainable can't be sent, none of them can be. */
  #submit(
    trial: Trial,
    assignment: TrialAssignment,
    signal: AbortSignal,
    stored: ObjectRef<unknown> | null,
  ): Submitted | SerializationError {
    const connections = { mailbox: this.#mailbox, signal, stored };
    try {
      return this.#submitTo(trial, assignment, connections);
    } catch (error) {
      if (!(error instanceof SerializationError)) throw error;
      try {
        put(assignment.config).dispose();
      } catch (ofConfig) {
        if (ofConfig instanceof SerializationError) return ofConfig;
      }
      throw error;
    }
  }

  #submitTo(
    trial: Trial,
    assignment: TrialAssignment,
    connections: Parameters<typeof runFunction>[2],
  ): Submitted {
    const { trainable, reuseActors } = this.#options;
    if (!isTrainableClass(trainable)) {
      const ref = this.#taskFor(trial.resources).remote(assignment, connections);
      return { ref: ref as ObjectRef<RunOutcome>, actor: null };
    }
    const actor = this.#actorFor(trial.resources, trainable);
    const ref = actor.handle.run.remote(assignment, connections, reuseActors);
    return { ref: ref as ObjectRef<RunOutcome>, actor };
  }

  #taskFor(resources: TrialResources): FunctionTask {
    const key = JSON.stringify(resources);
    let task = this.#tasks.get(key);
    if (task === undefined) {
      const { trainable, params, name } = this.#options;
      task = taskOf(trainable as TrainableFunction<unknown, unknown>, params, name, resources);
      this.#tasks.set(key, task);
    }
    return task;
  }

  #actorFor(resources: TrialResources, trainable: TrainableClass): PooledActor {
    const key = JSON.stringify(resources);
    const idle = this.#idleActors.get(key)?.pop();
    if (idle !== undefined) return idle;
    // Those that are kept for other resources hold what this one needs.
    for (const actor of [...this.#idleActors.values()].flat()) {
      const ending = this.#endActor(actor).finally(() => this.#endingActors.delete(ending));
      this.#endingActors.add(ending);
    }
    this.#idleActors.clear();
    const handle = remote(TrialActor, { numCpus: 1, ...resources }).remote(
      trainable,
      this.#options.params,
    );
    return { handle: handle as ActorHandle<TrialActor>, key };
  }

  #assignmentOf(
    trial: Trial,
    attempt: number,
    checkpoint: CheckpointRecord | null,
  ): TrialAssignment {
    const { name, seed, folder, checkpointFrequency, checkpointAtEnd, logFiles, trialTimeoutMs } =
      this.#options;
    return {
      number: trial.number,
      id: trial.id,
      name,
      attempt,
      config: trial.config,
      seed: trialSeed(seed, trial.number),
      resources: trial.resources,
      repeatIndex: trial.record.header.repeatIndex ?? undefined,
      folder,
      checkpoint:
        checkpoint === null
          ? null
          : {
              iteration: checkpoint.iteration,
              path:
                checkpoint.path === null || folder === null ? null : join(folder, checkpoint.path),
              metrics:
                trial.record.history.find(
                  ({ trainingIteration }) => trainingIteration === checkpoint.iteration,
                ) ?? null,
            },
      checkpointFrequency,
      checkpointAtEnd,
      logFiles,
      tellsStart: trialTimeoutMs !== null,
    };
  }

  #finished(running: Running, outcome: RunOutcome): Step[] {
    const { trial, attempt } = running;
    const { last, saved, elapsedMs } = outcome;
    this.#forget(running);
    if (running.actor !== null) this.#giveBack(running.actor);
    if (saved !== null) this.#keepValue(trial, saved.iteration, saved.checkpoint);
    // Nobody waits for what becomes of the last one.
    const instructions =
      last === null ? [] : withoutAnswers(this.#controller.reported(trial, reportOf(last)));
    return [
      { kind: 'tidy', trial },
      ...instructions,
      ...this.#controller.ended(trial, {
        attempt,
        error: null,
        saved: saved?.iteration ?? null,
        at: Date.now(),
        elapsedMs,
      }),
    ];
  }

  #failed(running: Running, error: unknown): Step[] {
    const { trial, attempt } = running;
    this.#forget(running);
    if (!this.#options.runtime.isThere) {
      this.#breakOff(error);
      return [];
    }
    // What is left of its instance is not to be trusted.
    if (running.actor !== null) this.#killActor(running.actor.handle);
    const unwritten = unwrittenIn(error, this.#options.folder);
    if (unwritten !== undefined) return this.#controller.lost(trial, attempt, unwritten);
    warnOfUnsaved(trial, error);
    return [
      { kind: 'tidy', trial },
      ...this.#controller.ended(trial, {
        attempt,
        error: failureOf(error),
        saved: null,
        at: Date.now(),
        elapsedMs: performance.now() - running.beganAt,
      }),
    ];
  }

  #forget(running: Running): void {
    running.timeout?.clear();
    clearTimeout(running.grace);
    if (this.#running.get(running.trial) === running) this.#running.delete(running.trial);
    // Most trials are never told to end. A signal that was sent stays until all garbage is collected, and is two thousand bytes.
    if (!running.abort.signal.aborted) this.#idleAborts.push(running.abort);
  }

  #giveBack(actor: PooledActor): void {
    if (!this.#options.reuseActors) {
      this.#killActor(actor.handle);
      return;
    }
    const idle = this.#idleActors.get(actor.key) ?? [];
    idle.push(actor);
    this.#idleActors.set(actor.key, idle);
  }

  #interrupt(trial: Trial, attempt: number, reason: TrialEndReason): void {
    const running = this.#running.get(trial);
    if (running === undefined || running.attempt !== attempt) return;
    running.abort.abort(reason);
    running.grace ??= setTimeout(() => this.#kill(running), GRACE_MS);
  }

  #timeOut(running: Running): void {
    this.#push(() => {
      const instructions = this.#controller.timedOut(running.trial, running.attempt);
      if (instructions.length > 0) this.#kill(running);
      return instructions;
    });
  }

  #kill({ ref, actor }: Running): void {
    if (actor !== null) this.#killActor(actor.handle);
    else if (this.#options.runtime.isThere) cancel(ref, { force: true });
  }

  #killActor(handle: ActorHandle<TrialActor> | ActorHandle<TrialMailbox>): void {
    if (this.#options.runtime.isThere) kill(handle);
  }

  #runningOf(number: number, attempt: number): Running | undefined {
    for (const running of this.#running.values()) {
      if (running.trial.number === number && running.attempt === attempt) return running;
    }
    return undefined;
  }

  // Checkpoints.

  #keepValue(trial: Trial, iteration: number, sent: SentCheckpoint | null): void {
    if (sent === null || !('value' in sent)) return;
    const key = keyOf(trial, iteration);
    if (this.#values.has(key)) return;
    this.#options.runtime.require();
    this.#values.set(key, put(sent.value));
  }

  /** Nothing of it runs, and its record has what its run has come to. */
  #tidy(trial: Trial): Promise<void> | undefined {
    const { folder } = this.#options;
    return folder === null || this.#running.has(trial)
      ? undefined
      : removeLeftovers(folder, trial.record);
  }

  async #drop(trial: Trial, checkpoints: readonly CheckpointRecord[]): Promise<void> {
    const { folder } = this.#options;
    for (const { iteration, path } of checkpoints) {
      const key = keyOf(trial, iteration);
      this.#values.get(key)?.dispose();
      this.#values.delete(key);
      if (path !== null && folder !== null) await removeCheckpoint(join(folder, path));
    }
  }

  async #adopt({ trial, from, checkpoint }: Instruction & { kind: 'adopt' }): Promise<void> {
    const { folder } = this.#options;
    if (folder !== null && from.checkpoint.path !== null) {
      const own = join(folder, checkpointFolder(trial.id, checkpoint.iteration));
      await copyCheckpoint(join(folder, from.checkpoint.path), own);
      return;
    }
    const value = this.#values.get(keyOf(from.trial, from.checkpoint.iteration));
    // The value, and not the ref: each has one of its own to let go of.
    if (value === undefined) return;
    const { runtime } = this.#options;
    runtime.require();
    const copy = await getUnseen(value);
    runtime.require();
    this.#values.set(keyOf(trial, checkpoint.iteration), put(copy));
  }

  // The end.

  async #release(): Promise<void> {
    for (const running of this.#running.values()) {
      this.#forget(running);
      this.#kill(running);
    }
    const idle = [...this.#idleActors.values()].flat();
    await Promise.all([...this.#endingActors, ...idle.map((actor) => this.#endActor(actor))]);
    this.#killActor(this.#mailbox);
  }

  /** Has an idle actor clean up, which may take as long as the end of a trial. */
  async #endActor({ handle }: PooledActor): Promise<void> {
    const { runtime } = this.#options;
    if (!runtime.isThere) return;
    try {
      await getUnseen(handle.end.remote(), { timeoutMs: GRACE_MS });
    } catch (error) {
      // Its trials have ended, and none of them fails by this.
      if (runtime.isThere) process.emitWarning(`cleanup() has failed: ${String(error)}`);
    }
    this.#killActor(handle);
  }
}

function keyOf(trial: Trial, iteration: number): string {
  return `${trial.id}/${iteration}`;
}

/** A remote function that works on a trial with a trainable, which it captures once. */
function taskOf(
  trainable: TrainableFunction<unknown, unknown>,
  params: StoredParameters | null,
  name: string,
  resources: TrialResources,
) {
  return remote(
    async (
      assignment: TrialAssignment,
      connections: Parameters<typeof runFunction>[2],
    ): Promise<RunOutcome> =>
      runFunction(trainable, assignment, connections, await resolved(params)),
    { numCpus: 1, ...resources, maxRetries: 0, name },
  );
}
