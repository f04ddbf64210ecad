/** A trial while its experiment runs: its record, and where it stands between the controller and its process. */

import type { CheckpointRecord } from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import type { ScheduledTrial } from '../schedulers/scheduler.ts';
import type { TrialEndReason } from '../errors.ts';
import type { Metrics, ReportedMetrics, TrialResources, TrialStatus } from '../types.ts';

/**
 * Whether a process works on a trial.
 *
 * ```text
 *  idle ──run──▶ running ──decided──▶ leaving ──ended──▶ idle
 *                   └───────────ended by itself──────────▶
 * ```
 */
export type Phase = 'idle' | 'running' | 'leaving';

/** See the file. */
export class Trial implements ScheduledTrial {
  readonly record: TrialRecord;
  phase: Phase = 'idle';
  /** Counts the runs: what comes of an earlier one is dropped. */
  attempt = 0;
  /** What it runs with, or would. */
  resources: TrialResources;
  /** Why it is to end: while it leaves, and in a study until its caller ends it. */
  reason: TrialEndReason | undefined;
  /** It goes on as it was configured when it has left: paused, exploited, with other resources, or after a failure. */
  startFrom: CheckpointRecord | null = null;
  /** Milliseconds of run time up to where it goes on from. */
  startTime: number;
  /** Milliseconds of run time up to where the present run began. */
  timeBefore = 0;
  /** The iteration from which the present run began. */
  iterationBefore = 0;
  /** The last report of the present run that was decided, by its place in the run. */
  decided = 0;
  /** To be carried out when the trial has left. */
  exploit: { readonly source: Trial; readonly config: unknown } | undefined;
  /** Another one is to go on from its state, which it saves at its next report, by leaving. */
  isToSave = false;
  /** To be taken when the trial has left. */
  nextResources: TrialResources | undefined;
  /** In ERROR: the error itself, where this process has it. */
  failure: unknown;

  constructor(record: TrialRecord, resources: TrialResources) {
    this.record = record;
    this.resources = resources;
    this.startTime = record.durationMs;
  }

  get id(): string {
    return this.record.header.id;
  }

  get number(): number {
    return this.record.header.number;
  }

  get status(): TrialStatus {
    return this.record.status;
  }

  get config(): unknown {
    return this.record.config;
  }

  get metrics(): ReportedMetrics | Metrics {
    return this.record.history.at(-1) ?? NOTHING;
  }

  get hasEnded(): boolean {
    return this.status === 'TERMINATED' || this.status === 'ERROR';
  }

  /** The iteration of its last report. */
  get iteration(): number {
    return this.record.history.at(-1)?.trainingIteration ?? 0;
  }

  get latestCheckpoint(): CheckpointRecord | null {
    return this.record.checkpoints.at(-1) ?? null;
  }
}

const NOTHING: Metrics = Object.freeze({});
