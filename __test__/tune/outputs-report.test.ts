/** The data of the report's page: what is best, what is left out, how large it can become, and that no text escapes. */

import { describe, expect, test } from 'vitest';

import { applyEvent } from '../../bindings/typescript/src/tune/experiment/record.ts';
import type { ExperimentRecord } from '../../bindings/typescript/src/tune/experiment/record.ts';
import {
  reportData,
  surveyOf,
} from '../../bindings/typescript/src/tune/outputs/report/report-data.ts';
import { reportHtml } from '../../bindings/typescript/src/tune/outputs/report/report-html.ts';
import {
  spread,
  thinnedPlaces,
} from '../../bindings/typescript/src/tune/outputs/report/thinning.ts';
import type { ReportData } from '../../bindings/typescript/src/tune/outputs/report/page-data.ts';
import {
  endEvent,
  experimentOf,
  largeExperiment,
  reportEvent,
  startEvent,
  trialEvent,
} from './outputs-experiment.ts';

/** Instead of the built page, which has the same places. */
const PAGE = '<title>{{title}}</title><script type="application/json">"{{data}}"</script>';

function dataOf(experiment: ExperimentRecord): ReportData {
  return reportData(surveyOf(experiment), { writtenAt: 0 });
}

function dataIn(html: string): ReportData {
  const [, json] = /<script type="application\/json">(.*?)<\/script>/s.exec(html)!;
  return JSON.parse(json!) as ReportData;
}

function ended(losses: readonly (number | undefined)[]) {
  return losses.flatMap((loss, number) => [
    trialEvent(number, { lr: number }, [number]),
    startEvent(number),
    ...(loss === undefined ? [] : [reportEvent(number, 1, { loss })]),
    endEvent(number),
  ]);
}

describe('what is best', () => {
  test('is the best so far, ties to the lower number, without what is not finite', () => {
    const losses = [Number.NaN, 3, 3, Infinity, 1, undefined, 2, -Infinity, 1];
    const { best, bestNumbers } = dataOf(experimentOf(ended(losses)));
    expect(best).toEqual([{ numbers: [1, 4], values: [3, 1] }]);
    expect(bestNumbers).toEqual([4]);
  });

  test('is none in ERROR and none that breaks a constraint', () => {
    const experiment = experimentOf([
      trialEvent(0, {}),
      startEvent(0),
      reportEvent(0, 1, { loss: 1 }),
      endEvent(0, { status: 'ERROR', stopReason: null }),
      trialEvent(1, {}),
      startEvent(1),
      reportEvent(1, 1, { loss: 2 }, undefined, { latencyMs: 0.5 }),
      endEvent(1),
      trialEvent(2, {}),
      startEvent(2),
      reportEvent(2, 1, { loss: 3 }, undefined, { latencyMs: 0 }),
      endEvent(2),
    ]);
    const data = dataOf(experiment);
    expect(data.bestNumbers).toEqual([2]);
    expect(data.trials.feasible).toEqual([true, false, true]);
  });

  test('is a front for several metrics, equal ones included', () => {
    const points = [
      [1, 5],
      [2, 2],
      [2, 2],
      [3, 3],
      [5, 1],
      [1, 6],
    ];
    const experiment = experimentOf(
      points.flatMap(([loss, latency], number) => [
        trialEvent(number, {}),
        startEvent(number),
        reportEvent(number, 1, { loss: loss!, speed: -latency! }),
      ]),
      { metrics: ['loss', 'speed'], modes: ['min', 'max'] },
    );
    expect(dataOf(experiment).front?.toSorted()).toEqual([0, 1, 2, 4]);
  });

  test('is by the last value of the metric, also where the last report lacks it', () => {
    const experiment = experimentOf(
      [
        trialEvent(0, {}),
        startEvent(0),
        reportEvent(0, 1, { loss: 1, size: 2 }),
        reportEvent(0, 2, { other: 5 }),
        endEvent(0),
      ],
      { metrics: ['loss', 'size'], modes: ['min', 'min'] },
    );
    const data = dataOf(experiment);
    expect(data.bestNumbers).toEqual([0, 0, null]);
    expect(data.trials.metrics).toEqual([[1], [2], [5]]);
    expect(data.front).toEqual([0]);
  });

  // Where each is compared with all before it, this takes minutes.
  test('is a front of two metrics although all trials are in it', () => {
    const trials = 100_000;
    const experiment = experimentOf([], { metrics: ['loss', 'size'], modes: ['min', 'max'] });
    for (let number = 0; number < trials; number++) {
      applyEvent(experiment, trialEvent(number, {}));
      applyEvent(experiment, reportEvent(number, 1, { loss: number, size: number }));
    }
    expect(surveyOf(experiment).front).toHaveLength(trials);
  });

  test('an experiment without trials, metrics or parameters is a page, too', () => {
    const empty = experimentOf([], { metrics: [], modes: [], parameters: [] });
    const data = dataIn(reportHtml(empty, { page: PAGE }));
    expect(data).toMatchObject({ metrics: [], front: null, curves: [], rungs: [], omitted: [] });
  });
});

