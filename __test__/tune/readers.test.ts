/**
 * Others read what the built package writes: Optuna, its dashboard, pandas, TensorBoard and a server of MLflow. On request, since they
 * are large: `npm run test:readers` installs them into an environment of their own. READERS_PYTHON names its Python.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { init, shutdown } from 'eagleray';
import {
  type Callback,
  type Result,
  Study,
  Tuner,
  asha,
  choice,
  loguniform,
  mlflow,
  percentileStopping,
  qloguniform,
  quniform,
  randint,
  randn,
  report,
  tpe,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { readJson } from '../../bindings/typescript/src/tune/journal/python-json.ts';
import { writeOutputs } from '../../bindings/typescript/src/tune/outputs/write-outputs.ts';
import { largeExperiment } from './outputs-experiment.ts';

const PYTHON = process.env['READERS_PYTHON'];
const HERE = import.meta.dirname;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-readers-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function python(script: string, ...parameters: readonly string[]): string {
  return execFileSync(PYTHON!, [path.join(HERE, script), ...parameters], { encoding: 'utf8' });
}

interface SeenTrial {
  readonly number: number;
  readonly state: string;
  readonly values: readonly number[] | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly intermediate: Readonly<Record<string, number>>;
}

interface SeenStudy {
  readonly directions: readonly string[];
  readonly metricNames: readonly string[] | null;
  readonly best: number | null;
  readonly trials: readonly (SeenTrial & {
    readonly outside: readonly string[];
    readonly user: Readonly<Record<string, unknown>>;
    readonly constraints: readonly number[] | null;
    readonly complete: string | null;
  })[];
}

interface SeenDashboard {
  readonly name: string;
  readonly directions: readonly string[];
  readonly bestTrials: readonly number[];
  readonly trials: readonly (Omit<SeenTrial, 'intermediate'> & {
    readonly intermediate: Readonly<Record<string, number | string>>;
  })[];
  readonly csvRows: number;
}

/** Looks at a study without a trace: `show` would ask for one more trial of what is finished. */
function optuna(name: string): SeenStudy {
  return readJson(
    python('references/optuna_journal.py', 'look', journalOf(name), name),
  ) as SeenStudy;
}

function dashboard(name: string): SeenDashboard {
  return JSON.parse(python('readers/read_dashboard.py', journalOf(name))) as SeenDashboard;
}

function journalOf(name: string): string {
  return path.join(folder, name, 'journal.log');
}

/** Every kind of parameter, a branch, and what is constant. */
const SPACE = {
  optimizer: { lr: loguniform(1e-4, 1), kind: choice(['sgd', 'adam']) },
  model: choice([{ name: 'linear' }, { name: 'forest', trees: randint(10, 100) }]),
  dropout: quniform(0, 0.6, 0.2),
  decay: qloguniform(0.25, 4, 0.25),
  shift: randn(0, 1),
  layers: [randint(1, 5), 8],
  flags: choice([true, null, 3, 'three']),
  epochs: 3,
};
type SpaceConfig = {
  readonly optimizer: { readonly lr: number; readonly kind: string };
  readonly model: { readonly name: string; readonly trees?: number };
  readonly dropout: number;
  readonly decay: number;
  readonly shift: number;
  readonly layers: readonly unknown[];
  readonly flags: unknown;
};

/** The parameters that Optuna has to see of a config. */
function paramsOf({ optimizer, model, ...config }: SpaceConfig): Record<string, unknown> {
  const { trees } = model;
  return {
    'optimizer.lr': optimizer.lr,
    'optimizer.kind': optimizer.kind,
    model: expect.any(String) as string,
    ...(trees === undefined ? {} : { 'model[1].trees': trees }),
    dropout: config.dropout,
    decay: config.decay,
    shift: config.shift,
    'layers[0]': config.layers[0],
    flags: config.flags,
  };
}

/** The state that the contract gives a trial. */
function stateOf(
  { status, stopReason, metrics }: Result<unknown>,
  names: readonly string[],
): string {
  if (status === 'PENDING') return 'WAITING';
  if (status === 'RUNNING' || status === 'PAUSED') return 'RUNNING';
  if (status === 'ERROR') return 'FAIL';
  const values = names.map((name) => metrics[name]);
  if (!values.every((value) => Number.isFinite(value))) return 'FAIL';
  return stopReason === 'scheduler' ? 'PRUNED' : 'COMPLETE';
}

