/** Callbacks and reporters that never settle: it is said, and an interruption ends the experiment all the same. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { init, shutdown } from 'eagleray';
import {
  type Callback,
  type ResultGrid,
  Tuner,
  gridSearch,
  loadResults,
  report,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import { PATIENCE_MS, Patience } from '../../bindings/typescript/src/tune/tuner/patience.ts';

const never = (): Promise<void> => new Promise(() => undefined);

let warnings: string[] = [];
beforeEach(() => {
  warnings = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => {
    warnings.push(String(warning));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('patience', () => {
  const owner = {};
  beforeEach(() => vi.useFakeTimers());

  test('gives what settles, and says nothing of what is quick', async () => {
    const patience = new Patience();
    expect(await patience.waitFor(owner, 'it', Promise.resolve(2))).toBe(2);
    await expect(patience.waitFor(owner, 'it', Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(vi.getTimerCount()).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('says once what takes long, and goes on waiting', async () => {
    const patience = new Patience();
    let settle = (_value: number): void => undefined;
    const slow = new Promise<number>((resolve) => (settle = resolve));
    const waiting = patience.waitFor(owner, 'callbacks[0].setup()', slow);
    await vi.advanceTimersByTimeAsync(10 * PATIENCE_MS);
    expect(warnings).toEqual([
      'callbacks[0].setup() has not settled for 10 s; the experiment waits for it',
    ]);
    settle(3);
    expect(await waiting).toBe(3);
  });

  test('ends at an interruption: at once for what has taken long, else when that is over', async () => {
    const patience = new Patience();
    const long = patience.waitFor(owner, 'long', never());
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    const short = patience.waitFor({}, 'short', never());
    patience.interrupt();
    expect(await long).toBeUndefined();
    // It is left alone from now on.
    expect(patience.hasGivenUp(owner)).toBe(true);
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(await short).toBeUndefined();
    // What begins after it has the same time.
    const later = patience.waitFor({}, 'later', never());
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(await later).toBeUndefined();
    const end = (name: string): string =>
      `${name} has not settled within 10 s, and the experiment is interrupted: it is not waited for any more`;
    expect(warnings.slice(1)).toEqual([end('long'), end('short'), end('later')]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an experiment', () => {
  let storagePath = '';
  beforeAll(async () => {
    storagePath = mkdtempSync(join(tmpdir(), 'eagleray-patience-'));
    await init({ numCpus: 2 });
  });
  afterAll(async () => {
    await shutdown();
    rmSync(storagePath, { recursive: true, force: true });
  });

  const train = async (config: { a: number }): Promise<void> => {
    await report({ loss: config.a });
    await report({ loss: config.a });
  };

  test.each([
    'setup',
    'onTrialStart',
    'onTrialResult',
    'onStepEnd',
    'onExperimentEnd',
    'getState',
    'the reporter',
  ] as const)(
    'whose %s hangs ends by its signal, names it, and can be gone on with',
    async (hook) => {
      const interruption = new AbortController();
      let isCalled = (): void => undefined;
      const called = new Promise<void>((resolve) => (isCalled = resolve));
      const hangs = (): Promise<void> => {
        isCalled();
        return never();
      };
      class Hanging {}
      const callback: Callback = Object.assign(new Hanging(), { onStepBegin: () => undefined });
      if (hook !== 'the reporter') Object.assign(callback, { [hook]: hangs });
      const name = hook.replace(' ', '-');
      const fitting = new Tuner(train, {
        storagePath,
        name,
        outputs: [],
        handleSignals: false,
        space: { a: gridSearch([1, 2]) },
        reporter: hook === 'the reporter' ? { report: hangs } : 'silent',
        callbacks: [callback],
      })
        .fit({ signal: interruption.signal })
        .catch((error: unknown) => error);
      await called;
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const reason = new Error('enough');
      interruption.abort(reason);
      const named =
        hook === 'the reporter' ? 'reporter.report()' : `callbacks[0].${hook}() (Hanging)`;
      await vi.advanceTimersByTimeAsync(PATIENCE_MS);
      vi.useRealTimers();
      const end = await fitting;
      // When this is called all of it is done: it has not been interrupted.
      if (hook === 'onExperimentEnd') expect((end as ResultGrid).numTerminated).toBe(2);
      else expect(end).toBe(reason);
      expect(warnings.at(-1)).toMatch(/is interrupted: it is not waited for any more$/);
      expect(warnings.at(-1)!.startsWith(named)).toBe(true);
      expect(loadResults(join(storagePath, name)).numErrors).toBe(0);
      const restored = Tuner.restore(join(storagePath, name), train, {
        reporter: 'silent',
        callbacks: [],
      });
      expect((await restored.fit()).numTerminated).toBe(2);
    },
  );
});
