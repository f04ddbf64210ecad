"""The process of one case on the side of Ray Tune or Optuna: ``python case.py CASE TRIALS``.

The cases have the names and do the work of those in ``benches/ours/tune.mjs``. Each prints one line with its samples, which
``harness/child.mjs`` reads. ``TRIALS`` is how many of 100 trials Ray runs; its time is multiplied.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
import warnings


def tune_100(trials):
    import ray
    from ray import tune

    def do_nothing(config):
        pass

    ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR")
    folder = tempfile.mkdtemp(prefix="eagleray-bench-")
    try:
        tuner = tune.Tuner(
            do_nothing,
            tune_config=tune.TuneConfig(num_samples=trials),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        start = time.perf_counter()
        results = tuner.fit()
        milliseconds = (time.perf_counter() - start) * 1_000
        assert len(results) == trials and not results.errors
    finally:
        ray.shutdown()
        shutil.rmtree(folder)
    return {"tune-100": [milliseconds * 100 / trials]}


def ask_times(sampler, results, dimensions, cycles):
    """How long each ``ask`` takes, with the suggestion of all parameters, after ``results`` results."""
    import numpy
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    names = [f"x{index}" for index in range(dimensions)]
    distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in names}
    random = numpy.random.default_rng(1)
    study = optuna.create_study(direction="minimize", sampler=sampler)

    def loss(params):
        return sum((value - 0.3) ** 2 for value in params.values())

    for _ in range(results):
        params = dict(zip(names, random.random(dimensions).tolist()))
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=loss(params))
        )
    milliseconds = []
    for _ in range(cycles):
        start = time.perf_counter()
        trial = study.ask(distributions)
        milliseconds.append((time.perf_counter() - start) * 1_000)
        study.tell(trial, loss(trial.params))
    return milliseconds


def tune_tpe(_trials):
    import optuna

    sampler = optuna.samplers.TPESampler(seed=1)
    return {"tune-tpe": [statistics.median(ask_times(sampler, 1_000, 20, 50))]}


def tune_gp(_trials):
    import optuna
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sampler = optuna.samplers.GPSampler(seed=1)
    return {"tune-gp": [statistics.mean(ask_times(sampler, 500, 10, 10))]}


CASES = {"tune-100": tune_100, "tune-tpe": tune_tpe, "tune-gp": tune_gp}


if __name__ == "__main__":
    rows = CASES[sys.argv[1]](int(sys.argv[2]))
    print("#result " + json.dumps({"rows": rows}), flush=True)
