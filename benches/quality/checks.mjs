// What our searches have to reach, beside whom, on what. `../README.md` says why these.
//
// 1. A verdict rests on figures of the same problem object (`python/problems.py`), with seeds that are given here: the same package
//    gives the same verdict.
// 2. Bounds are constants of this file, and printed beside what was found.

import { basicVariant, cmaes, gp, nsga2, tpe } from 'eagleray/tune';
import { formatNumber } from '../harness/results.mjs';
import { median } from '../harness/measure.mjs';
import { search, searchForRows } from './search.mjs';

/**
 * @typedef {object} Verdict
 * @property {string} must what has to be so
 * @property {string} found what is
 * @property {boolean} isMet
 *
 * @typedef {object} Report
 * @property {string[][]} lines a table, its head first
 * @property {Verdict[]} verdicts
 * @property {unknown} figures all there is, for JSON
 *
 * @typedef {object} Check
 * @property {string} id
 * @property {string} title
 * @property {(python: import('./python.mjs').Python, seedsMax: number) => Promise<Report>} run
 */

/** @type {Check[]} */
export const checks = [
  { id: 'tpe', title: 'TPE and that of Optuna 5 on tables of trained networks', run: checkTpe },
  { id: 'cmaes', title: 'CMA-ES and pycma on functions of bbob', run: checkCmaes },
  { id: 'gp', title: 'GP and TPE, both ours, on the functions of bbob', run: checkGp },
  { id: 'nsga2', title: 'NSGA-II and that of Optuna 5 on ZDT', run: checkNsga2 },
  { id: 'importances', title: 'importances and those of Optuna 5', run: checkImportances },
];

const TPE = { seeds: 30, trials: 100, randomTrials: 200, betterThanRandomMin: 11, level: 0.05 };

async function checkTpe(python, seedsMax) {
  const lines = [
    ['table', 'ours', 'Optuna', 'random, 200 trials', 'p that ours is worse', 'better than random'],
  ];
  const figures = [];
  for (const table of await python.ask('tables')) {
    const { directions } = await python.ask('open', table);
    const ours = [];
    const theirs = [];
    for (let seed = 0; seed < Math.min(TPE.seeds, seedsMax); seed++) {
      ours.push((await search(python, table, tpe(), seed, TPE.trials)).best);
      theirs.push((await python.reference('optuna-tpe', table, seed, TPE.trials)).best);
    }
    const random = await python.ask('expected_of_random', table, TPE.randomTrials);
    const isLess = directions[0] === 'min';
    const isBetter = (value) => (isLess ? value < random : value > random);
    const p = await python.ask('rank_sum', ours, theirs, isLess ? 'greater' : 'less');
    const better = { ours: isBetter(median(ours)), Optuna: isBetter(median(theirs)) };
    figures.push({ table, ours, theirs, random, p, better });
    lines.push([
      table.replace('table/', ''),
      precise(median(ours)),
      precise(median(theirs)),
      precise(random),
      formatNumber(p),
      Object.keys(better)
        .filter((side) => better[side])
        .join(', '),
    ]);
    progress(lines.at(-1));
  }
  const worse = significant(
    figures.map((each) => each.p),
    TPE.level,
  );
  const better = (side) => figures.filter((each) => each.better[side]).length;
  return {
    lines,
    figures,
    verdicts: [
      {
        must: `nowhere worse than Optuna's (one-sided rank-sum test, Holm, ${TPE.level})`,
        found: `${worse.length} of ${figures.length}`,
        isMet: worse.length === 0,
      },
      {
        must: `at ${TPE.trials} trials better than random search at ${TPE.randomTrials} on ${TPE.betterThanRandomMin} tables`,
        found: `${better('ours')} of ${figures.length} (Optuna's: ${better('Optuna')})`,
        isMet: better('ours') >= TPE.betterThanRandomMin,
      },
    ],
  };
}

