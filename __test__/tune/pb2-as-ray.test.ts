/**
 * `pb2` asks its model what Ray's asks, in 400 random experiments: `fixtures/ray_pb2.py` made the streams, and says where eagleray is
 * unlike Ray on purpose. What the model answers is compared with Ray's in `crates/search`.
 */

import { readFileSync } from 'node:fs';

import { beforeEach, describe, expect, it, vi } from 'vitest';

import { pb2 } from '../../bindings/typescript/src/tune/schedulers/pb2.ts';
import type { BanditQuestion, Period } from '../../bindings/typescript/src/tune/search/bandit.ts';
import { checksum, readStreams, runStream } from './toy-controller.ts';
import type { Stream } from './toy-controller.ts';

const asked: (BanditQuestion & { periods: Period[] })[] = [];
vi.mock('../../bindings/typescript/src/tune/search/bandit.ts', () => ({
  BanditModel: class {
    readonly #periods: Period[] = [];

    observe(period: Period): void {
      this.#periods.push(period);
    }

    next(question: BanditQuestion): number[] {
      // What it is given goes on changing.
      asked.push(structuredClone({ ...question, periods: this.#periods }));
      return [0.5 + (2 * ((asked.length * 23) % 64)) / 64];
    }
  },
}));

beforeEach(() => {
  asked.length = 0;
});

const { pb2: table } = JSON.parse(
  readFileSync(new URL('fixtures/ray_pb2.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;

function questionsOf(stream: Stream): string[] {
  asked.length = 0;
  runStream(
    stream,
    pb2({
      timeAttr: 'trainingIteration',
      perturbationInterval: stream['perturbationInterval']!,
      hyperparamBounds: { x: [0.5, 2.5] },
      quantileFraction: stream['quantileFraction']!,
      synch: stream['synch'] === 1,
    }),
  );
  return asked.map(({ periods, start, running }) => {
    const rows = periods
      .map(({ time, reward, change, values }) => [time, reward, change, ...values])
      .sort((one, other) => one.map((value, at) => value - other[at]!).find((d) => d !== 0) ?? 0);
    const numbers = [...rows.flat(), start.time, start.reward, ...running.flat()];
    return numbers.map((value) => Math.floor(value * 2 ** 20 + 0.5)).join(' ');
  });
}

describe('pb2', () => {
  const streams = readStreams(table);

  it('asks as Ray in 400 random experiments', () => {
    expect(streams).toHaveLength(400);
    expect(streams.reduce((sum, stream) => sum + stream['events']!, 0)).toBeGreaterThan(1000);
    const different = streams.filter((stream) => {
      const questions = questionsOf(stream).slice(0, stream['events']);
      return (
        questions.length < stream['events']! || checksum(questions.join('\n')) !== stream['sum']
      );
    });
    expect(different.map(({ seed, synch, text }) => ({ seed, synch, text }))).toEqual([]);
  });

  it('leaves no trial paused for ever', () => {
    const stuck = streams.filter((stream) => {
      const scheduler = pb2({
        timeAttr: 'trainingIteration',
        hyperparamBounds: { x: [0.5, 2.5] },
        perturbationInterval: stream['perturbationInterval']!,
        synch: stream['synch'] === 1,
      });
      return runStream(stream, scheduler).leftOver > 0;
    });
    expect(stuck).toEqual([]);
  });
});
