/**
 * A run as lines, for files and terminals that can't draw again: each says only what is new. Nothing here writes.
 */

import type { ReporterState } from './state.ts';
import { bestText, configText, countsText, remainingText, trialsText } from './table-view.ts';
import { durationText } from './number-text.ts';
import { cleaned } from './text-width.ts';

/** What has been said already. */
export interface LineMemory {
  readonly failures: number;
  readonly waiting: readonly string[];
  /** The last line about how far it is, without times. */
  readonly progress: string;
}

/** Lines to write, and what is to be remembered for the next ones. */
export interface LineView {
  readonly lines: readonly string[];
  readonly memory: LineMemory;
}

/** What is new since the memory was made; undefined at the beginning. */
export function lineView(
  state: ReporterState,
  memory: LineMemory | undefined,
  done: boolean,
): LineView {
  const lines = memory === undefined ? [beginning(state)] : [];
  lines.push(...newFailures(state, memory?.failures ?? 0));
  const told = new Set(memory?.waiting);
  const waiting = done ? [] : state.waiting;
  for (const sentence of waiting) {
    if (!told.has(sentence)) lines.push(`waiting: ${cleaned(sentence)}`);
  }
  const progress = [trialsText(state), countsText(state), bestsText(state)]
    .filter((part) => part !== '')
    .join(', ');
  if (done || progress !== memory?.progress) {
    const times = [durationText(state.elapsedMs), done ? 'done' : remainingText(state)];
    lines.push(`${progress}, ${times.filter((time) => time !== '').join(', ')}`);
  }
  if (done) lines.push(...ending(state));
  const name = cleaned(state.name);
  return {
    lines: lines.map((line) => `${name}: ${line}`),
    memory: { failures: state.counts.ERROR, waiting: [...waiting], progress },
  };
}

function beginning({ numSamples, metrics, path }: ReporterState): string {
  const trials =
    numSamples === Infinity
      ? 'trials without end'
      : `${numSamples} ${numSamples === 1 ? 'trial' : 'trials'}`;
  const wanted = metrics.map(({ name, mode }) => `${mode} ${cleaned(name)}`).join(', ');
  const folder = path === null ? '' : `folder ${cleaned(path)}`;
  return [trials, wanted, folder].filter((part) => part !== '').join(', ');
}

function newFailures({ counts, errors }: ReporterState, before: number): string[] {
  const count = Math.max(0, counts.ERROR - before);
  const shown = count === 0 ? [] : errors.slice(-count);
  const lines = shown.map(({ trialId, name, message }) => {
    const text = message === '' ? name : `${name}: ${message}`;
    return `trial ${trialId} failed: ${cleaned(text)}`;
  });
  const unseen = count - shown.length;
  return unseen > 0
    ? [`${unseen} other ${unseen === 1 ? 'trial' : 'trials'} failed`, ...lines]
    : lines;
}

function bestsText({ best }: ReporterState): string {
  return best.map(bestText).join(', ');
}

function ending({ best, parameters, path }: ReporterState): string[] {
  const configs = best.flatMap(({ trial }) => {
    const config = configText(trial, parameters);
    return config === '' ? [] : [`config of trial ${trial.trialId}: ${config}`];
  });
  return [...new Set(configs), ...(path === null ? [] : [`folder: ${cleaned(path)}`])];
}
