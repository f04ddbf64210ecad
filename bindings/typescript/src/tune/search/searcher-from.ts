/** Makes our own searchers again from what a journal keeps of them. */

import { InvalidArgumentError } from '../../index.ts';
import { basicVariant, grid } from './basic-variant.ts';
import type { Searcher, SearcherDescription } from './searcher.ts';
import { bohb, cmaes, gp, halton, nsga2, sobol, tpe } from './searchers.ts';
import { concurrencyLimiter, repeater } from './wrappers.ts';

type Make = (options: never) => Searcher;

interface Within {
  readonly searcher: SearcherDescription;
}

const MAKERS: Readonly<Record<string, Make>> = {
  basicVariant,
  grid,
  sobol,
  halton,
  tpe,
  cmaes,
  gp,
  nsga2,
  bohb,
  concurrencyLimiter: ({ searcher, ...options }: Within) =>
    concurrencyLimiter(searcherFrom(searcher), options as never),
  repeater: ({ searcher, ...options }: Within) =>
    repeater(searcherFrom(searcher), options as never),
};

/** A searcher that was told nothing, made as the described one was. @throws InvalidArgumentError for what is none of ours */
export function searcherFrom({ name, options }: SearcherDescription): Searcher {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (make === undefined) {
    throw new InvalidArgumentError(
      `there is no searcher ${name}; give the searcher again with restore`,
      { argument: 'search', value: name },
    );
  }
  return make(options as never);
}