/** Which of these would be as extreme by chance less often than that, however many there are. Holm, 1979. */
function significant(probabilities, level) {
  const ordered = probabilities.map((p, place) => ({ p, place })).sort((a, b) => a.p - b.p);
  const kept = ordered.findIndex(({ p }, rank) => p > level / (ordered.length - rank));
  return ordered.slice(0, kept === -1 ? ordered.length : kept).map(({ place }) => place);
}

const CMAES = {
  functions: [1, 2, 5, 6, 8, 9, 10, 11, 12, 13, 14],
  instances: 15,
  evaluations: 20_000,
  timesMax: 1.2,
};

async function checkCmaes(python, seedsMax) {
  const lines = [['function', 'ours', 'solved', 'pycma', 'solved', 'without a box', 'solved']];
  const figures = [];
  for (const name of CMAES.functions) {
    const sides = { ours: [], pycma: [], unbounded: [] };
    for (let instance = 1; instance <= Math.min(CMAES.instances, seedsMax); instance++) {
      const problem = `bbob/${name}/${instance}`;
      const ours = await search(python, problem, cmaes(), instance, CMAES.evaluations);
      sides.ours.push(ours.solvedAfter);
      for (const [side, reference] of [
        ['pycma', 'pycma'],
        ['unbounded', 'pycma-unbounded'],
      ]) {
        const found = await python.reference(reference, problem, instance, CMAES.evaluations);
        sides[side].push(found.solvedAfter);
      }
    }
    figures.push({ function: name, ...sides });
    const cells = Object.values(sides).flatMap((counts) => [
      formatCount(medianCount(counts)),
      String(solved(counts)),
    ]);
    lines.push([`f${name}`, ...cells]);
    progress(lines.at(-1));
  }
  const mean = (side) => geometricMean(figures.map((each) => medianCount(each[side])));
  const times = mean('ours') / mean('pycma');
  const total = (side) => figures.reduce((sum, each) => sum + solved(each[side]), 0);
  return {
    lines,
    figures,
    verdicts: [
      {
        must: `at most ${CMAES.timesMax} times the evaluations of pycma (geometric mean of medians)`,
        found: `${formatNumber(mean('ours'))} against ${formatNumber(mean('pycma'))}: ${times.toFixed(2)} times (without a box: ${formatNumber(mean('unbounded'))})`,
        isMet: times <= CMAES.timesMax,
      },
      {
        must: 'solved as often',
        found: `${total('ours')} of ${figures.flatMap((each) => each.ours).length}, pycma ${total('pycma')} (without a box: ${total('unbounded')})`,
        isMet: total('ours') >= total('pycma'),
      },
    ],
  };
}

/** What was not solved took longer than anything. */
function medianCount(counts) {
  return median(counts.map((count) => count ?? Infinity));
}

function solved(counts) {
  return counts.filter((count) => count !== null).length;
}

function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const GP = { functions: 24, instances: 15, evaluations: 50, betterMin: 14 };

async function checkGp(python, seedsMax) {
  const lines = [['function', 'GP', 'TPE', 'better']];
  const figures = [];
  for (let name = 1; name <= GP.functions; name++) {
    const left = { gp: [], tpe: [] };
    for (let instance = 1; instance <= Math.min(GP.instances, seedsMax); instance++) {
      for (const [side, searcher] of Object.entries({ gp, tpe })) {
        const problem = `bbob/${name}/${instance}`;
        const seed = name * 100 + instance;
        const { best } = await search(python, problem, searcher(), seed, GP.evaluations);
        left[side].push(best);
      }
    }
    const isBetter = median(left.gp) < median(left.tpe);
    figures.push({ function: name, ...left, isBetter });
    lines.push([
      `f${name}`,
      formatNumber(median(left.gp)),
      formatNumber(median(left.tpe)),
      isBetter ? 'GP' : 'TPE',
    ]);
    progress(lines.at(-1));
  }
  const better = figures.filter((each) => each.isBetter).length;
  return {
    lines,
    figures,
    verdicts: [
      {
        must: `GP is better than TPE on ${GP.betterMin} functions (medians, ${GP.evaluations} trials)`,
        found: `${better} of ${GP.functions}`,
        isMet: better >= GP.betterMin,
      },
    ],
  };
}

