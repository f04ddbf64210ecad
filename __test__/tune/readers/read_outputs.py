"""Reads outputs of tuning with pandas, and with TensorBoard's own reader.

    read_outputs.py FOLDER METRIC

FOLDER is an experiment's, METRIC what it goes by; all reports have `eval.loss`. Needs pandas and tensorboard.
Says what it found, and fails where a file can't be read or differs from what the others say.
"""

import json
import math
import pathlib
import sys

import pandas
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2


def read_csv(folder):
    table = pandas.read_csv(folder / "results.csv", dtype={"trialId": str}, keep_default_na=True)
    assert table["eval.loss"].dtype == "float64", table["eval.loss"].dtype
    assert not any(column.endswith(".1") for column in table.columns), list(table.columns)
    print(f"pandas: {len(table)} rows, {len(table.columns)} columns")
    return table


def read_reports(folder):
    lines = (folder / "reports.jsonl").read_text().splitlines()
    reports = [json.loads(line) for line in lines]
    print(f"json: {len(reports)} reports")
    return reports


def read_events(folder, trial_id):
    """Scalars by tag as (step, value), and the data of HParams by tag."""
    accumulator = EventAccumulator(str(folder / "trials" / trial_id)).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    hparams = {}
    for tag, content in accumulator.PluginTagToContent("hparams").items():
        hparams[tag] = plugin_data_pb2.HParamsPluginData.FromString(content)
    return scalars, hparams


def same(one, other):
    if other is None:
        return not math.isfinite(one)
    return math.isclose(one, other, rel_tol=1e-6)


def main(folder, metric):
    table = read_csv(folder)
    reports = read_reports(folder)
    values = 0
    for row in table.itertuples():
        own = [report for report in reports if report["trialId"] == row.trialId]
        scalars, hparams = read_events(folder, row.trialId)
        losses = scalars.get("eval.loss", [])
        assert len(losses) == len(own) == row.iterations, (row.trialId, len(losses), len(own))
        for (step, value), report in zip(losses, own):
            assert step == report["trainingIteration"]
            assert same(value, report["eval"]["loss"]), (value, report["eval"]["loss"])
            values += 1
        start = hparams["_hparams_/session_start_info"].session_start_info
        assert start.group_name == row.trialId
        config = table.loc[row.Index, "config.optimizer.lr"]
        assert start.hparams["optimizer.lr"].number_value == config
        experiment = hparams["_hparams_/experiment"].experiment
        assert [info.name.tag for info in experiment.metric_infos] == [metric]
        assert "optimizer.kind" in [info.name for info in experiment.hparam_infos]
        if row.status in ("TERMINATED", "ERROR"):
            end = hparams["_hparams_/session_end_info"].session_end_info
            assert end.status == (2 if row.status == "ERROR" else 1), end
    print(f"tensorboard: {values} scalars in {len(table)} files equal the reports; HParams equal the configs")


main(pathlib.Path(sys.argv[1]), sys.argv[2])