function expectStudy(
  name: string,
  results: Iterable<Result<SpaceConfig>>,
  metrics: readonly string[],
): SeenStudy {
  const seen = optuna(name);
  const shown = dashboard(name);
  const all = [...results];
  expect(seen.trials).toHaveLength(all.length);
  expect(shown.name).toBe(name);
  expect(shown.csvRows).toBe(all.length);
  expect(shown.directions.map((each) => each.toUpperCase())).toEqual(seen.directions);
  for (const [place, result] of all.entries()) {
    const trial = seen.trials[place]!;
    const state = stateOf(result, metrics);
    expect(trial.number).toBe(result.number);
    expect(trial.state, `trial ${place}`).toBe(state);
    const values = metrics.map((metric) => result.metrics[metric]);
    if (state === 'COMPLETE' || state === 'PRUNED') expect(trial.values).toEqual(values);
    else expect(trial.values).toBeNull();
    expect(trial.outside).toEqual([]);
    expect(trial.params).toEqual(paramsOf(result.config));
    const reports = result.history.map(({ trainingIteration, ...row }) => [
      String(trainingIteration),
      row[metrics[0]!],
    ]);
    const intermediate = metrics.length === 1 ? Object.fromEntries(reports) : {};
    expect(trial.intermediate).toEqual(intermediate);
    expect(trial.complete !== null).toBe(
      result.status === 'TERMINATED' || result.status === 'ERROR',
    );
    const other = shown.trials[place]!;
    expect(other.state).toBe(state[0] + state.slice(1).toLowerCase());
    expect(other.values ?? null).toEqual(trial.values);
    expect(Object.keys(other.params).sort()).toEqual(Object.keys(trial.params).sort());
    expect(other.params['optimizer.lr']).toBe(pythonNumber(result.config.optimizer.lr));
    const dashboardValues = Object.entries(intermediate).map(([step, value]) => [
      step,
      Number.isNaN(value) ? 'nan' : value,
    ]);
    expect(other.intermediate).toEqual(Object.fromEntries(dashboardValues));
  }
  return seen;
}

/** Python has two digits at least in an exponent. */
function pythonNumber(value: number): string {
  return String(value < 1e-4 ? value.toExponential() : value).replace(/e-(\d)$/, 'e-0$1');
}

// Each look starts a Python, which takes seconds.
const TIMEOUT_MS = 300_000;

