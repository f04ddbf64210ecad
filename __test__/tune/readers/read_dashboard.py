"""What optuna-dashboard makes of a journal, as JSON: `read_dashboard.py FILE`. Needs optuna-dashboard and scipy.

The application that its server serves is called directly, so that there is no port to wait for.
"""

import json
import logging
import sys
import warnings
from wsgiref.util import setup_testing_defaults

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna_dashboard import wsgi

logging.disable(logging.CRITICAL)
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def get(application, path):
    environment = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environment)
    status = []
    body = b"".join(application(environment, lambda line, headers, *_: status.append(line)))
    assert status[0].startswith("200"), (path, status, body[:500])
    return body.decode()


def main(path):
    application = wsgi(JournalStorage(JournalFileBackend(path)))
    get(application, "/dashboard")
    [summary] = json.loads(get(application, "/api/studies"))["study_summaries"]
    address = f"studies/{summary['study_id']}"
    study = json.loads(get(application, f"/api/{address}"))
    print(
        json.dumps(
            {
                "name": summary["study_name"],
                "directions": study["directions"],
                "bestTrials": [trial["number"] for trial in study["best_trials"]],
                "trials": [
                    {
                        "number": trial["number"],
                        "state": trial["state"],
                        "values": trial.get("values"),
                        "params": {each["name"]: each["param_external_value"] for each in trial["params"]},
                        "intermediate": {str(each["step"]): each["value"] for each in trial["intermediate_values"]},
                    }
                    for trial in study["trials"]
                ],
                "csvRows": get(application, f"/csv/{summary['study_id']}").count("\n") - 1,
            }
        )
    )


main(sys.argv[1])
