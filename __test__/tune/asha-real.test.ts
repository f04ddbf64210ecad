/**
 * What successive halving saves, with real trials in real processes, 4 at once on 2 CPUs: 256 configurations, of which few are trained
 * to the end, the best one among them. What was run is told by the trainables themselves, in a file, and not by our own records.
 */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { availableResources, init, shutdown } from 'eagleray';
import {
  Trainable,
  Tuner,
  asha,
  getCheckpoint,
  report,
  uniform,
  withParameters,
  type AshaOptions,
  type ResultGrid,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const CONFIGS = 256;
const MAX_T = 27;
const FACTOR = 3;
const RUNGS = [1, 3, 9];
const AT_ONCE = 4;

let folder = '';
/** What the trainables tell: a line each time one begins an iteration, has made it, or begins or ends altogether. */
let diary = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-asha-'));
  await init({ numCpus: 2 });
});

beforeEach(() => {
  diary = path.join(mkdtempSync(path.join(folder, 'run-')), 'diary');
  writeFileSync(diary, '');
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

interface Config {
  readonly x: number;
  readonly slowness: number;
}

/**
 * Falls towards (x − 0.3)², without noise. Those that learn slowly are behind at first, so that the order changes, mildly. No
 * curve ever falls below its own end, so the best at the end is the best of all values.
 */
function lossOf({ x, slowness }: Config, iteration: number): number {
  return (x - 0.3) ** 2 + slowness / iteration;
}

const SPACE = { x: uniform(0, 1), slowness: uniform(0, 0.05) };

type Line = readonly [what: 'begin' | 'made' | 'end', number: number, iteration: number];

/** What a trainable's process is given to tell with. */
interface Means {
  readonly diary: string;
}

/** An append of a line is one write, so those of several processes do not mix, and the file has them in order. */
function tell(means: Means, ...line: Line): void {
  appendFileSync(means.diary, `${JSON.stringify(line)}\n`);
}

/** The first four wait for each other: with fewer at once this would never end. */
async function meet({ diary: file }: Means, number: number): Promise<void> {
  writeFileSync(`${file}-${number}`, '');
  const first = [0, 1, 2, 3].map((each) => `${file}-${each}`);
  if (!first.includes(`${file}-${number}`)) return;
  while (!first.every((each) => existsSync(each))) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Resumes from `trial.checkpoint`. */
async function fromContext(config: Config, trial: TrialContext, means: Means): Promise<void> {
  tell(means, 'begin', trial.number, 0);
  try {
    await meet(means, trial.number);
    const state = (await trial.checkpoint?.load()) as { step: number } | undefined;
    for (let step = (state?.step ?? 0) + 1; step <= MAX_T; step++) {
      tell(means, 'made', trial.number, step);
      await trial.report({ loss: lossOf(config, step) }, { checkpoint: { step } });
    }
  } finally {
    tell(means, 'end', trial.number, 0);
  }
}

/** Resumes by `getCheckpoint`, runs until it is stopped, and saves only where it may have to pause. */
async function fromGetCheckpoint(config: Config, trial: TrialContext, means: Means): Promise<void> {
  tell(means, 'begin', trial.number, 0);
  try {
    await meet(means, trial.number);
    const before = ((await getCheckpoint()?.load()) ?? 0) as number;
    for (let step = before + 1; ; step++) {
      tell(means, 'made', trial.number, step);
      const options = RUNGS.includes(step) ? { checkpoint: step } : {};
      await report({ loss: lossOf(config, step) }, options);
    }
  } finally {
    tell(means, 'end', trial.number, 0);
  }
}

class Net extends Trainable<Config> {
  means!: Means;
  weights = 0;

  override async setup(_config: Config, _trial: TrialContext, means: Means): Promise<void> {
    this.means = means;
    await meet(means, this.trial.number);
  }

  step(): { loss: number } {
    tell(this.means, 'begin', this.trial.number, 0);
    this.weights++;
    tell(this.means, 'made', this.trial.number, this.weights);
    tell(this.means, 'end', this.trial.number, 0);
    return { loss: lossOf(this.config, this.weights) };
  }

  override saveCheckpoint(): { weights: number } {
    return { weights: this.weights };
  }

  override loadCheckpoint({ weights }: { weights: number }): void {
    this.weights = weights;
  }
}

class ReusedNet extends Net {
  override resetConfig(): boolean {
    this.weights = 0;
    return true;
  }
}

/** The iterations that each trial has made, in order, as the trainables have told. */
function madeByTrial(): number[][] {
  const made = Array.from({ length: CONFIGS }, (): number[] => []);
  for (const [what, number, iteration] of linesOfDiary()) {
    if (what === 'made') made[number]!.push(iteration);
  }
  return made;
}

function mostAtOnce(): number {
  let [now, most] = [0, 0];
  for (const [what] of linesOfDiary()) {
    if (what === 'begin') most = Math.max(most, ++now);
    if (what === 'end') now--;
  }
  expect(now).toBe(0);
  return most;
}

function linesOfDiary(): Line[] {
  const lines = readFileSync(diary, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

function upTo(iteration: number): number[] {
  return Array.from({ length: iteration }, (_, at) => at + 1);
}

const SETTINGS = { maxT: MAX_T, reductionFactor: FACTOR } satisfies AshaOptions;

/** A trainable that is given its means, however it is written. */
type Train = Parameters<typeof withParameters<Config, { diary: string }>>[0];

function fit(
  trainable: Train,
  type: 'promotion' | 'stopping',
  numSamples = CONFIGS,
): Promise<ResultGrid<Config>> {
  return new Tuner(withParameters(trainable, { diary }), {
    storagePath: folder,
    name: path.basename(path.dirname(diary), 'run-'),
    reporter: 'silent',
    outputs: [],
    metric: 'loss',
    mode: 'min',
    seed: 6,
    space: SPACE,
    numSamples,
    maxConcurrentTrials: AT_ONCE,
    resources: { numCpus: 0.5 },
    scheduler: asha({ ...SETTINGS, type }),
  }).fit();
}

/** At which place each trial stands after so many iterations, from 0, if all had run for so long. */
function placesAt(configs: readonly Config[], iteration: number): number[] {
  const order = configs
    .map((config, number) => ({ number, loss: lossOf(config, iteration) }))
    .sort((one, other) => one.loss - other.loss);
  const places: number[] = [];
  for (const [place, { number }] of order.entries()) places[number] = place;
  return places;
}

/** The best one at the end, known from its formula. */
function bestOf(configs: readonly Config[]): number {
  return placesAt(configs, MAX_T).indexOf(0);
}

/** What holds for both kinds: nothing is done twice, and the records are what was done. Gives the iterations that trials have made. */
function checkRun(results: ResultGrid<Config>): number[] {
  const made = madeByTrial();
  for (const { number, status, error, failures, history } of results) {
    expect({ status, error, failures }).toEqual({ status: 'TERMINATED', error: null, failures: 0 });
    // Each iteration once, in order, and none that the records do not have: who was promoted went on where it had paused.
    expect(made[number]).toEqual(upTo(history.length));
    expect(history.map(({ trainingIteration }) => trainingIteration)).toEqual(made[number]);
    expect([...RUNGS, MAX_T]).toContain(history.length);
  }
  expect(mostAtOnce()).toBeLessThanOrEqual(AT_ONCE);
  return made.map(({ length }) => length);
}

/** The best one of all is trained to the end, and found. */
function checkBest(results: ResultGrid<Config>, made: readonly number[]): void {
  const configs = [...results].map(({ config }) => config);
  const best = bestOf(configs);
  expect(made[best]).toBe(MAX_T);
  expect(results.best.number).toBe(best);
  expect(results.best.metrics['loss']).toBe(lossOf(configs[best]!, MAX_T));
}

/** All who have to be promoted in the end were, and the best one is found because it is always among them. */
function checkPromotions(results: ResultGrid<Config>, made: readonly number[]): void {
  const configs = [...results].map(({ config }) => config);
  const best = bestOf(configs);
  const reached = [...RUNGS, MAX_T].map((rung) => made.filter((length) => length >= rung).length);
  expect(reached[0]).toBe(configs.length);
  for (const [at, rung] of RUNGS.entries()) {
    const toPromote = Math.floor(reached[at]! / FACTOR);
    expect(reached[at + 1]).toBeGreaterThanOrEqual(toPromote);
    expect(placesAt(configs, rung)[best]).toBeLessThan(toPromote);
  }
  // The order does change on the way, mildly.
  expect(RUNGS.map((rung) => placesAt(configs, rung)[best])).toEqual([4, 2, 0]);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

describe('256 configurations, 4 at once on 2 CPUs, take under half the iterations of running all to the end', () => {
  test.each<[string, Train]>([
    ['a function that resumes from trial.checkpoint', fromContext],
    ['a function that resumes by getCheckpoint', fromGetCheckpoint],
    ['a class whose actors are used again', ReusedNet],
  ])('with promotion: %s', async (_name, trainable) => {
    const results = await fit(trainable, 'promotion');
    expect(results).toHaveLength(CONFIGS);
    const made = checkRun(results);
    expect(sum(made)).toBeLessThan((CONFIGS * MAX_T) / 2);
    checkBest(results, made);
    checkPromotions(results, made);
  });

  test.each<[string, Train]>([
    ['a function', fromContext],
    ['a class', ReusedNet],
  ])('with stopping: %s', async (_name, trainable) => {
    const results = await fit(trainable, 'stopping');
    expect(results).toHaveLength(CONFIGS);
    const made = checkRun(results);
    expect(sum(made)).toBeLessThan((CONFIGS * MAX_T) / 2);
    checkBest(results, made);
    // Nothing pauses: a trial has one run, from its beginning to its end.
    const begun = linesOfDiary().filter(([what]) => what === 'begin').length;
    expect(begun).toBe(trainable === fromContext ? CONFIGS : sum(made));
  });
});

test('with promotion: a class that has a new actor each time goes on where the former one was', async () => {
  // Processes are dear: fewer configurations. Four have to pass the first rung, and one of them the second.
  const results = await fit(Net, 'promotion', 12);
  expect(results).toHaveLength(12);
  const made = checkRun(results);
  expect(sum(made)).toBeLessThan((12 * MAX_T) / 2);
  expect(made.filter((length) => length >= 3).length).toBeGreaterThanOrEqual(4);
  expect(made.filter((length) => length >= 9).length).toBeGreaterThanOrEqual(1);
});
