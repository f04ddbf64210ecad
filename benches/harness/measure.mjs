// Timing inside a case's own process: rates as `ray microbenchmark` takes them, and single durations.
//
// 1. Every figure is a list of samples; the median is taken by the parent, which sees all rounds.
// 2. A rate's window is never shorter than `seconds`, and the time to yield to the event loop is inside it.

import { setImmediate } from 'node:timers/promises';

/**
 * @typedef {object} Settings
 * @property {number} seconds length of one window of a rate
 * @property {number} windows how many windows, so how many samples of a rate
 * @property {boolean} [quick] less of it, where the case has such a thing
 */

/**
 * Calls `work` over and over and returns calls per second times `multiplier`, one sample a window.
 *
 * The loop is that of `ray microbenchmark`: up to one second of warm-up, then windows in which the clock is read only
 * once per step, a step being about a tenth of a second. Between two steps the event loop turns once, inside the
 * measured time: without it nothing that was dropped could be freed, and a loop of `put` would measure growth.
 *
 * @param {Settings} settings
 * @param {() => unknown} work may return a promise, which is awaited before the next call
 * @param {number} [multiplier] how many operations one call of `work` is
 * @returns {Promise<number[]>}
 */
export async function rate(settings, work, multiplier = 1) {
  const warmupMs = Math.min(1, settings.seconds) * 1_000;
  const first = work();
  const isAsync = typeof first?.then === 'function';
  await first;

  const runSteps = async (/** @type {number} */ step, /** @type {number} */ durationMs) => {
    const start = performance.now();
    let count = 0;
    let elapsedMs;
    do {
      if (isAsync) for (let i = 0; i < step; i++) await work();
      else for (let i = 0; i < step; i++) work();
      count += step;
      await setImmediate();
      elapsedMs = performance.now() - start;
    } while (elapsedMs < durationMs);
    return { count, elapsedMs };
  };

  let step = 1;
  // The step is doubled while calls are short, so that the warm-up is not spent in yielding.
  const warmupStart = performance.now();
  let warmupCount = 0;
  while (performance.now() - warmupStart < warmupMs) {
    warmupCount += (await runSteps(step, 0)).count;
    if (performance.now() - warmupStart < warmupMs / 10) step *= 2;
  }
  step = Math.floor((warmupCount * 100) / (performance.now() - warmupStart)) + 1;

  const samples = [];
  for (let window = 0; window < settings.windows; window++) {
    const { count, elapsedMs } = await runSteps(step, settings.seconds * 1_000);
    samples.push((multiplier * count * 1_000) / elapsedMs);
  }
  return samples;
}

/**
 * How long `work` takes, in milliseconds.
 *
 * @param {() => unknown} work
 */
export async function durationMs(work) {
  const start = performance.now();
  const pending = work();
  // Awaiting what is no promise would add a turn of the microtask queue to a synchronous call.
  if (typeof pending?.then === 'function') await pending;
  return performance.now() - start;
}

/**
 * Takes `count` samples by calling `sample` one after the other.
 *
 * @param {number} count
 * @param {(index: number) => number | Promise<number>} sample
 */
export async function repeat(count, sample) {
  const samples = [];
  for (let index = 0; index < count; index++) samples.push(await sample(index));
  return samples;
}

/**
 * The middle of the samples (the mean of the two middle ones when their number is even).
 *
 * @param {number[]} samples at least one
 */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
