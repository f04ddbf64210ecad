/**
 * A network that reads digits, tuned: TPE proposes configs after what came of those before, and ASHA stops the trials that are not
 * among the best third of those that came as far.
 *
 * Run it: node examples/tune/tpe-asha.ts
 */
import { Tuner, asha, lograndint, loguniform, report, tpe, withParameters } from 'eagleray/tune';
import type { TrialContext } from 'eagleray/tune';
import { accuracy, newNetwork, randomNumbers, readDigits, trainEpoch } from './digits.ts';
import type { Digits } from './digits.ts';

const epochs = 9;

async function train(
  config: { learningRate: number; decay: number; units: number },
  trial: TrialContext,
  { training, heldOut }: { training: Digits; heldOut: Digits },
): Promise<void> {
  const random = randomNumbers(trial.seed);
  const network = newNetwork(config.units, random);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    trainEpoch(network, training, config, random);
    await report({ accuracy: accuracy(network, heldOut) });
  }
}

// The digits are stored once, and all trials read them in shared memory.
const results = await new Tuner(withParameters(train, readDigits()), {
  space: {
    learningRate: loguniform(1e-4, 1),
    decay: loguniform(1e-7, 1e-2),
    units: lograndint(4, 33),
  },
  metric: 'accuracy',
  mode: 'max',
  numSamples: 30,
  search: tpe(),
  scheduler: asha({ maxT: epochs, reductionFactor: 3 }),
  seed: 1,
  name: 'digits',
  ifExists: 'overwrite',
}).fit();

const { config, metrics } = results.best;
const stopped = [...results].filter(
  ({ stopReason, history }) => stopReason === 'scheduler' && history.length < epochs,
);
const trained = [...results].reduce((sum, { history }) => sum + history.length, 0);
console.log(`best accuracy ${metrics['accuracy']} with`, config);
console.log(`${stopped.length} of ${results.length} trials were stopped early`);
console.log(`${trained} epochs instead of ${results.length * epochs}`);
console.log(`look at ${results.path}/report.html`);
