"""Whom our searches are compared with. Each runs on a problem and says nothing: the problem measures.

They have their defaults, and start where ours start. The same seed gives the same search.
"""

import statistics
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

from problems import DIMENSIONS

with warnings.catch_warnings():
    # It can't plot here, and need not.
    warnings.simplefilter("ignore")
    import cma

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def optuna_tpe(problem, seed, trials):
    _run_optuna(problem, optuna.samplers.TPESampler(seed=seed), trials)


def optuna_nsga2(problem, seed, trials):
    _run_optuna(problem, optuna.samplers.NSGAIISampler(seed=seed), trials)


def pycma(problem, seed, trials):
    """In the box, as ours, and with its own way to stay there."""
    _run_pycma(problem, seed, trials, {"bounds": [-5, 5]})


def pycma_unbounded(problem, seed, trials):
    """Without the box."""
    _run_pycma(problem, seed, trials, {})


def importances(parameters, rows, seeds):
    """By parameter: what PED-ANOVA says, and fANOVA in the mean over so many seeds."""
    distributions = {parameter["name"]: _distribution(parameter) for parameter in parameters}
    study = optuna.create_study()
    for values, value in rows:
        params = dict(zip(distributions, values))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    forests = [get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)) for seed in range(seeds)]
    ped_anova = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {
        name: {"fanova": statistics.fmean(forest[name] for forest in forests), "pedAnova": ped_anova[name]}
        for name in distributions
    }


def _run_optuna(problem, sampler, trials):
    distributions = {parameter["name"]: _distribution(parameter) for parameter in problem.parameters}
    directions = ["minimize" if direction == "min" else "maximize" for direction in problem.directions]
    study = optuna.create_study(directions=directions, sampler=sampler)
    for _ in range(trials):
        trial = study.ask(distributions)
        study.tell(trial, problem.evaluate([trial.params[name] for name in distributions]))


def _distribution(parameter):
    match parameter["kind"]:
        case "float":
            return FloatDistribution(parameter["low"], parameter["high"], log=parameter["log"])
        case "int":
            return IntDistribution(parameter["low"], parameter["high"])
        case "choice":
            return CategoricalDistribution(parameter["choices"])
        case other:
            raise ValueError(f"{other} is no kind of parameter")


def _run_pycma(problem, seed, trials, options):
    """With restarts of growing populations. Starts in the middle, a sixth of the range wide, and then anywhere."""
    random = cma.evolution_strategy.np.random.RandomState(seed)
    starts = iter([[0.0] * DIMENSIONS])

    def start():
        return next(starts, None) or random.uniform(-5, 5, DIMENSIONS)

    def left(values):
        return problem.evaluate([float(value) for value in values])[0]

    cma.fmin2(
        left,
        start,
        10 / 6,
        {"maxfevals": trials, "ftarget": 1e-6, "seed": seed, "verbose": -9, "verb_disp": 0, "verb_log": 0} | options,
        restarts=9,
    )


REFERENCES = {
    "optuna-tpe": optuna_tpe,
    "optuna-nsga2": optuna_nsga2,
    "pycma": pycma,
    "pycma-unbounded": pycma_unbounded,
}