describe('rungs', () => {
  test('count who came to an iteration and who was stopped there', () => {
    const lasts = [
      [1, 'scheduler'],
      [1, 'scheduler'],
      [3, 'scheduler'],
      [9, 'stopper'],
      [3, 'finished'],
    ] as const;
    const experiment = experimentOf(
      lasts.flatMap(([last, stopReason], number) => [
        trialEvent(number, {}),
        startEvent(number),
        ...Array.from({ length: last }, (_, index) => reportEvent(number, index + 1, { loss: 1 })),
        endEvent(number, { stopReason }),
      ]),
    );
    expect(dataOf(experiment).rungs).toEqual([
      { iteration: 1, reached: 5, stopped: 2 },
      { iteration: 3, reached: 3, stopped: 1 },
    ]);
  });
});

describe('size', () => {
  const large = largeExperiment({ trials: 10_000, iterations: 40 });

  test('of ten thousand trials is bounded, with totals of all, and it says what was left out', () => {
    const html = reportHtml(large, { page: PAGE });
    expect(Buffer.byteLength(html)).toBeLessThan(730_000);
    const data = dataIn(html);
    expect(data.totals.trials).toBe(10_000);
    expect(data.counts.reduce((sum, count) => sum + count, 0)).toBe(10_000);
    expect(data.totals.reports).toBe(
      large.trials.reduce((sum, { history }) => sum + history.length, 0),
    );
    expect(data.trials.number.length).toBeGreaterThan(2000);
    expect(data.trials.number).toContain(data.bestNumbers[0]);
    const shown = data.trials.number.length.toLocaleString('en-US');
    expect(data.omitted[0]).toContain(`${shown} of 10,000 trials are shown`);
    expect(data.omitted.join()).toContain('Curves of 120 of');
  });

  test('is bounded for texts and parameters without end', () => {
    const text = '<é'.repeat(5000);
    const parameters = Array.from({ length: 1000 }, (_, place) => ({
      name: `p${place}${text}`,
      path: [`p${place}`],
      kind: 'choice' as const,
      args: [Array.from({ length: 150 }, (_, index) => `${index}${text}`)],
    }));
    const events = Array.from({ length: 300 }, (_, number) => [
      trialEvent(
        number,
        { derived: `${number}${text}` },
        parameters.map((_, place) => (place + number) % 150),
      ),
      startEvent(number),
      reportEvent(number, 1, { loss: number, text }),
      endEvent(number, {
        status: 'ERROR',
        stopReason: null,
        error: { name: 'E', message: text, code: null, stack: '' },
      }),
    ]).flat();
    const html = reportHtml(experimentOf(events, { parameters }), { page: PAGE });
    expect(Buffer.byteLength(html)).toBeLessThan(730_000);
    expect(dataIn(html).omitted.join()).toContain('of 1,000 parameters are shown');
  });

  test('of curves keeps first, last and extremes', () => {
    const values = Array.from({ length: 1000 }, (_, place) =>
      place === 517 ? 99 : place === 333 ? -99 : 0,
    );
    const places = thinnedPlaces(values, 50);
    expect(places.length).toBeLessThanOrEqual(50);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    for (const kept of [0, 333, 517, 999]) expect(places).toContain(kept);
  });

  test('of a selection is what was asked for, with those to be kept', () => {
    const items = Array.from({ length: 100 }, (_, place) => place);
    const some = spread(items, 10, [77, 3]);
    expect(some).toHaveLength(10);
    expect(some).toEqual(some.toSorted((one, other) => one - other));
    expect(some).toEqual(expect.arrayContaining([3, 77]));
  });
});

describe('texts', () => {
  test('can not end their element, and arrive as they are', () => {
    const text = '</script><script>alert(1)</script>$&$1<!--{{data}}"';
    const experiment = largeExperiment({ trials: 40, iterations: 5, text });
    const html = reportHtml(experiment, { page: PAGE });
    expect(html.match(/<\/?script/g)).toHaveLength(2);
    expect(html).toContain('<title>digits-asha&lt;/script&gt;');
    const data = dataIn(html);
    expect(data.name).toBe(`digits-asha${text}`);
    expect(data.trials.error.find((error) => error !== null)).toContain(text);
  });

  test('of choices are those of their elements, where they are few', () => {
    const many = Array.from({ length: 201 }, (_, index) => index);
    const experiment = experimentOf([], {
      parameters: [
        { name: 'a', path: ['a'], kind: 'choice', args: [['sgd', 2, 3n, { x: 1 }]] },
        { name: 'b', path: ['b'], kind: 'gridSearch', args: [[true, false]] },
        { name: 'c', path: ['c'], kind: 'choice', args: [['s', 'l'], { ordered: true }] },
        { name: 'd', path: ['d'], kind: 'choice', args: [many] },
        { name: 'e', path: ['e'], kind: 'uniform', args: [0, 1] },
      ],
    });
    expect(dataOf(experiment).parameters.map(({ labels }) => labels)).toEqual([
      ['sgd', '2', '3n', '{"x":1}'],
      ['true', 'false'],
      ['s', 'l'],
      null,
      null,
    ]);
  });

  test('of configs that no parameter gives are columns where they differ', () => {
    const experiment = experimentOf([
      trialEvent(0, { lr: 1, same: 1, made: { a: 1 } }),
      trialEvent(1, { lr: 2, same: 1, made: { a: 2 } }),
    ]);
    expect(dataOf(experiment).trials.derived).toEqual([{ name: 'made.a', values: ['1', '2'] }]);
  });
});
