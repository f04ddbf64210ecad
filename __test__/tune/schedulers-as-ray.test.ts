/**
 * Ray's schedulers decide the same, in 1,000 random experiments each. `fixtures/ray_schedulers.py` made the streams, and says where
 * eagleray is unlike Ray on purpose.
 */

import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { asha } from '../../bindings/typescript/src/tune/schedulers/asha.ts';
import { hyperband } from '../../bindings/typescript/src/tune/schedulers/hyperband.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { pbt } from '../../bindings/typescript/src/tune/schedulers/pbt.ts';
import type { Scheduler } from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import { differencesTo, readStreams, runStream } from './toy-controller.ts';
import type { Stream } from './toy-controller.ts';

const fixtures = JSON.parse(
  readFileSync(new URL('fixtures/ray_schedulers.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;

const makers: Record<string, (stream: Stream) => Scheduler> = {
  asha: ({ maxT, gracePeriod, reductionFactor, stopLastTrials }) =>
    asha({
      maxT: maxT!,
      gracePeriod: gracePeriod!,
      reductionFactor: reductionFactor!,
      stopLastTrials: stopLastTrials === 1,
    }),
  median: ({ gracePeriod, minSamplesRequired, minTimeSlice, hardStop }) =>
    medianStopping({
      timeAttr: 'trainingIteration',
      gracePeriod: gracePeriod!,
      minSamplesRequired: minSamplesRequired!,
      minTimeSlice: minTimeSlice!,
      hardStop: hardStop === 1,
    }),
  hyperband: ({ maxT, reductionFactor, stopLastTrials }) =>
    hyperband({
      maxT: maxT!,
      reductionFactor: reductionFactor!,
      stopLastTrials: stopLastTrials === 1,
    }),
  pbt: ({ perturbationInterval, burnInPeriod, quantileFraction, synch }) =>
    pbt({
      timeAttr: 'trainingIteration',
      perturbationInterval: perturbationInterval!,
      burnInPeriod: burnInPeriod!,
      hyperparamMutations: { x: [1, 2] },
      quantileFraction: quantileFraction!,
      synch: synch === 1,
    }),
};

describe.each(Object.keys(makers))('%s', (name) => {
  const streams = readStreams(fixtures[name]);

  it('decides as Ray in 1000 random experiments', () => {
    expect(streams.length).toBe(1000);
    expect(streams.reduce((sum, stream) => sum + stream['events']!, 0)).toBeGreaterThan(30_000);
    expect(differencesTo(streams, makers[name]!)).toEqual([]);
  });

  it('leaves no trial paused for ever, also where Ray does', () => {
    const stuck = streams.filter((stream) => runStream(stream, makers[name]!(stream)).leftOver > 0);
    expect(stuck).toEqual([]);
  });
});
