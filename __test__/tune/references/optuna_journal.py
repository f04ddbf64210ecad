"""What Optuna itself makes of a journal, and a journal that Optuna itself makes.

For `journal-optuna.test.ts`, which runs it with the Python that the variable OPTUNA_PYTHON names: one of an environment that
has `optuna==5.0.0`.

    optuna_journal.py look FILE NAME   prints the study of a journal as JSON
    optuna_journal.py show FILE NAME   the same, and asks for one more trial, which goes into the journal
    optuna_journal.py make FILE        makes a journal with three studies, and prints their complete trials as JSON
    optuna_journal.py note FILE NAME   adds what others may add: attributes, and a trial
"""

import json
import sys
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
# What Optuna warns of in a distribution of ours is a defect.
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def storage(path):
    return JournalStorage(JournalFileBackend(path))


def iso(time):
    return None if time is None else time.isoformat(timespec="microseconds")


def plain(value):
    return json.loads(json.dumps(value))


def show(path, name):
    shown = look(path, name)
    study = optuna.load_study(study_name=name, storage=storage(path))
    # A sampler has to be able to go on from it.
    return {**shown, "asked": study.ask().number if len(study.directions) == 1 else None}


def look(path, name):
    study = optuna.load_study(study_name=name, storage=storage(path))
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values,
            "params": trial.params,
            "outside": [
                key
                for key, distribution in trial.distributions.items()
                if not distribution._contains(distribution.to_internal_repr(trial.params[key]))
            ],
            "distributions": {
                key: json.loads(distribution_to_json(distribution))
                for key, distribution in trial.distributions.items()
            },
            "intermediate": {str(step): value for step, value in trial.intermediate_values.items()},
            "user": trial.user_attrs,
            "constraints": trial.system_attrs.get("constraints"),
            "own": sorted(key for key in trial.system_attrs if key.startswith("eagleray:")),
            "start": iso(trial.datetime_start),
            "complete": iso(trial.datetime_complete),
        }
        for trial in study.trials
    ]
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    best = None
    # Of trials that break a constraint none is the best.
    feasible = [trial for trial in complete if all(each <= 0 for each in trial.system_attrs.get("constraints") or [])]
    if len(study.directions) == 1 and feasible:
        best = study.best_trial.number
    return {
        "directions": [direction.name for direction in study.directions],
        "metricNames": study.metric_names,
        "trials": trials,
        "best": best,
        "attributes": plain(study.user_attrs),
    }


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("a.n", 1, 64, log=True)
    kind = trial.suggest_categorical("kind", ["a", None, True, 3, 0.5])
    if kind == "a":
        trial.suggest_float("step", 0, 1, step=0.25)
    trial.report(x, 1)
    trial.report(x * 2, 2)
    if trial.number % 7 == 3:
        raise optuna.TrialPruned
    if trial.number % 7 == 4:
        return float("nan")
    if trial.number % 7 == 5:
        return float("inf")
    return x + n


def make(path):
    single = optuna.create_study(
        storage=storage(path), study_name="single", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    single.enqueue_trial({"x": 0.5, "a.n": 8, "kind": "a", "step": 0.75})
    single.optimize(objective, n_trials=30)
    single.add_trial(
        optuna.trial.create_trial(
            params={"kind": 3}, distributions={"kind": CategoricalDistribution(("a", None, True, 3, 0.5))}, value=-1
        )
    )
    single.ask()
    pair = optuna.create_study(
        storage=storage(path), study_name="pair", directions=["minimize", "maximize"], load_if_exists=True
    )
    pair.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=4)
    named = optuna.create_study(storage=storage(path), study_name="named", directions=["minimize", "maximize"])
    named.set_metric_names(["loss", "accuracy"])
    named.optimize(lambda trial: (trial.suggest_int("x", 0, 9), 2.0), n_trials=4)
    named.add_trial(
        optuna.trial.create_trial(
            params={}, distributions={}, values=[1.0, float("inf")], user_attrs={"note": "NaN"}
        )
    )
    return {
        study.study_name: [
            {"config": trial.params, "values": trial.values}
            for trial in study.trials
            if trial.state == TrialState.COMPLETE
        ]
        for study in (single, pair, named)
    }


def note(path, name):
    study = optuna.load_study(study_name=name, storage=storage(path))
    study.set_user_attr("note", "seen")
    study.trials[0].state.is_finished() or study._storage.set_trial_user_attr(
        study.trials[0]._trial_id, "note", "seen, too"
    )
    study.add_trial(
        optuna.trial.create_trial(params={}, distributions={}, state=TrialState.FAIL)
    )
    return len(study.trials)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    print(json.dumps({"look": look, "show": show, "make": make, "note": note}[command](*arguments)))
