/** Logging to MLflow, against a server in this process that keeps what it is told and can be made to fail. */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { InvalidArgumentError } from '../../bindings/typescript/src/index.ts';
import { mlflowKey } from '../../bindings/typescript/src/tune/outputs/mlflow-client.ts';
import { MlflowError, mlflow } from '../../bindings/typescript/src/tune/outputs/mlflow.ts';
import type { MlflowOptions } from '../../bindings/typescript/src/tune/outputs/mlflow.ts';
import { reported } from './outputs-experiment.ts';

interface Call {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

type Answer = { readonly status: number; readonly body: unknown };

let server: Server;
let calls: Call[];
let underWay: number;
let mostUnderWay: number;
/** By path: what is answered instead, once each, in order. */
let instead: Map<string, Answer[]>;
let options: MlflowOptions;

beforeEach(async () => {
  calls = [];
  underWay = 0;
  mostUnderWay = 0;
  instead = new Map();
  let runs = 0;
  const answerOf = (path: string): Answer => {
    if (path === 'runs/create') return ok({ run: { info: { run_id: `run-${runs++}` } } });
    if (path === 'experiments/get-by-name') return ok({ experiment: { experiment_id: '7' } });
    return ok(path === 'experiments/create' ? { experiment_id: '8' } : {});
  };
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    underWay++;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    const path = request.url!.replace('/api/2.0/mlflow/', '').replace(/\?.*/, '');
    calls.push({ path, body: await bodyOf(request) });
    const { body, status } = instead.get(path)?.shift() ?? answerOf(path);
    underWay--;
    response.writeHead(status, { connection: 'close' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  options = { trackingUri: `http://127.0.0.1:${port}/`, experimentName: 'mnist' };
});

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
});

describe('mlflow()', () => {
  test('logs a trial as a run: config, reports in batches, and its end', async () => {
    const callbacks = mlflow(options);
    const trial = { id: '00000', number: 0, config: { lr: 0.1, layers: [8], kind: 'adam' } };
    await callbacks.onTrialStart({ trial });
    for (let iteration = 1; iteration <= 2500; iteration++) {
      const result = reported(0, iteration, { eval: { loss: 1 / iteration }, name: 'x' });
      await callbacks.onTrialResult({ trial, result });
    }
    await callbacks.onTrialComplete({ trial });
    await callbacks.onExperimentEnd();

    expect(calls.map(({ path }) => path).slice(0, 3)).toEqual([
      'experiments/get-by-name',
      'runs/create',
      'runs/log-batch',
    ]);
    expect(calls[1]!.body).toMatchObject({ experiment_id: '7', run_name: '00000' });
    expect(calls[2]!.body['params']).toEqual([
      { key: 'lr', value: '0.1' },
      { key: 'layers.0', value: '8' },
      { key: 'kind', value: 'adam' },
    ]);
    const batches = calls.filter(({ path }) => path === 'runs/log-batch');
    const metrics = batches.flatMap(
      ({ body }) => body['metrics'] as { key: string; step: number }[],
    );
    // Reports came faster than calls: far fewer of these.
    expect(batches.length).toBeLessThan(100);
    expect(
      Math.max(...batches.map(({ body }) => (body['metrics'] as []).length)),
    ).toBeLessThanOrEqual(1000);
    const losses = metrics.filter(({ key }) => key === 'eval.loss');
    expect(losses.map(({ step }) => step)).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1));
    expect(calls.at(-1)).toMatchObject({
      path: 'runs/update',
      body: { run_id: 'run-0', status: 'FINISHED', end_time: expect.any(Number) as number },
    });
    expect(mostUnderWay).toBe(1);
  });

