/** Median stopping where trials report at times of their own: decisions of the rule as it is said, at a cost that hardly grows. */

import { afterEach, describe, expect, test, vi } from 'vitest';

import { IntervalCounts } from '../../bindings/typescript/src/tune/schedulers/interval-counts.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { medianOf } from '../../bindings/typescript/src/tune/schedulers/order-statistics.ts';
import { RandomSource } from '../../bindings/typescript/src/tune/schedulers/random.ts';
import type {
  ScheduledTrial,
  SchedulerControl,
} from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import type { ReportedMetrics } from '../../bindings/typescript/src/tune/types.ts';

afterEach(() => vi.restoreAllMocks());

describe('counts of intervals', () => {
  test.each([1, 2, 3])('are those of a look at each (seed %i)', (seed) => {
    const random = new RandomSource(seed);
    // Few places and values, so that many are the same.
    const some = (count: number): number => Math.floor(random.next() * count) - 3;
    const counts = new IntervalCounts();
    const intervals: [from: number, to: number, value: number][] = [];
    for (let turn = 0; turn < 20_000; turn++) {
      if (random.next() < 0.6 || intervals.length === 0) {
        const from = some(50);
        const interval: (typeof intervals)[number] = [from, from + some(20), some(30)];
        intervals.push(interval);
        counts.add(...interval);
      } else {
        const [interval] = intervals.splice(Math.floor(random.next() * intervals.length), 1);
        counts.remove(...interval!);
      }
      if (turn % 10 > 0) continue;
      const [place, limit] = [some(70), some(40)];
      const containing = intervals.filter(([from, to]) => from <= place && place < to);
      expect(counts.count(place)).toBe(containing.length);
      expect(counts.count(place, limit)).toBe(
        containing.filter(([, , value]) => value <= limit).length,
      );
    }
  });

  test('are right where all has gone again', () => {
    const counts = new IntervalCounts();
    for (let at = 0; at < 1_000; at++) counts.add(at, at + 10, at % 7);
    for (let at = 999; at >= 0; at--) counts.remove(at, at + 10, at % 7);
    for (let at = -1; at < 1_010; at++) expect(counts.count(at, 5)).toBe(0);
  });
});

const GRACE = 20;

/** The rule as it is said, with a look at all reports of all trials. */
class PlainRule {
  readonly #rows = new Map<string, [time: number, score: number][]>();
  /** How often the median lay between two averages. */
  between = 0;

  report(id: string, time: number, score: number): 'CONTINUE' | 'STOP' {
    const before = (this.#rows.get(id) ?? []).filter(([each]) => each < time);
    const own: [number, number][] = [...before, [time, score]];
    this.#rows.set(id, own);
    if (time < GRACE) return 'CONTINUE';
    const averages = [...this.#rows]
      .filter(([other, rows]) => other !== id && rows.at(-1)![0] >= time)
      .map(([, rows]) => rows.filter(([each]) => each >= GRACE && each <= time))
      .filter((rows) => rows.length > 0)
      .map((rows) => rows.reduce((sum, [, each]) => sum + each, 0) / rows.length)
      .filter(Number.isFinite);
    if (averages.length < 3) return 'CONTINUE';
    const best = Math.max(...own.map(([, each]) => each));
    const upToBest = averages.filter((each) => each <= best).length;
    if (upToBest * 2 === averages.length) this.between++;
    return best >= medianOf(averages) ? 'CONTINUE' : 'STOP';
  }

  complete(id: string, time: number, score: number): void {
    this.#rows.get(id)?.push([time, score]);
  }
}

const CONTROL = { trials: [] } as unknown as SchedulerControl;

function ruled(): ReturnType<typeof medianStopping> {
  const scheduler = medianStopping({ gracePeriod: GRACE, metric: 'score', mode: 'max' });
  scheduler.setup?.({ metric: 'score', mode: 'max', seed: 1 });
  return scheduler;
}

const rowAt = (timeTotalMs: number, score: number): ReportedMetrics =>
  ({ timeTotalMs, score }) as unknown as ReportedMetrics;

const trialOf = (id: string): ScheduledTrial => ({
  id,
  number: Number(id),
  status: 'RUNNING',
  config: {},
  metrics: {},
});

/** What scores are made of: from few numbers, so that many are the same, to those whose sums are infinite. */
const SCORES: Record<string, (random: RandomSource, trial: number) => number> = {
  'a few numbers': (random) => Math.floor(random.next() * 3),
  'any numbers': (random, trial) => random.next() * 4 - 10 + ((trial * 7) % 15),
  'numbers, and none': (random) => (random.next() < 0.03 ? NaN : random.next()),
  'the largest numbers': (random) => (random.next() - 0.5) * 2 * Number.MAX_VALUE,
};
/** How much time lies between two reports. */
const STEPS: Record<string, (random: RandomSource) => number> = {
  'their own times': (random) => random.next() * 10,
  'the same times': () => 5,
  'times now and then the same': (random) => Math.ceil(random.next() * 8) / 2,
};

describe.each(Object.keys(SCORES))('with %s', (scores) => {
  test.each(Object.keys(STEPS))('at %s trials are stopped as the rule says', (steps) => {
    const random = new RandomSource(7);
    const scheduler = ruled();
    const plain = new PlainRule();
    const times = new Map<string, number[]>();
    const seen = { CONTINUE: 0, STOP: 0 };
    let next = 0;
    for (let turn = 0; turn < 4_000; turn++) {
      if (times.size < 15) times.set(String(next++), []);
      const ids = [...times.keys()];
      const id = ids[Math.floor(random.next() * ids.length)]!;
      const own = times.get(id)!;
      // Some go on from an earlier checkpoint, or from the beginning.
      if (random.next() < 0.05) own.length = Math.floor(random.next() * own.length);
      const time = (own.at(-1) ?? 0) + STEPS[steps]!(random);
      own.push(time);
      const value = SCORES[scores]!(random, Number(id));
      const score = Number.isNaN(value) ? -Infinity : value;
      const decision = scheduler.onTrialResult(trialOf(id), rowAt(time, value), CONTROL);
      const expected = plain.report(id, time, score);
      expect(decision, `turn ${turn}`).toBe(expected);
      seen[expected]++;
      if (expected === 'CONTINUE' && time < 100) continue;
      times.delete(id);
      scheduler.onTrialComplete?.(trialOf(id), rowAt(time, value), CONTROL);
      plain.complete(id, time, score);
    }
    expect(seen.CONTINUE).toBeGreaterThan(1_000);
    // Beside averages no finite number is left of.
    if (scores === 'any numbers') {
      expect(seen.STOP).toBeGreaterThan(20);
      expect(plain.between).toBeGreaterThan(10);
    }
  });
});

test('at their own times, no report has all trials looked at', () => {
  /** How many averages are looked at, and seen to be finite, while the last hundred trials report. */
  const looksWith = (trials: number): number => {
    const random = new RandomSource(5);
    const scheduler = ruled();
    let looks = 0;
    const { isFinite } = Number;
    for (let number = 0; number < trials; number++) {
      if (number === trials - 100) {
        vi.spyOn(Number, 'isFinite').mockImplementation((value) => (looks++, isFinite(value)));
      }
      for (let time = 15 * random.next(); time < 100; time += 15 * random.next()) {
        const row = rowAt(time, random.next() + (number % 10));
        scheduler.onTrialResult(trialOf(String(number)), row, CONTROL);
      }
    }
    vi.restoreAllMocks();
    return looks;
  };
  expect(looksWith(4_000)).toBeLessThan(2 * looksWith(400));
});
