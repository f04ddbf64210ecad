/**
 * Population based training: eight networks learn to read digits at once. Every three epochs the worse ones go on from copies of
 * the better ones, with their learning rate and decay changed a little: what is found is a schedule, not a config.
 *
 * Run it: node examples/tune/pbt.ts
 */
import { Tuner, getCheckpoint, loguniform, pbt, report, withParameters } from 'eagleray/tune';
import type { TrialContext } from 'eagleray/tune';
import { accuracy, newNetwork, randomNumbers, readDigits, trainEpoch } from './digits.ts';
import type { Digits, Network } from './digits.ts';

interface State {
  epoch: number;
  network: Network;
}

const hyperparameters = { learningRate: loguniform(1e-4, 1), decay: loguniform(1e-7, 1e-2) };

async function train(
  config: { learningRate: number; decay: number },
  trial: TrialContext,
  { training, heldOut }: { training: Digits; heldOut: Digits },
): Promise<void> {
  const random = randomNumbers(trial.seed + trial.attempt);
  const state = (await getCheckpoint<State>()?.load()) ?? {
    epoch: 0,
    network: newNetwork(16, random),
  };
  while (state.epoch < 15) {
    trainEpoch(state.network, training, config, random);
    state.epoch++;
    // A checkpoint with each report: whoever is better may be copied.
    await report({ accuracy: accuracy(state.network, heldOut) }, { checkpoint: state });
  }
}

const results = await new Tuner(withParameters(train, readDigits()), {
  space: hyperparameters,
  metric: 'accuracy',
  mode: 'max',
  numSamples: 8,
  scheduler: pbt({
    timeAttr: 'trainingIteration',
    perturbationInterval: 3,
    hyperparamMutations: hyperparameters,
  }),
  seed: 1,
  name: 'digits-pbt',
  ifExists: 'overwrite',
}).fit();

const { metrics, configs } = results.best;
console.log(`best accuracy ${metrics['accuracy']}; its schedule was`);
for (const { iteration, config } of configs) {
  console.log(`after epoch ${iteration}: learning rate ${config.learningRate.toPrecision(3)}`);
}
