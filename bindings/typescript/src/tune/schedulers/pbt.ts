/**
 * Population based training whose configs change at random. Ray's `PopulationBasedTraining`, after Jaderberg et al., "Population Based
 * Training of Neural Networks" (2017).
 */

import { checkOptions, invalid } from '../../option-checks.ts';
import type { Check } from '../../option-checks.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { Objective } from './objective.ts';
import { checkMutations, exploredConfig, filledConfig } from './pbt-mutations.ts';
import type { MutationRules, Mutations } from './pbt-mutations.ts';
import { populationChecks, populationScheduler } from './population.ts';
import type { PopulationOptions } from './population.ts';
import type { Scheduler } from './scheduler.ts';

/** Options of {@link pbt}. Times are in units of `timeAttr`. At least one of `hyperparamMutations` and `customExploreFn` is needed. */
export interface PbtOptions extends PopulationOptions {
  /** No trial is looked at before this time. @default 0 */
  readonly burnInPeriod?: number | undefined;
  /**
   * What configs are changed in, by name and nested as in the config: a list (a neighbour of the current value, or any), a domain (a
   * value near the current one, or any) or a function (the current value times a factor, or a new one). What a config lacks is sampled
   * when its trial is added.
   */
  readonly hyperparamMutations?: Mutations | undefined;
  /** How likely a value is sampled anew instead of changed. @default 0.25 */
  readonly resampleProbability?: number | undefined;
  /** @default [1.2, 0.8] */
  readonly perturbationFactors?: readonly number[] | undefined;
}

const CALL = 'pbt()';

const factors: Check<readonly number[]> = (value, place) => {
  const isList =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((factor) => typeof factor === 'number' && Number.isFinite(factor));
  if (!isList) throw invalid(place, value, 'a list of finite numbers');
  return [...(value as number[])];
};

const CHECKS = {
  ...objectiveChecks,
  ...populationChecks,
  burnInPeriod: numberWithin({ minimum: 0 }),
  hyperparamMutations: checkMutations,
  resampleProbability: numberWithin({ minimum: 0, maximum: 1 }),
  perturbationFactors: factors,
};

/** @throws InvalidArgumentError */
export function pbt(options: PbtOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  if (given.hyperparamMutations === undefined && given.customExploreFn === undefined) {
    const place = { call: CALL, name: 'hyperparamMutations' };
    throw invalid(place, undefined, 'mutations here, or a customExploreFn, or both');
  }
  const rules: MutationRules = {
    mutations: given.hyperparamMutations ?? {},
    resampleProbability: given.resampleProbability ?? 0.25,
    perturbationFactors: given.perturbationFactors ?? [1.2, 0.8],
  };
  return populationScheduler('pbt', given, new Objective(CALL, given), {
    filled: (config, random) => filledConfig(config, rules.mutations, random),
    explored: ({ sourceConfig }, random) => ({
      config: exploredConfig(sourceConfig, rules, random),
    }),
  });
}
