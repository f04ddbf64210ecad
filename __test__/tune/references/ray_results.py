"""Writes ../results-ray.jsonl: whom Ray's `ExperimentAnalysis.get_best_trial` chooses by each scope, for `../results.test.ts`.

    pip install "ray[tune]==2.60.0" && python ray_results.py

A line for each case: the losses that its trials have reported, and the number of the best one by each scope, for both modes.
"""

import json
import logging
import pathlib
import random
import types

from ray.tune import ExperimentAnalysis
from ray.tune.trainable.metadata import _TrainingRunMetadata

logging.disable(logging.CRITICAL)

SCOPES = ["last", "all", "avg", "last-5-avg", "last-10-avg"]


class Analysis(ExperimentAnalysis):
    """Of trials that have never run."""

    def __init__(self, trials):
        self.trials = trials

    def _validate_metric(self, metric):
        return metric

    def _validate_mode(self, mode):
        return mode


def trial(number, losses):
    metadata = _TrainingRunMetadata(n_steps=[5, 10])
    for step, loss in enumerate(losses, 1):
        metadata.update_metric("loss", loss, step=step)
    return types.SimpleNamespace(number=number, metric_analysis=metadata.metric_analysis)


def case(source):
    rows = [
        [round(source.uniform(-9, 9), 2) for _ in range(source.choice([0, 1, 3, 7, 12]))]
        for _ in range(source.randint(2, 6))
    ]
    if not any(rows):
        return case(source)
    analysis = Analysis([trial(number, losses) for number, losses in enumerate(rows)])
    chosen = {mode: [analysis.get_best_trial("loss", mode, scope).number for scope in SCOPES] for mode in ("min", "max")}
    return {"rows": rows, **chosen}


def main():
    source = random.Random(60)
    lines = [json.dumps(case(source), separators=(",", ":")) for _ in range(100)]
    pathlib.Path(__file__).parents[1].joinpath("results-ray.jsonl").write_text("\n".join(lines) + "\n")


main()
