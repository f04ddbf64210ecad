/**
 * Two metrics: networks that read digits well, and networks that are small. There is no best one; there is a front of those that
 * none is better than in both.
 *
 * Run it: node examples/tune/pareto-front.ts
 */
import { Tuner, lograndint, loguniform, nsga2, withParameters } from 'eagleray/tune';
import type { TrialContext } from 'eagleray/tune';
import { accuracy, newNetwork, randomNumbers, readDigits, trainEpoch } from './digits.ts';
import type { Digits } from './digits.ts';

function train(
  config: { learningRate: number; units: number },
  trial: TrialContext,
  { training, heldOut }: { training: Digits; heldOut: Digits },
): { accuracy: number; weights: number } {
  const random = randomNumbers(trial.seed);
  const network = newNetwork(config.units, random);
  for (let epoch = 0; epoch < 3; epoch++) trainEpoch(network, training, config, random);
  return {
    accuracy: accuracy(network, heldOut),
    weights: network.hidden.length + network.output.length,
  };
}

const results = await new Tuner(withParameters(train, readDigits()), {
  space: { learningRate: loguniform(1e-3, 1), units: lograndint(2, 33) },
  metric: ['accuracy', 'weights'],
  mode: ['max', 'min'],
  search: nsga2({ populationSize: 12 }),
  numSamples: 36,
  seed: 1,
  name: 'digits-front',
  ifExists: 'overwrite',
}).fit();

const front = results.paretoFront.sort(
  (a, b) => Number(a.metrics['weights']) - Number(b.metrics['weights']),
);
for (const { metrics, config } of front) {
  console.log(
    `${metrics['weights']} weights: accuracy ${Number(metrics['accuracy']).toFixed(3)} (${config.units} units)`,
  );
}
console.log(`the front covers ${results.hypervolume([0, 2500]).toFixed(0)} of 2500`);
