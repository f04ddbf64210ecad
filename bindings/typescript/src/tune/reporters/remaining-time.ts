/**
 * How long an experiment will still take, as far as its past says.
 *
 * What is left to do is the mean run time of the trials that have ended, for each that has not begun, and its rest for each
 * that has; as many are done at a time as can run. A time budget ends it earlier.
 */

import type { ExperimentRecord } from '../experiment/record.ts';

/** What has to be known of the run. */
export interface RunOutlook {
  readonly elapsedMs: number;
  readonly numSamples: number;
  readonly timeBudgetMs: number | null;
  readonly maxConcurrentTrials: number | null;
}

/** Milliseconds, or null while nothing can be said. */
export function remainingMsOf(experiment: ExperimentRecord, outlook: RunOutlook): number | null {
  const work = remainingByTrials(experiment, outlook);
  const budget =
    outlook.timeBudgetMs === null ? null : Math.max(0, outlook.timeBudgetMs - outlook.elapsedMs);
  if (work === null || budget === null) return work ?? budget;
  return Math.min(work, budget);
}

function remainingByTrials({ trials }: ExperimentRecord, outlook: RunOutlook): number | null {
  let ended = 0;
  let endedMs = 0;
  let running = 0;
  const begunMs: number[] = [];
  for (const { status, durationMs } of trials) {
    if (status === 'TERMINATED' || status === 'ERROR') {
      ended++;
      endedMs += durationMs;
    } else if (status !== 'PENDING' || durationMs > 0) {
      begunMs.push(durationMs);
    }
    if (status === 'RUNNING') running++;
  }
  const total = Math.max(outlook.numSamples, trials.length);
  if (ended === total) return 0;
  if (ended === 0 || total === Infinity) return null;
  const meanMs = endedMs / ended;
  let leftMs = (total - ended - begunMs.length) * meanMs;
  for (const each of begunMs) leftMs += Math.max(0, meanMs - each);
  const unended = total - ended;
  const atATime = Math.max(1, Math.min(outlook.maxConcurrentTrials ?? running, unended));
  return leftMs / atATime;
}
