/**
 * The trial that this code works on: what `report`, `getContext` and `getCheckpoint` mean. An asynchronous context, because what an
 * earlier trial has left running in this process is no part of the present one.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { InvalidArgumentError } from '../../index.ts';
import { StorageError, type TrialEndReason, TrialStoppedError } from '../errors.ts';
import { checkMetrics } from '../metrics.ts';
import type { Metrics, TrialResources } from '../types.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { TrialAssignment } from './protocol.ts';

/** Options of `report`. */
export interface ReportOptions {
  /** Any value, or `Checkpoint.fromDirectory(path)`. */
  readonly checkpoint?: unknown | undefined;
}

/** What a trainable knows of its trial. */
export interface TrialContext<Config = unknown> {
  /** Five digits or more: `00042`. */
  readonly id: string;
  readonly number: number;
  readonly config: Config;
  /** Follows from the experiment's seed and the number. */
  readonly seed: number;
  /** Of the experiment. */
  readonly name: string;
  /** Fires when the trial is to end. */
  readonly signal: AbortSignal;
  /** How many reports there were, those before the checkpoint included. */
  readonly iteration: number;
  /** 1 for the first run; more after failures and pauses. */
  readonly attempt: number;
  /** Where to go on from; null at the beginning. */
  readonly checkpoint: Checkpoint | null;
  readonly resources: TrialResources;
  /** The trial's folder, made when it is read; null where nothing is written to disk. @throws StorageError */
  readonly path: string | null;
  /** Which time its config runs, with `repeater`; undefined without. */
  readonly repeatIndex: number | undefined;
  /** Reports metrics. @throws TrialStoppedError when the trial is to end @throws InvalidArgumentError @throws SerializationError */
  report(metrics: Metrics, options?: ReportOptions): Promise<void>;
  /** The same, blocking. */
  reportSync(metrics: Metrics, options?: ReportOptions): void;
}

/** What a context needs of whoever runs the trial. */
export interface TrialHost {
  readonly assignment: TrialAssignment;
  readonly signal: AbortSignal;
  readonly checkpoint: Checkpoint | null;
  readonly iteration: number;
  /** Why the trial is to end; undefined while it goes on. */
  readonly reason: TrialEndReason | undefined;
  /** Its trainable has returned or thrown. */
  readonly hasEnded: boolean;
  send(metrics: Metrics, checkpoint: unknown, hasCheckpoint: boolean): Promise<void>;
  sendSync(metrics: Metrics, checkpoint: unknown, hasCheckpoint: boolean): void;
}

const current = new AsyncLocalStorage<TrialContext>();

/** Runs code as the trial of a context. */
export function runAs<R>(context: TrialContext, code: () => R): R {
  return current.run(context, code);
}

/** The trial that this code works on. @throws InvalidArgumentError outside of a trial */
export function getContext<Config = unknown>(): TrialContext<Config> {
  return contextFor('getContext()') as TrialContext<Config>;
}

/** Where to go on from; null at the beginning. @throws InvalidArgumentError outside of a trial */
export function getCheckpoint<State = unknown>(): Checkpoint<State> | null {
  return contextFor('getCheckpoint()').checkpoint as Checkpoint<State> | null;
}

/**
 * Reports metrics of the trial that this code works on, and a checkpoint with them. Resolves when it is decided what becomes of the
 * trial; then the report is in the journal.
 *
 * @throws TrialStoppedError when the trial is to end: let it pass
 * @throws InvalidArgumentError for what can't be reported, and outside of a trial
 * @throws SerializationError for a checkpoint that can't be stored
 */
export function report(metrics: Metrics, options?: ReportOptions): Promise<void> {
  const context = current.getStore();
  if (context === undefined) return Promise.reject(outsideOf('report()'));
  // As it is, and not in a further promise: this one may be left alone.
  return context.report(metrics, options);
}

/** The same, blocking, for synchronous code. */
export function reportSync(metrics: Metrics, options?: ReportOptions): void {
  contextFor('reportSync()').reportSync(metrics, options);
}

/** The context of a host. */
export function contextOf(host: TrialHost): TrialContext {
  const { id, number, config, seed, name, attempt, resources, repeatIndex, folder } =
    host.assignment;
  return Object.freeze({
    id,
    number,
    config,
    seed,
    name,
    signal: host.signal,
    attempt,
    checkpoint: host.checkpoint,
    resources,
    repeatIndex,
    get iteration() {
      return host.iteration;
    },
    get path() {
      if (folder === null) return null;
      const path = join(folder, 'trials', id);
      try {
        mkdirSync(path, { recursive: true });
      } catch (cause) {
        const { message } = cause as Error;
        throw new StorageError(`the folder ${path} can't be made: ${message}`, { path }, { cause });
      }
      return path;
    },
    report(metrics: Metrics, options?: ReportOptions): Promise<void> {
      const sent = send(metrics, options);
      // Who does not await a report is told by the next one.
      sent.catch(() => undefined);
      return sent;
    },
    reportSync(metrics: Metrics, options?: ReportOptions): void {
      refuseEnded(host);
      const { checkpoint, has } = checkpointOption('reportSync()', options);
      host.sendSync(checkMetrics(metrics, 'reportSync()'), checkpoint, has);
    },
  });

  async function send(metrics: Metrics, options: ReportOptions | undefined): Promise<void> {
    refuseEnded(host);
    const { checkpoint, has } = checkpointOption('report()', options);
    return host.send(checkMetrics(metrics, 'report()'), checkpoint, has);
  }
}

function refuseEnded({ reason, hasEnded }: TrialHost): void {
  if (reason !== undefined) throw new TrialStoppedError('', { reason });
  if (hasEnded) throw new TrialStoppedError('', { reason: 'finished' });
}

function checkpointOption(
  call: string,
  options: ReportOptions | undefined,
): { readonly checkpoint: unknown; readonly has: boolean } {
  if (options === undefined) return { checkpoint: undefined, has: false };
  const isObject = typeof options === 'object' && options !== null;
  const unknown = isObject ? Object.keys(options).find((name) => name !== 'checkpoint') : undefined;
  if (!isObject || unknown !== undefined) {
    throw new InvalidArgumentError('', {
      argument: unknown === undefined ? `${call} options` : `${call} ${unknown}`,
      value: options,
      allowed: '{ checkpoint }',
    });
  }
  return { checkpoint: options.checkpoint, has: options.checkpoint !== undefined };
}

function contextFor(call: string): TrialContext {
  const context = current.getStore();
  if (context !== undefined) return context;
  throw outsideOf(call);
}

function outsideOf(call: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `${call} is called outside of a trial: it has to be called by the trainable of a Tuner, in the process where that runs`,
    { argument: call },
  );
}
