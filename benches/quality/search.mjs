// Our side: a search with the built package's `Study` on a problem that Python has.

import { choice, loguniform, randint, Study, uniform } from 'eagleray/tune';

/**
 * Searches, and returns what the problem has measured.
 *
 * @param {import('./python.mjs').Python} python
 * @param {string} problem
 * @param {import('eagleray/tune').Searcher} searcher
 * @param {number} seed
 * @param {number} trials at most; a problem that is solved ends the search
 */
export async function search(python, problem, searcher, seed, trials) {
  const { study, parameters, metrics } = await openStudy(python, problem, searcher, seed);
  for (let number = 0; number < trials; number++) {
    const trial = study.ask();
    const { results, isSolved } = await python.ask('evaluate', valuesOf(trial, parameters));
    study.tell(trial, Object.fromEntries(metrics.map((name, place) => [name, results[place]])));
    if (isSolved) break;
  }
  return python.ask('close');
}

/** Searches as `search` does, and returns the study, the parameters, and a row `[values, value]` for each trial. */
export async function searchForRows(python, problem, searcher, seed, trials) {
  const { study, parameters, metrics } = await openStudy(python, problem, searcher, seed);
  const rows = [];
  for (let number = 0; number < trials; number++) {
    const trial = study.ask();
    const values = valuesOf(trial, parameters);
    const { results } = await python.ask('evaluate', values);
    study.tell(trial, { [metrics[0]]: results[0] });
    rows.push([values, results[0]]);
  }
  await python.ask('close');
  return { study, parameters, rows };
}

async function openStudy(python, problem, searcher, seed) {
  const { parameters, directions } = await python.ask('open', problem);
  const metrics = directions.map((_, place) => `value${place}`);
  const space = Object.fromEntries(parameters.map((each) => [each.name, domainOf(each)]));
  const isSingle = metrics.length === 1;
  const study = new Study({
    space,
    metric: isSingle ? metrics[0] : metrics,
    mode: isSingle ? directions[0] : directions,
    search: searcher,
    seed,
  });
  return { study, parameters, metrics };
}

function valuesOf(trial, parameters) {
  return parameters.map(({ name }) => trial.config[name]);
}

function domainOf(parameter) {
  const { kind, low, high } = parameter;
  if (kind === 'choice') return choice(parameter.choices);
  if (kind === 'int') return randint(low, high + 1);
  return parameter.log ? loguniform(low, high) : uniform(low, high);
}