const NSGA2 = { problems: [1, 2, 3], seeds: 10, evaluations: 1000, timesMin: 0.98 };

async function checkNsga2(python, seedsMax) {
  const lines = [['problem', 'ours', 'Optuna', 'part']];
  const figures = [];
  for (const number of NSGA2.problems) {
    const problem = `zdt/${number}`;
    const ours = [];
    const theirs = [];
    for (let seed = 0; seed < Math.min(NSGA2.seeds, seedsMax); seed++) {
      ours.push((await search(python, problem, nsga2(), seed, NSGA2.evaluations)).hypervolume);
      const found = await python.reference('optuna-nsga2', problem, seed, NSGA2.evaluations);
      theirs.push(found.hypervolume);
    }
    const part = median(ours) / median(theirs);
    figures.push({ problem, ours, theirs, part });
    lines.push([`ZDT${number}`, precise(median(ours)), precise(median(theirs)), part.toFixed(3)]);
    progress(lines.at(-1));
  }
  const least = Math.min(...figures.map((each) => each.part));
  return {
    lines,
    figures,
    verdicts: [
      {
        must: `at least ${NSGA2.timesMin} of the hypervolume of Optuna's (medians)`,
        found: least.toFixed(3),
        isMet: least >= NSGA2.timesMin,
      },
    ],
  };
}

const IMPORTANCES = {
  problems: ['formula/numbers', 'formula/mixed'],
  trials: 100,
  seeds: 20,
  distanceMax: 0.05,
  roundingMax: 1e-9,
};

async function checkImportances(python, seedsMax) {
  const lines = [['parameter', 'fANOVA', 'Optuna', 'PED-ANOVA', 'Optuna']];
  const seeds = Math.min(IMPORTANCES.seeds, seedsMax);
  const distances = { fanova: 0, pedAnova: 0 };
  const figures = [];
  for (const problem of IMPORTANCES.problems) {
    const found = await searchForRows(python, problem, basicVariant(), 0, IMPORTANCES.trials);
    const { study, parameters, rows } = found;
    const theirs = await python.ask('importances', parameters, rows, seeds);
    const ours = {
      fanova: study.importances({ evaluator: 'fanova' }),
      pedAnova: study.importances({ evaluator: 'pedAnova' }),
    };
    figures.push({ problem, ours, theirs });
    for (const { name } of parameters) {
      for (const evaluator of Object.keys(distances)) {
        const distance = Math.abs(ours[evaluator][name] - theirs[name][evaluator]);
        distances[evaluator] = Math.max(distances[evaluator], distance);
      }
      lines.push([
        `${problem.replace('formula/', '')}: ${name}`,
        ...Object.keys(distances).flatMap((evaluator) => [
          ours[evaluator][name].toFixed(4),
          theirs[name][evaluator].toFixed(4),
        ]),
      ]);
    }
  }
  return {
    lines,
    figures,
    verdicts: [
      {
        must: `fANOVA within ${IMPORTANCES.distanceMax} of the mean of Optuna's over ${seeds} seeds`,
        found: `at most ${distances.fanova.toFixed(4)} away`,
        isMet: distances.fanova <= IMPORTANCES.distanceMax,
      },
      {
        must: `PED-ANOVA the same but for rounding (${IMPORTANCES.roundingMax})`,
        found: `at most ${distances.pedAnova.toExponential(1)} away`,
        isMet: distances.pedAnova <= IMPORTANCES.roundingMax,
      },
    ],
  };
}

function formatCount(count) {
  return Number.isFinite(count) ? formatNumber(count) : 'not solved';
}

/** Five digits: medians of a table differ in the last ones. */
function precise(value) {
  return String(Number(value.toPrecision(5)));
}

function progress(/** @type {string[]} */ line) {
  console.error(line.join('  '));
}
