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
import type { Mode } from '../../bindings/typescript/src/tune/types.ts';
import { checksum } from './checksum.ts';
import { runToy } from './toy-controller.ts';
import type { ToyResult } from './toy-controller.ts';

type Row = Record<string, number> & { mode: Mode; exploits: string };

interface Streams {
  readonly keys: readonly string[];
  readonly rows: readonly (readonly (number | string)[])[];
  readonly until: readonly number[];
  readonly texts: readonly string[];
}

const fixtures = JSON.parse(
  readFileSync(new URL('fixtures/ray_schedulers.json', import.meta.url), 'utf8'),
) as Record<string, Streams>;

const makers: Record<string, (row: Row) => Scheduler> = {
  asha: ({ mode, maxT, gracePeriod, reductionFactor, stopLastTrials }) =>
    asha({
      metric: 'loss',
      mode,
      maxT: maxT!,
      gracePeriod: gracePeriod!,
      reductionFactor: reductionFactor!,
      stopLastTrials: stopLastTrials === 1,
    }),
  median: ({ mode, gracePeriod, minSamplesRequired, minTimeSlice, hardStop }) =>
    medianStopping({
      metric: 'loss',
      mode,
      timeAttr: 'trainingIteration',
      gracePeriod: gracePeriod!,
      minSamplesRequired: minSamplesRequired!,
      minTimeSlice: minTimeSlice!,
      hardStop: hardStop === 1,
    }),
  hyperband: ({ mode, maxT, reductionFactor, stopLastTrials }) =>
    hyperband({
      metric: 'loss',
      mode,
      maxT: maxT!,
      reductionFactor: reductionFactor!,
      stopLastTrials: stopLastTrials === 1,
    }),
  pbt: ({ mode, perturbationInterval, burnInPeriod, quantileFraction, synch }) =>
    pbt({
      metric: 'loss',
      mode,
      timeAttr: 'trainingIteration',
      perturbationInterval: perturbationInterval!,
      burnInPeriod: burnInPeriod!,
      hyperparamMutations: { x: [1, 2] },
      quantileFraction: quantileFraction!,
      synch: synch === 1,
    }),
};

describe.each(Object.keys(makers))('%s', (name) => {
  const { keys, rows, until, texts } = fixtures[name]!;
  const streams = rows.map(
    (row) => Object.fromEntries(keys.map((key, at) => [key, row[at]])) as Row,
  );

  it(`decides as Ray in ${streams.length} random experiments`, () => {
    const different = streams.flatMap((stream, at) => {
      const { events, exploits } = run(name, stream);
      const text = events.slice(0, stream['events']).join(' ');
      // Behind `until` Ray has left a trial waiting that eagleray lets go on.
      const isSameLength = until.includes(at) || events.length === stream['events'];
      const sources = exploits.map(([id]) => String.fromCodePoint(97 + Number(id))).join('');
      const isSame =
        isSameLength &&
        checksum(text) === stream['sum'] &&
        (stream.exploits === undefined || stream.exploits === sources);
      return isSame ? [] : [{ ...stream, text: texts[at], ours: events.join(' '), sources }];
    });
    expect(different.slice(0, 2)).toEqual([]);
    expect(different.length).toBe(0);
  });

  it('leaves no trial paused for ever, also where Ray does', () => {
    const stuck = streams.filter((stream) => run(name, stream).leftOver > 0);
    expect(stuck).toEqual([]);
  });
});

it('is in experiments that say something', () => {
  for (const [name, { rows, keys }] of Object.entries(fixtures)) {
    const events = rows.reduce((sum, row) => sum + Number(row[keys.indexOf('events')]), 0);
    expect([name, rows.length, events > 30_000]).toEqual([name, 1000, true]);
  }
});

function run(name: string, stream: Row): ToyResult {
  const scheduler = makers[name]!(stream);
  scheduler.setup?.({ metric: undefined, mode: undefined, seed: 0 });
  const { early, iterations, misses } = stream;
  return runToy({
    scheduler,
    workers: stream['workers']!,
    samples: stream['samples']!,
    pending: stream['pending']!,
    seed: stream['seed']!,
    errorRate: stream['errors']!,
    removeRate: stream['removes']!,
    config: () => ({ x: 1 }),
    lastIteration: (random) => (early === 1 ? 1 + Math.floor(random() * iterations!) : iterations!),
    duration: (random) => 1 + Math.floor(random() * 4),
    metric: (random) =>
      misses! > 0 && random() < misses! ? undefined : Math.floor(random() * 64) / 64,
  });
}