describe.skipIf(PYTHON === undefined)(
  'what others read (npm run test:readers)',
  { timeout: TIMEOUT_MS },
  () => {
    beforeAll(async () => {
      await init({ numCpus: 2 });
    });
    afterAll(async () => {
      await shutdown();
    });

    /** Trials that end in all ways: by themselves, by the scheduler, without a number, by an error. */
    function tuner(name: string, callbacks: readonly Callback[] = [], trials = 24) {
      return new Tuner(
        async ({ optimizer: { lr }, model }, trial) => {
          if (trial.number === 3) throw new RangeError('diverged');
          for (let step = 1; step <= 3; step++) {
            const loss = trial.number === 5 ? NaN : lr * step + (model.name === 'forest' ? 1 : 0);
            const latencyMs = model.name === 'forest' ? step * 2 : step;
            await report({ loss, latencyMs, eval: { loss }, note: 'a,"b"\r\n' });
          }
        },
        {
          space: SPACE,
          metric: 'loss',
          mode: 'min',
          numSamples: trials,
          search: tpe({ numStartupTrials: 6 }),
          scheduler: asha({ maxT: 4, reductionFactor: 2 }),
          outcomeConstraints: { latencyMs: { max: 3.5 } },
          seed: 4,
          storagePath: folder,
          name,
          outputs: ['csv', 'jsonl', 'html', 'tensorboard'],
          callbacks,
          reporter: 'silent',
        },
      );
    }

    test('a finished experiment of a Tuner is a study, for Optuna and its dashboard', async () => {
      const results = await tuner('finished').fit();
      const seen = expectStudy('finished', results, ['loss']);
      expect(seen.directions).toEqual(['MINIMIZE']);
      expect(seen.metricNames).toEqual(['loss']);
      const states = new Set(seen.trials.map(({ state }) => state));
      expect([...states].sort()).toEqual(['COMPLETE', 'FAIL', 'PRUNED']);
      for (const [place, { metrics, status }] of [...results].entries()) {
        const trial = seen.trials[place]!;
        if (status === 'ERROR') continue;
        expect(trial.constraints).toEqual([Math.max(0, (metrics['latencyMs'] as number) - 3.5)]);
        expect(trial.user).toEqual({
          latencyMs: metrics['latencyMs'],
          eval: metrics['eval'],
          note: 'a,"b"\r\n',
        });
      }
    });

    test('a running one too, and what Optuna adds to it disturbs nothing', async () => {
      const seen: SeenStudy[] = [];
      const shown: SeenDashboard[] = [];
      let reports = 0;
      const results = await tuner('running', [
        {
          onTrialResult({ trials, trial, result }) {
            reports++;
            if (reports % 10 !== 4) return;
            const study = optuna('running');
            seen.push(study);
            shown.push(dashboard('running'));
            const { intermediate, state } = study.trials[trial.number]!;
            // What is being told has been written.
            expect(intermediate[result.trainingIteration]).toEqual(result['loss']);
            expect(['RUNNING', 'PRUNED', 'FAIL', 'COMPLETE']).toContain(state);
            const ours = study.trials.filter(({ params }) => Object.keys(params).length > 0);
            expect(ours.map(({ number }) => number)).toEqual(trials.map(({ number }) => number));
            if (reports === 14)
              python('references/optuna_journal.py', 'note', journalOf('running'), 'running');
          },
        },
      ]).fit();
      expect(seen.length).toBeGreaterThan(2);
      expect(seen.flatMap(({ trials }) => trials.map(({ state }) => state))).toContain('RUNNING');
      expect(shown.at(-1)!.trials.length).toBe(seen.at(-1)!.trials.length);
      // The foreign trial keeps its number: there is none of ours.
      expect(results.length).toBe(24);
      const foreign = optuna('running').trials.filter(
        ({ params }) => Object.keys(params).length === 0,
      );
      expect(foreign).toHaveLength(1);
      const numbers = [...results].map(({ number }) => number);
      expect(numbers).not.toContain(foreign[0]!.number);
      expect(numbers).toHaveLength(24);
    });

    test('a study of two metrics, while it is open and closed', () => {
      const options = { space: SPACE, storagePath: folder, name: 'pair', seed: 1, search: tpe() };
      const metrics = ['loss', 'size'];
      const study = new Study({ ...options, metric: metrics, mode: ['min', 'max'] });
      for (let number = 0; number < 15; number++) {
        const trial = study.ask();
        const { lr } = trial.config.optimizer;
        if (number % 5 === 1) study.fail(trial, new Error('no'));
        else if (number % 5 === 3) study.tell(trial, { loss: NaN, size: 1 });
        else study.tell(trial, { loss: lr, size: (trial.config.layers[0] ?? 0) * 2, note: 'x' });
      }
      study.ask();
      const open = expectStudy('pair', study.trials, metrics);
      expect(open.directions).toEqual(['MINIMIZE', 'MAXIMIZE']);
      expect(open.metricNames).toEqual(metrics);
      expect(open.trials.at(-1)!.state).toBe('RUNNING');
      expect(new Set(dashboard('pair').bestTrials)).toEqual(
        new Set(study.results.paretoFront.map(({ number }) => number)),
      );
      study.close();
      expectStudy('pair', study.trials, metrics);
    });

    test('a study with a scheduler has pruned trials, and the best one is the same', () => {
      const options = { space: SPACE, storagePath: folder, name: 'pruned', seed: 1 };
      const scheduler = percentileStopping({ percentile: 50, numStartupTrials: 3 });
      using study = new Study({ ...options, metric: 'loss', mode: 'max', scheduler });
      for (let number = 0; number < 20; number++) {
        const trial = study.ask();
        const { lr } = trial.config.optimizer;
        const isStopped = [1, 2, 3].some((step) => trial.report({ loss: lr * step }) === 'STOP');
        if (isStopped) study.prune(trial);
        else study.tell(trial, { loss: lr * 4 });
      }
      const seen = expectStudy('pruned', study.trials, ['loss']);
      expect(seen.trials.some(({ state }) => state === 'PRUNED')).toBe(true);
      expect(seen.best).toBe(
        [...study.trials]
          .filter(({ stopReason }) => stopReason !== 'scheduler')
          .reduce((best, each) => (each.metrics['loss']! > best.metrics['loss']! ? each : best))
          .number,
      );
    });

    test("pandas reads the CSV, and TensorBoard's reader the events", async () => {
      await tuner('outputs').fit();
      const said = python('readers/read_outputs.py', path.join(folder, 'outputs'), 'loss');
      expect(said).toMatch(/pandas: 24 rows/);
      expect(said).toMatch(/tensorboard: \d\d+ scalars in 24 files/);
      const large = path.join(folder, 'large');
      const experiment = largeExperiment({ trials: 120, iterations: 30, text: ' "a",\r\nb' });
      await writeOutputs(large, experiment, ['csv', 'jsonl', 'tensorboard', 'html']);
      expect(python('readers/read_outputs.py', large, 'eval.loss')).toMatch(/in 120 files/);
    });

    describe('a server of MLflow', () => {
      let server: ChildProcess;
      let trackingUri = '';

      beforeAll(async () => {
        const place = mkdtempSync(path.join(tmpdir(), 'eagleray-mlflow-'));
        const port = await freePort();
        trackingUri = `http://127.0.0.1:${port}`;
        server = spawn(
          PYTHON!,
          ['-m', 'mlflow', 'server', '--port', String(port), '--workers', '1'],
          { cwd: place, stdio: 'ignore', detached: true },
        );
        while (!(await isUp())) await new Promise((resolve) => setTimeout(resolve, 500));
        return () => rmSync(place, { recursive: true, force: true });
      }, TIMEOUT_MS);

      afterAll(async () => {
        // With its workers.
        process.kill(-server.pid!, 'SIGTERM');
        if (server.exitCode === null) await once(server, 'exit');
      });

      test('has the runs of an experiment, with their reports', async () => {
        const logging = mlflow({ trackingUri, experimentName: 'digits' });
        const results = await tuner('logged', [logging as Callback]).fit();
        const { experimentId } = logging.getState();
        const { runs } = await ask<{ runs: Run[] }>('POST', 'runs/search', {
          experiment_ids: [experimentId],
          max_results: 1000,
        });
        expect(runs).toHaveLength(24);
        for (const result of results) {
          const { data, info } = runs.find((run) => run.info.run_name === result.trialId)!;
          expect(info.status).toBe(result.status === 'ERROR' ? 'FAILED' : 'FINISHED');
          const params = new Map(data.params.map(({ key, value }) => [key, value]));
          expect(params.get('optimizer.lr')).toBe(String(result.config.optimizer.lr));
          expect(params.get('optimizer.kind')).toBe(result.config.optimizer.kind);
          expect(params.get('layers.0')).toBe(String(result.config.layers[0]));
          expect(params.get('epochs')).toBe('3');
          if (result.history.length === 0) continue;
          const query = `metrics/get-history?run_id=${info.run_id}&metric_key=eval.loss`;
          const { metrics } = await ask<{ metrics: { value: number | string; step: number }[] }>(
            'GET',
            query,
          );
          const rows = result.history.map(({ trainingIteration, ...row }) => ({
            step: trainingIteration,
            value: (row['eval'] as { loss: number }).loss,
          }));
          expect(
            metrics.map(({ step, value }) => ({ step: Number(step), value: Number(value) })),
          ).toEqual(rows);
        }
        // A second experiment of this name goes on in the same one.
        const again = mlflow({ trackingUri, experimentName: 'digits' });
        await tuner('again', [again as Callback], 2).fit();
        expect(again.getState().experimentId).toBe(experimentId);
      });

      /** Whether the server answers; it takes its time to start. */
      async function isUp(): Promise<boolean> {
        expect(server.exitCode).toBeNull();
        return fetch(`${trackingUri}/health`).then(
          ({ ok }) => ok,
          () => false,
        );
      }

      interface Run {
        readonly info: {
          readonly run_id: string;
          readonly run_name: string;
          readonly status: string;
        };
        readonly data: { readonly params: { readonly key: string; readonly value: string }[] };
      }

      async function ask<T>(method: string, address: string, body?: object): Promise<T> {
        const response = await fetch(`${trackingUri}/api/2.0/mlflow/${address}`, {
          method,
          headers: { 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        expect(response.status, await response.clone().text()).toBe(200);
        return (await response.json()) as T;
      }
    });
  },
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
