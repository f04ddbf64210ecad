/** What the garbage collector is told of exports, and that it is told of their end. */

import { expect, test } from 'vitest';

import { ExportWeights } from '../../bindings/typescript/src/runtime/export-weights.ts';
import { collectGarbage } from '../setup/collect-garbage.ts';

const told: number[] = [];
const weights = new ExportWeights((change) => told.push(change));

test('small exports are not told of, large ones weigh at most eleven times as much', () => {
  weights.add({}, 4095);
  expect(told).toEqual([]);
  weights.add({}, 1_000_000);
  expect(told).toHaveLength(1);
  expect(told[0]).toBeGreaterThan(0);
  expect(told[0]).toBeLessThanOrEqual(11_000_000);
});

test('as much as was told is taken back when they are collected, and no sooner', async () => {
  told.length = 0;
  const kept = {};
  weights.add(kept, 2_000_000);
  for (let index = 0; index < 100; index += 1) weights.add({}, 1_000_000);
  const sum = () => told.reduce((total, change) => total + change, 0);
  const [ofKept] = told;
  while (sum() > ofKept!) {
    collectGarbage();
    await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(sum()).toBeLessThanOrEqual(ofKept!);
  expect(told.filter((change) => change === -ofKept!)).toEqual([]);
  expect(kept).toEqual({});
});