  test('makes the experiment where there is none', async () => {
    const missing = { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no such experiment' };
    instead.set('experiments/get-by-name', [{ status: 404, body: missing }]);
    const callbacks = mlflow(options);
    await callbacks.onTrialStart({ trial: { id: '00000', number: 0, config: {} } });
    await callbacks.onExperimentEnd();
    expect(calls[1]).toEqual({ path: 'experiments/create', body: { name: 'mnist' } });
    expect(calls[2]!.body).toMatchObject({ experiment_id: '8' });
  });

  test('failed trials are FAILED with their error, unfinished ones KILLED', async () => {
    const callbacks = mlflow(options);
    const trials = [0, 1].map((number) => ({ id: `0000${number}`, number, config: {} }));
    for (const trial of trials) await callbacks.onTrialStart({ trial });
    await callbacks.onTrialError({ trial: trials[0]!, error: new RangeError('diverged') });
    await callbacks.onExperimentEnd();
    const statuses = calls
      .filter(({ path }) => path === 'runs/update')
      .map(({ body }) => body['status']);
    expect(statuses.sort()).toEqual(['FAILED', 'KILLED']);
    expect(
      calls.flatMap(({ body }) => (body['tags'] as unknown[] | undefined) ?? []),
    ).toContainEqual({
      key: 'eagleray.error',
      value: 'RangeError: diverged',
    });
  });

  test('numbers that are not finite are texts, and the config that PBT has changed is a tag', async () => {
    const callbacks = mlflow(options);
    const trial = { id: '00000', number: 0, config: { lr: 1 } };
    await callbacks.onTrialStart({ trial });
    await callbacks.onTrialResult({
      trial,
      result: reported(0, 1, { loss: Number.NaN, low: -Infinity }),
    });
    await callbacks.onTrialComplete({ trial: { ...trial, config: { lr: 2 } } });
    await callbacks.onExperimentEnd();
    const metrics = calls.flatMap(({ body }) => (body['metrics'] as unknown[] | undefined) ?? []);
    expect(metrics).toContainEqual(expect.objectContaining({ key: 'loss', value: 'NaN' }));
    expect(metrics).toContainEqual(expect.objectContaining({ key: 'low', value: '-Infinity' }));
    expect(calls.at(-2)!.body['tags']).toEqual([{ key: 'eagleray.config', value: '{"lr":2}' }]);
  });

  test('goes on with the runs of before a restore', async () => {
    const before = mlflow(options);
    const trial = { id: '00000', number: 0, config: {} };
    await before.onTrialStart({ trial });
    await before.onExperimentEnd();
    const state: unknown = JSON.parse(JSON.stringify(before.getState()));
    expect(state).toEqual({ experimentId: '7', runs: { '00000': 'run-0' } });
    calls = [];
    const after = mlflow(options);
    after.setState(state);
    await after.onTrialStart({ trial });
    await after.onExperimentEnd();
    expect(calls.map(({ body }) => [body['run_id'], body['status']])).toEqual([
      ['run-0', 'RUNNING'],
      ['run-0', 'KILLED'],
    ]);
  });

  test('tries again when the server is busy, and never makes a run twice', async () => {
    instead.set('runs/log-batch', [{ status: 503, body: 'busy' }]);
    instead.set('runs/create', [{ status: 429, body: 'slowly' }]);
    const callbacks = mlflow(options);
    await callbacks.onTrialStart({ trial: { id: '00000', number: 0, config: { lr: 1 } } });
    await callbacks.onExperimentEnd();
    const count = (name: string) => calls.filter(({ path }) => path === name).length;
    expect([count('runs/create'), count('runs/log-batch')]).toEqual([2, 2]);

    instead.set('runs/create', [{ status: 500, body: 'lost' }]);
    const other = mlflow(options);
    await other.onTrialStart({ trial: { id: '00001', number: 1, config: {} } });
    await expect(other.onExperimentEnd()).rejects.toThrow(MlflowError);
    expect(count('runs/create')).toBe(3);
  });

  test('a refusal has the call and the reason, and stops all further calls', async () => {
    const refusal = { error_code: 'INVALID_PARAMETER_VALUE', message: 'bad key' };
    instead.set('runs/log-batch', [{ status: 400, body: refusal }]);
    const callbacks = mlflow(options);
    const trial = { id: '00000', number: 0, config: { lr: 1 } };
    await callbacks.onTrialStart({ trial });
    await callbacks.onTrialResult({ trial, result: reported(0, 1, { loss: 1 }) });
    await expect(callbacks.onExperimentEnd()).rejects.toMatchObject({
      name: 'MlflowError',
      code: 'ERR_EAGLERAY_TUNE_MLFLOW',
      call: 'runs/log-batch',
      status: 400,
      errorCode: 'INVALID_PARAMETER_VALUE',
      message: expect.stringContaining('bad key') as string,
    });
    expect(calls.filter(({ path }) => path === 'runs/log-batch')).toHaveLength(1);
    await expect(callbacks.onTrialStart({ trial })).rejects.toThrow(MlflowError);
  });

  test('refuses options of the wrong form', () => {
    const wrong: unknown[] = [
      undefined,
      {},
      { ...options, trackingUri: 'localhost' },
      { ...options, trackingUri: 'file:///tmp' },
      { ...options, experimentName: '' },
      { ...options, more: 1 },
    ];
    for (const each of wrong) {
      expect(() => mlflow(each as MlflowOptions)).toThrow(InvalidArgumentError);
    }
  });

  test('names are as MLflow takes them', () => {
    expect(mlflowKey('layers[0].dim')).toBe('layers.0.dim');
    expect(mlflowKey('a:b<c>"d')).toBe('a_b_c__d');
    expect(mlflowKey('größe/x y-z_1')).toBe('größe/x y-z_1');
  });
});

function ok(body: unknown): Answer {
  return { status: 200, body };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
