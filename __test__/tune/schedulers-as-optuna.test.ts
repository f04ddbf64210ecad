/**
 * The schedulers that are Optuna's pruners give the same verdicts, in 1,000 random experiments each, and the Wilcoxon test gives
 * scipy's p-values. `fixtures/optuna_pruners.py` made them.
 */

import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { patientStopping } from '../../bindings/typescript/src/tune/schedulers/patient-stopping.ts';
import { percentileStopping } from '../../bindings/typescript/src/tune/schedulers/percentile-stopping.ts';
import type { Scheduler } from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import { thresholdStopping } from '../../bindings/typescript/src/tune/schedulers/threshold-stopping.ts';
import { wilcoxonStopping } from '../../bindings/typescript/src/tune/schedulers/wilcoxon-stopping.ts';
import {
  normalTail,
  wilcoxonPValue,
} from '../../bindings/typescript/src/tune/schedulers/wilcoxon-test.ts';
import { differencesTo, mulberry32, readStreams } from './toy-controller.ts';
import type { Stream } from './toy-controller.ts';

const fixtures = JSON.parse(
  readFileSync(new URL('fixtures/optuna_pruners.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;

function percentile(stream: Stream): Scheduler {
  return percentileStopping({
    percentile: stream['percentile']!,
    numStartupTrials: stream['numStartupTrials']!,
    numWarmupSteps: stream['numWarmupSteps']!,
    intervalSteps: stream['intervalSteps']!,
    numMinTrials: stream['numMinTrials']!,
  });
}

const makers: Record<string, (stream: Stream) => Scheduler> = {
  percentile,
  threshold: (stream) =>
    thresholdStopping({
      lower: stream['lower']!,
      upper: stream['upper']!,
      numWarmupSteps: stream['numWarmupSteps']!,
      intervalSteps: stream['intervalSteps']!,
    }),
  wilcoxon_of_trials: (stream) =>
    wilcoxonStopping({
      pThreshold: stream['pThreshold']!,
      numStartupSteps: stream['numStartupSteps']!,
    }),
  patient: (stream) =>
    patientStopping(percentile(stream), {
      patience: stream['patience']!,
      minDelta: stream['minDelta']!,
    }),
};

describe.each(Object.keys(makers))('%s', (name) => {
  const streams = readStreams(fixtures[name]);

  it('decides as Optuna in 1000 random experiments', () => {
    expect(streams.length).toBe(1000);
    expect(differencesTo(streams, makers[name]!)).toEqual([]);
  });

  it('stops trials there at all', () => {
    const stopping = streams.filter(({ text }) => text?.includes('S'));
    expect(stopping.length).toBeGreaterThan(0);
  });
});

describe('the Wilcoxon test', () => {
  const rows = fixtures['pValues'] as [number, number, number, number, number][];

  it('has the p-values of scipy: exact, with ties and zeros, and for many differences', () => {
    const wrong = rows.filter(([seed, count, grid, shift, p]) => {
      const draw = mulberry32(seed);
      const differences = Array.from(
        { length: count },
        () => Math.floor((draw() - 0.5 + shift) * 2 * grid) / grid,
      );
      return !(Math.abs(wilcoxonPValue(differences) - p) <= 1e-12 * p);
    });
    expect(rows.length).toBe(400);
    expect(wrong).toEqual([]);
  });

  it('knows nothing without differences', () => {
    expect(wilcoxonPValue([])).toBeNaN();
  });

  it('takes an infinite difference for the largest one', () => {
    expect(wilcoxonPValue([Infinity, 1, 2])).toBe(wilcoxonPValue([3, 1, 2]));
    expect(wilcoxonPValue([-Infinity, 1, 2])).toBe(wilcoxonPValue([-3, 1, 2]));
  });

  it('has a normal tail to the last digits, also far out', () => {
    // scipy's `norm.sf`.
    const tails: [number, number][] = [
      [0, 0.5],
      [1, 0.15865525393145707],
      [2.8, 0.002555130330427932],
      [3, 0.0013498980316300933],
      [6, 9.865876450376946e-10],
      [10, 7.61985302416047e-24],
      [-1, 0.8413447460685429],
    ];
    for (const [z, tail] of tails) {
      expect(Math.abs(normalTail(z) / tail - 1), `at ${z}`).toBeLessThan(1e-13);
    }
  });
});
