/** What trials do at the wrong moment: reports that nobody awaits, things left running, interruptions within a step. */

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  type ObjectRef,
  availableResources,
  clusterResources,
  init,
  remote,
  shutdown,
} from 'eagleray';
import {
  Tuner,
  asha,
  gridSearch,
  loadResults,
  report,
  reportSync,
  sampleFrom,
  uniform,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-edges-'));
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', storagePath: null, seed: 1 } as const;
const LOSS = { metric: 'loss', mode: 'min' } as const;

const valuesOf = (history: readonly object[], name: string): unknown[] =>
  history.map((row) => (row as Record<string, unknown>)[name]);

/** Takes all CPUs for a while; resolves when it has them. */
async function takeCpus(durationMs: number): Promise<ObjectRef<void>> {
  const { CPU: numCpus = 0 } = clusterResources();
  const held = remote(
    async () => {
      await new Promise((resolve) => setTimeout(resolve, durationMs));
    },
    { numCpus },
  ).remote();
  while ((availableResources()['CPU'] ?? 0) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return held;
}

test('reports that nobody awaits and that are refused leave their process alone', async () => {
  async function train(): Promise<void> {
    // Each of them rejects: it is no metrics, or comes after the trial was told to stop.
    void report(5 as never);
    for (let i = 0; i < 5; i++) void report({ loss: i });
    await new Promise((resolve) => setTimeout(resolve, 20));
    void report({ loss: 9 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await report({ loss: process.pid });
  }
  const results = await new Tuner(train, {
    ...QUIET,
    ...LOSS,
    numSamples: 6,
    maxConcurrentTrials: 1,
    stop: { trainingIteration: 2 },
  }).fit();
  expect(results.numErrors).toBe(0);
  expect(new Set([...results].map(({ metrics }) => metrics!.pid)).size).toBe(1);
  expect([...results].map(({ history }) => history.length)).toEqual([2, 2, 2, 2, 2, 2]);
});

test('what a trial has left running holds up nobody', async () => {
  async function train(): Promise<{ loss: number }> {
    for (const delay of [0, 1, 5, 20]) {
      setTimeout(() => {
        try {
          reportSync({ loss: -1 });
        } catch {
          void report({ loss: -1 });
        }
      }, delay);
    }
    return { loss: 1 };
  }
  const results = await new Tuner(train, { ...QUIET, ...LOSS, numSamples: 12 }).fit();
  expect([...results].map(({ history }) => valuesOf(history, 'loss'))).toEqual(
    Array.from({ length: 12 }, () => [1]),
  );
});

test('a blocking report does not overtake those that are under way', async () => {
  async function train(): Promise<void> {
    const first = report({ loss: 1 });
    try {
      reportSync({ loss: 2 });
    } catch (error) {
      await first;
      reportSync({ loss: 3, refused: (error as Error).name });
    }
    reportSync({ loss: 4 });
  }
  const { history } = (await new Tuner(train, { ...QUIET, ...LOSS }).fit()).best;
  expect(valuesOf(history, 'loss')).toEqual([1, 3, 4]);
  expect(history[1]).toMatchObject({ refused: 'InvalidArgumentError' });
});

test('reports that nobody awaits count, also where the trainable throws after them', async () => {
  async function train(): Promise<void> {
    for (let i = 1; i <= 5; i++) void report({ loss: i });
    throw new Error('broken');
  }
  const results = await new Tuner(train, { ...QUIET, ...LOSS, numSamples: 2 }).fit();
  expect(results.numErrors).toBe(2);
  for (const { history } of results) expect(valuesOf(history, 'loss')).toEqual([1, 2, 3, 4, 5]);
});

test('kept instances do not hold what trials with other resources need', async () => {
  class Stepper {
    resetConfig(): boolean {
      return true;
    }

    step(): { loss: number; done: boolean } {
      return { loss: 1, done: true };
    }
  }
  const results = await new Tuner(Stepper, {
    ...QUIET,
    ...LOSS,
    space: { n: gridSearch([1, 2, 1, 2, 1, 2]) },
    resources: ({ n }: { n: number }) => ({ numCpus: n }),
  }).fit();
  expect(results.numTerminated).toBe(6);
});

describe('an instance is cleaned up once, after its last trial', () => {
  /** What has happened, as lines of a file. */
  const linesIn = (file: string): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');

  class Told {
    declare config: { n: number; file: string; failing: readonly string[] };
    declare trial: TrialContext;

    tell(what: string): void {
      const { n, file, failing } = this.config;
      appendFileSync(file, `${what} ${n}\n`);
      if (failing.includes(`${what} ${n}`)) throw new Error(`${what} fails`);
    }

    setup(): void {
      this.tell('setup');
    }

    resetConfig(config: Told['config']): boolean {
      this.config = config;
      this.tell('reset');
      return !config.failing.includes(`refuse ${config.n}`);
    }

    step(): { loss: number; done: boolean } {
      this.tell('step');
      return { loss: this.config.n, done: true };
    }

    cleanup(): void {
      this.tell('cleanup');
    }
  }

  async function run(name: string, failing: readonly string[], options: object = {}) {
    const file = join(folder, name);
    const results = await new Tuner(Told, {
      ...QUIET,
      ...LOSS,
      space: { n: gridSearch([1, 2, 3]), file, failing },
      maxConcurrentTrials: 1,
      ...options,
    }).fit();
    const errors = [...results].map(({ error }) => (error?.cause as Error | undefined)?.message);
    return { lines: linesIn(file), errors };
  }

  const none = [undefined, undefined, undefined];

  test('where it serves all trials', async () => {
    expect(await run('served', [])).toEqual({
      lines: ['setup 1', 'step 1', 'reset 2', 'step 2', 'reset 3', 'step 3', 'cleanup 3'],
      errors: none,
    });
  });

  test('where it serves one each', async () => {
    expect(await run('apart', [], { reuseActors: false })).toEqual({
      lines: [1, 2, 3].flatMap((n) => [`setup ${n}`, `step ${n}`, `cleanup ${n}`]),
      errors: none,
    });
  });

  test('where it refuses another config', async () => {
    expect(await run('refused', ['refuse 2'])).toEqual({
      lines: [
        'setup 1',
        'step 1',
        'reset 2',
        'cleanup 2',
        'setup 2',
        'step 2',
        'reset 3',
        'step 3',
        'cleanup 3',
      ],
      errors: none,
    });
  });

  test('where it fails to take another config', async () => {
    expect(await run('reset-fails', ['reset 2'])).toEqual({
      lines: ['setup 1', 'step 1', 'reset 2', 'cleanup 2', 'setup 3', 'step 3', 'cleanup 3'],
      errors: [undefined, 'reset fails', undefined],
    });
  });

  test('where a step fails, which is the error of the trial', async () => {
    expect(await run('step-fails', ['step 2', 'cleanup 2'])).toEqual({
      lines: [
        'setup 1',
        'step 1',
        'reset 2',
        'step 2',
        'cleanup 2',
        'setup 3',
        'step 3',
        'cleanup 3',
      ],
      errors: [undefined, 'step fails', undefined],
    });
  });

  test('and no trial fails by it', async () => {
    const failing = ['cleanup 1', 'cleanup 2', 'cleanup 3'];
    expect(await run('cleanup-fails', failing, { reuseActors: false })).toEqual({
      lines: [1, 2, 3].flatMap((n) => [`setup ${n}`, `step ${n}`, `cleanup ${n}`]),
      errors: none,
    });
    expect((await run('refused-cleanup-fails', [...failing, 'refuse 2'])).errors).toEqual(none);
  });

  test('before fit ends, also where other resources are needed in between', async () => {
    class Slow extends Told {
      override async cleanup(): Promise<void> {
        const isOver = (): boolean => readFileSync(this.config.file, 'utf8').includes('cleanup 2');
        while (this.config.n === 1 && !isOver())
          await new Promise((resolve) => setTimeout(resolve, 50));
        this.tell('cleanup');
      }
    }
    const file = join(folder, 'slow');
    await new Tuner(Slow, {
      ...QUIET,
      ...LOSS,
      space: { n: gridSearch([1, 2]), file, failing: [] as string[] },
      maxConcurrentTrials: 1,
      reuseActors: true,
      resources: ({ n }: { n: number }) => ({ numCpus: n / 2 }),
    }).fit();
    expect(linesIn(file)).toEqual([
      'setup 1',
      'step 1',
      'setup 2',
      'step 2',
      'cleanup 2',
      'cleanup 1',
    ]);
  });
});

test('times of a month are no times of a millisecond', async () => {
  const month = 30 * 24 * 3_600_000;
  async function train(): Promise<{ loss: number }> {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return { loss: 1 };
  }
  const results = await new Tuner(train, {
    ...QUIET,
    ...LOSS,
    numSamples: 4,
    timeBudgetMs: month,
    trialTimeoutMs: month,
  }).fit();
  expect([...results].map(({ stopReason }) => stopReason)).toEqual(
    Array.from({ length: 4 }, () => 'finished'),
  );
});

describe('the time that a trial may take', () => {
  test.each([
    ['a function', () => ({ loss: 1 })],
    [
      'a class',
      class {
        step(): { loss: number; done: boolean } {
          return { loss: 1, done: true };
        }
      },
    ],
  ])('begins when its worker does, and not while it waits for one: %s', async (_of, trainable) => {
    const held = await takeCpus(2_500);
    const results = await new Tuner(trainable as () => { loss: number }, {
      ...QUIET,
      ...LOSS,
      trialTimeoutMs: 1_200,
    }).fit();
    held.dispose();
    expect(results.at(0)!.status).toBe('TERMINATED');
  });

  test('is over in the constructor of a class, too', async () => {
    class Endless {
      constructor() {
        for (;;);
      }

      step(): { loss: number } {
        return { loss: 1 };
      }
    }
    const results = await new Tuner(Endless as never, { ...QUIET, trialTimeoutMs: 300 }).fit();
    expect(results.at(0)!).toMatchObject({ status: 'ERROR', error: { name: 'TrialTimeoutError' } });
  });

  test('is that of all runs of the trial', async () => {
    async function train(_config: object, trial: TrialContext): Promise<{ loss: number }> {
      if (trial.attempt < 3) {
        await new Promise((resolve) => setTimeout(resolve, 350));
        throw new Error('again');
      }
      for (;;) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const results = await new Tuner(train, {
      ...QUIET,
      ...LOSS,
      trialTimeoutMs: 1_000,
      maxFailures: 5,
    }).fit();
    expect(results.at(0)!).toMatchObject({ status: 'ERROR', error: { name: 'TrialTimeoutError' } });
    // Two failures at the most: what is left of the time is less than for the first run.
    expect(results.at(0)!.failures).toBeLessThanOrEqual(2);
    expect(results.at(0)!.durationMs).toBeGreaterThanOrEqual(1_000);
  });
});

test('a config that can not be sent is the fault of its trial', async () => {
  const results = await new Tuner(
    (async ({ x }: { x: unknown }) => ({ loss: Number(x) })) as never,
    {
      ...QUIET,
      ...LOSS,
      space: {
        n: gridSearch([1, 2, 3]),
        x: sampleFrom(({ n }: { n: number }) => (n === 2 ? Symbol('x') : n)),
      },
    } as never,
  ).fit();
  expect([...results].map(({ status }) => status)).toEqual(['TERMINATED', 'ERROR', 'TERMINATED']);
  expect(results.errors[0]).toMatchObject({ name: 'SerializationError' });
});

test('time that a failed run has taken counts', async () => {
  async function train(_config: object, trial: TrialContext): Promise<{ loss: number }> {
    const clock = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(clock, 0, 0, 300);
    if (trial.attempt === 1) throw new Error('once');
    return { loss: 1 };
  }
  const results = await new Tuner(train, { ...QUIET, ...LOSS, maxFailures: 1 }).fit();
  expect(results.at(0)!.durationMs).toBeGreaterThanOrEqual(300);
});

test.each([
  [
    'a function',
    () => {
      throw new Error(String(Date.now()));
    },
  ],
  [
    'a class',
    class {
      constructor() {
        throw new Error(String(Date.now()));
      }

      step(): object {
        return {};
      }
    },
  ],
  [
    'one whose process dies',
    async () => {
      await report({ at: Date.now() });
      process.exit(1);
    },
  ],
])(
  'the run time of what has failed begins with its run, and not while it waits: %s',
  async (_of, trainable) => {
    const heldMs = 2_500;
    const held = await takeCpus(heldMs);
    const [result] = await new Tuner(trainable as () => never, QUIET).fit();
    const endedAt = Date.now();
    held.dispose();
    expect(result!.status).toBe('ERROR');
    const beganAt = Number(
      result!.metrics['at'] ?? (result!.error as Error).message.match(/\d{13}/)![0],
    );
    // It has waited for the most of the time that the CPUs were held, whatever else took time.
    expect(result!.durationMs).toBeLessThan(endedAt - beganAt + heldMs / 2);
  },
);

test('a state that can not be saved at a pause is said to be lost', async () => {
  class Unsaved {
    step(): { loss: number } {
      return { loss: 1 };
    }

    saveCheckpoint(): object {
      throw new Error('no room');
    }
  }
  const warnings: string[] = [];
  const note = ({ message, name }: Error): void => {
    if (name === 'TuneWarning') warnings.push(message);
  };
  process.on('warning', note);
  const results = await new Tuner(Unsaved, {
    ...QUIET,
    ...LOSS,
    numSamples: 3,
    maxConcurrentTrials: 1,
    scheduler: asha({ maxT: 3, gracePeriod: 1, reductionFactor: 3, type: 'promotion' }),
  }).fit();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  expect(results.errors).toHaveLength(0);
  expect(warnings).toContainEqual(
    expect.stringMatching(
      /^the state of trial \S+ could not be saved \(.*no room.*\): it goes on/s,
    ),
  );
});

test.each([1, 2, 3, 4, 5, 6])(
  'a class that is interrupted within a step goes on as if it had not been, number %i',
  async (round) => {
    class Sum {
      total = 0;
      steps = 0;

      async step(): Promise<{ loss: number; total: number; done: boolean }> {
        this.steps++;
        this.total += 10;
        await new Promise((resolve) => setTimeout(resolve, 3));
        return { loss: -this.total, total: this.total, done: this.steps === 40 };
      }

      saveCheckpoint(): object {
        return { total: this.total, steps: this.steps };
      }

      loadCheckpoint(state: { total: number; steps: number }): void {
        this.total = state.total;
        this.steps = state.steps;
      }
    }
    const options = { ...LOSS, reporter: 'silent', seed: 1, outputs: [], numSamples: 3 } as const;
    const name = `sum-${round}`;
    const controller = new AbortController();
    let seen = 0;
    const callback = {
      onTrialResult(): void {
        if (++seen === round * 7) controller.abort(new Error('stop'));
      },
    };
    const path = join(folder, name);
    const tuner = new Tuner(Sum, {
      ...options,
      space: { x: uniform(0, 1) },
      storagePath: folder,
      name,
      callbacks: [callback],
    });
    await expect(tuner.fit({ signal: controller.signal })).rejects.toThrow('stop');
    // What was saved is that of the last report.
    for (const { history, checkpoint } of loadResults(path)) {
      // One that has ended has no reason to save.
      if (history.length === 0 || history.length === 40) continue;
      expect(await checkpoint!.load()).toEqual({
        total: history.length * 10,
        steps: history.length,
      });
    }
    const results = await Tuner.restore(path, Sum, { callbacks: [], reporter: 'silent' }).fit();
    const whole = Array.from({ length: 40 }, (_, step) => (step + 1) * 10);
    for (const { history } of results) expect(valuesOf(history, 'total')).toEqual(whole);
    expect(existsSync(path)).toBe(true);
  },
);
