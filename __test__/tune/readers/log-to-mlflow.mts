/**
 * Logs an experiment to a real MLflow server, and asks it what it has: `npx tsx log-to-mlflow.mts http://127.0.0.1:5000`.
 *
 * Run by hand, since few machines have one: `pip install mlflow`, then `mlflow server --port 5000` in an empty folder.
 */

import { strict as assert } from 'node:assert';

import { mlflow } from '../../../bindings/typescript/src/tune/outputs/mlflow.ts';
import { largeExperiment } from '../outputs-experiment.ts';

const [trackingUri] = process.argv.slice(2);
if (trackingUri === undefined) throw new Error('the address of a server has to be given');
const experimentName = `eagleray-${Date.now()}`;
const experiment = largeExperiment({ trials: 60, iterations: 40 });
const callbacks = mlflow({ trackingUri, experimentName });
const begin = performance.now();
for (const { config, error, header, history, status } of experiment.trials) {
  const trial = { id: header.id, number: header.number, config };
  await callbacks.onTrialStart({ trial });
  for (const result of history) await callbacks.onTrialResult({ trial, result });
  if (status === 'ERROR') await callbacks.onTrialError({ trial, error: new Error(error!.message) });
  if (status === 'TERMINATED') await callbacks.onTrialComplete({ trial });
}
await callbacks.onExperimentEnd();
console.log(`logged in ${Math.round(performance.now() - begin)} ms`);

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${trackingUri}/api/2.0/mlflow/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as T;
}

interface Run {
  readonly info: { readonly run_id: string; readonly run_name: string; readonly status: string };
  readonly data: {
    readonly params: { readonly key: string; readonly value: string }[];
    readonly metrics: { readonly key: string; readonly value: number | string }[];
  };
}

const { runs } = await ask<{ runs: Run[] }>('POST', 'runs/search', {
  experiment_ids: [callbacks.getState().experimentId],
  max_results: 1000,
});
assert.equal(runs.length, experiment.trials.length);
let values = 0;
for (const { data, info } of runs) {
  const trial = experiment.trials.find(({ header }) => header.id === info.run_name)!;
  const expected = { TERMINATED: 'FINISHED', ERROR: 'FAILED', RUNNING: 'KILLED' };
  assert.equal(info.status, expected[trial.status as keyof typeof expected]);
  const params = new Map(data.params.map(({ key, value }) => [key, value]));
  const { batchSize, layers } = trial.config as { batchSize: number; layers: number[] };
  assert.equal(params.get('batchSize'), String(batchSize));
  assert.equal(params.get('layers.0'), String(layers[0]));
  if (trial.history.length === 0) continue;
  const query = `metrics/get-history?run_id=${info.run_id}&metric_key=eval.loss`;
  const { metrics } = await ask<{ metrics: { value: number | string; step: number }[] }>(
    'GET',
    query,
  );
  assert.equal(metrics.length, trial.history.length);
  for (const { step, value } of metrics) {
    const reported = trial.history.find(
      ({ trainingIteration }) => trainingIteration === Number(step),
    )!;
    const { loss } = reported['eval'] as { loss: number };
    if (Number.isFinite(loss)) assert.equal(value, loss);
    values++;
  }
}
console.log(`${runs.length} runs with ${values} values of eval.loss are as they were reported`);
