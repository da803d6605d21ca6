"""A whole search in one process, with tiny models: scores, files, errors, and the test split that stays untouched."""

import dataclasses
import json
import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.training.commands import short_report
from tests.training.tuning.searches import table
from training.checks import ConfigError
from training.config import from_yaml
from training.datasets.dataset import Dataset, Split
from training.datasets.decode import DecodeSettings
from training.datasets.files import ImageFiles
from training.interrupt import orderly_end
from training.resume import AlreadyFinished
from training.run import Run, RunError
from training.tuning import conclude as concluding
from training.tuning import runner, session, start, trials
from training.tuning.config import read_settings
from training.tuning.folds import folds_of
from training.tuning.resume import ResumeTuneConfig
from training.tuning.snapshots import Snapshots


class Counted:
    """A split that counts how often its examples or targets are asked for; its size and its names are free."""

    def __init__(self, split: Split) -> None:
        self.split, self.reads = split, 0

    def __len__(self) -> int:
        return len(self.split)

    def __getattr__(self, name: str):
        self.reads += name in ("x", "y")
        return getattr(self.split, name)


def quick(monkeypatch, score=lambda config: config.learning_rate):
    """Replaces a training by a number of its settings, for tests of what surrounds it."""

    class Network:
        count_params = staticmethod(lambda: 7)

    def train_once(config, data, **others):
        return runner.Score(score(config), (score(config),), Network())

    monkeypatch.setattr(runner, "train_once", train_once)
    monkeypatch.setattr(concluding, "train_once", train_once)
    monkeypatch.setattr(trials, "save_network", lambda *others: None)


def test_a_grid_is_searched_and_its_files_tell_what_happened(config, capsys, with_page):
    result = session.tune(dataclasses.replace(config, verbose="line", keep=2))
    rows = table(result.run)
    assert [(row["learning_rate"], row["l2"]) for row in rows] == [
        ("0.01", "0.0"),
        ("0.01", "0.001"),
        ("0.1", "0.0"),
        ("0.1", "0.001"),
    ]
    assert result.why == "exhausted" and {row["status"] for row in rows} == {"completed"}
    assert {row["parameters"] for row in rows} == {"31"} and {row["epochs"] for row in rows} == {"2"}
    kept = {path.parent.name for path in (result.run.path / "checkpoints").glob("*/model.keras")}
    best = sorted(rows, key=lambda row: (-float(row["score"]), int(row["number"])))[:2]
    assert kept == {f"trial-{int(row['number']):04d}" for row in best}
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == (
        "grid search over 2 hyperparameters of logistic_regression on breast_cancer: 4 trials, 2 epochs each"
    )
    assert shown[2].startswith("trial 1 of 4: 0.") and "4 trials, the space holds no further point" in shown[6]
    assert from_yaml(result.run.path / "best.yaml").learning_rate == float(best[0]["learning_rate"])
    assert not list(result.run.path.rglob("*.tmp")) and result.run.read_record()["ended"] == "finished"
    assert set(json.loads(result.run.manifest.read_text())) >= {
        "trials.csv",
        "best.yaml",
        "search.json",
        "space.yaml",
        "report/index.html",
    }


def test_a_trial_scores_what_the_training_of_its_settings_scores(config, monkeypatch):
    from training.train import train

    monkeypatch.setattr("training.finish.report_run", short_report)
    result = session.tune(dataclasses.replace(config, max_trials=1))
    row = table(result.run)[0]
    alone = from_yaml(result.run.path / "best.yaml", seed=int(row["seed"]))
    history = train(alone).history
    assert float(row["score"]) == history["val_accuracy"][int(np.argmin(history["val_loss"]))]


def test_the_same_seed_gives_the_same_table_and_another_seed_another(config, tmp_path, monkeypatch):
    quick(monkeypatch)
    (tmp_path / "space.yaml").write_text("learning_rate: {low: 0.001, high: 0.1, sampling: log}\n")
    tables = [
        table(session.tune(dataclasses.replace(config, algorithm="random", max_trials=5, seed=seed)).run)
        for seed in (0, 0, 3)
    ]
    assert tables[0] == tables[1] and len(tables[0]) == 5
    assert not {row["learning_rate"] for row in tables[0]} & {row["learning_rate"] for row in tables[2]}


def test_the_test_split_is_read_by_the_final_report_only(config, monkeypatch):
    monkeypatch.setattr("training.finish.report_run", short_report)
    load, reads = start.load_data, []

    def counted(settings):
        data = load(settings)
        reads.append(Counted(data.test))
        return dataclasses.replace(data, test=reads[0])

    monkeypatch.setattr(start, "load_data", counted)
    before: list[int] = []
    tested = concluding._tested
    monkeypatch.setattr(concluding, "_tested", lambda *given: before.append(reads[0].reads) or tested(*given))
    result = session.tune(dataclasses.replace(config, max_trials=1, final_seeds=2, finalists=1))
    assert len(reads) == 1 and before == [0] and reads[0].reads > 0
    final = result.conclusion.result
    assert final.path.parent.name == "train" and (final.report / "index.html").is_file()
    written = json.loads((result.run.path / "conclusion.json").read_text())
    assert [one["name"] for one in written["candidates"]] == ["default", written["winner"]]
    assert [len(one["values"]) for one in written["candidates"]] == [2, 2]


def test_a_bad_point_is_recorded_and_the_search_goes_on(config, tmp_path):
    (tmp_path / "space.yaml").write_text("optimizer: [adam]\nmomentum: [0.0, 0.9]\nlearning_rate: [0.01, 1.0e+39]\n")
    result = session.tune(config)
    rows = table(result.run)
    status = {(row["optimizer"], row["momentum"], row["learning_rate"]): (row["status"], row["reason"]) for row in rows}
    assert len(status) == 4 and status["adam", "0.0", "0.01"] == ("completed", "")
    assert status["adam", "0.9", "0.01"] == (
        "failed",
        "momentum belongs to sgd, rmsprop and muon. Received: optimizer=adam, momentum=0.9.",
    )
    assert status["adam", "0.0", "1e+39"][1].startswith("the loss became NaN or infinite in epoch 1")


def test_an_error_of_the_program_stops_the_search_at_once(config, monkeypatch):
    def broken(settings):
        raise TypeError("our own mistake")

    quick(monkeypatch, broken)
    with pytest.raises(TypeError, match="our own mistake") as caught:
        session.tune(config)
    assert "make tune RESUME=" in caught.value.__notes__[0]


def test_a_type_error_of_a_factory_is_an_error_of_the_program(config, monkeypatch):
    def broken(*given, **keywords):
        raise TypeError("unsupported operand")

    monkeypatch.setattr("models.build", broken)
    with pytest.raises(TypeError, match="unsupported operand"):
        session.tune(config)


def test_a_signal_between_two_trainings_is_not_lost():
    with orderly_end() as around:
        with orderly_end() as training:
            os.kill(os.getpid(), signal.SIGTERM)  # in the validation of the last epoch: nothing obeys it any more
            assert training.received == signal.SIGTERM
        assert around.received == signal.SIGTERM
        with orderly_end() as following:
            assert following.received == signal.SIGTERM


def test_folds_of_images_that_stream_go_on_streaming(tmp_path):
    files = ImageFiles([f"{i}.png" for i in range(12)], DecodeSettings((4, 4)), [bytes([i]) * 32 for i in range(12)])
    split = Split(files, np.arange(12) % 2, np.array([f"{i}.png" for i in range(12)]))
    data = Dataset("folder", "image", "classification", split, split, split, ("a", "b"), "0")
    for part in folds_of(data, 3, seed=0):
        assert isinstance(part.train.x, ImageFiles) and list(part.train.x.paths) == list(part.train.ids)
        assert [one[0] for one in part.train.x.hashes] == [int(name.split(".")[0]) for name in part.train.ids]


def test_a_grid_without_end_is_refused_before_anything_is_loaded(config):
    endless = dataclasses.replace(config, space=None)
    with pytest.raises(ConfigError, match=r"a grid over the space of logistic_regression has more than 2,000 points"):
        session.tune(endless)
    assert not list(Path(config.runs_dir).glob("tune/*"))


def test_a_space_where_nothing_works_ends_with_the_reason(config, monkeypatch):
    def broken(settings):
        raise ConfigError("the layers do not fit.")

    quick(monkeypatch, broken)
    with pytest.raises(ConfigError, match="no trial could be trained. the layers do not fit."):
        session.tune(config)


def test_several_seeds_give_a_spread_and_folds_leave_validation_alone(config):
    result = session.tune(dataclasses.replace(config, max_trials=1, seeds=2))
    assert table(result.run)[0]["n"] == "2" and float(table(result.run)[0]["spread"]) >= 0
    data = start.load_data(config.training)
    parts = folds_of(data, 3, seed=0)
    judged = np.concatenate([part.validation.ids for part in parts])
    assert sorted(judged) == sorted(data.train.ids) and len(parts) == 3
    for part in parts:
        assert not set(part.train.ids) & set(part.validation.ids)
        assert abs(np.mean(part.validation.y) - np.mean(data.train.y)) < 0.02
    with pytest.raises(ConfigError, match="folds=400 do not fit the training split"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folds_of(data, 400, seed=0)


def test_a_search_goes_on_with_more_trials_and_nothing_else_changed(config, monkeypatch, capsys):
    quick(monkeypatch)
    first = session.tune(dataclasses.replace(config, max_trials=2))
    with pytest.raises(AlreadyFinished, match="is complete: 2 trials, all trials are done"):
        session.go_on(ResumeTuneConfig(str(first.run.path)))
    with pytest.raises(RunError, match="has begun 2 trials already. Expected at least as many. Received: max_trials=1"):
        session.go_on(ResumeTuneConfig(str(first.run.path), max_trials=1))
    again = session.go_on(ResumeTuneConfig(str(first.run.path), max_trials=4))
    whole = session.tune(config)
    assert table(again.run) == table(whole.run)


def test_what_changes_when_a_search_goes_on_holds_from_then_on(config, monkeypatch, tmp_path):
    quick(monkeypatch)
    first = session.tune(dataclasses.replace(config, max_trials=1))
    run = session.go_on(ResumeTuneConfig(str(first.run.path), max_trials=3, workers=1)).run
    assert read_settings(run.config).max_trials == 3
    run.manifest.unlink()  # as if it had been killed: a plain resume must not ask for one trial again
    assert len(session.go_on(ResumeTuneConfig(str(run.path))).rows) == 3
    text = run.config.read_text()
    run.config.write_text(text.replace("breast_cancer", "npz").replace("data_dir: null", "data_dir: /gone/x.npz"))
    assert read_settings(run.config, for_page=True).max_trials == 3
    with pytest.raises(ConfigError, match="data_dir does not exist: /gone/x.npz"):
        read_settings(run.config)


@pytest.mark.parametrize(("record", "task"), [({}, "train"), ({"task": "transfer"}, "transfer")])
def test_a_run_that_is_no_search_stays_as_it_is(config, tmp_path, record, task):
    run = Run(tmp_path / "runs/train/a-001")
    run.path.mkdir(parents=True)
    run.config.write_text("model: logistic_regression\ndataset: breast_cancer\n")
    run.update_record(ended="interrupted", **record)
    run.manifest.write_text("{}")
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    with pytest.raises(RunError, match=f"is no search but a run of make {task}. .* make {task} RESUME="):
        session.go_on(ResumeTuneConfig(str(run.path)))
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.name in before} == before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config.yaml", "epochs: 2", "epochs: 3", "config.yaml was changed: epochs is 3, and the trials .* had 2"),
        ("config.yaml", "split_seed: 0", "split_seed: 5", "config.yaml was changed: split_seed is 5"),
        ("space.yaml", "0.1", "0.2", "the space of .* was changed since its trials were drawn from it"),
    ],
)
def test_a_changed_search_is_refused(config, monkeypatch, file, old, new, message):
    quick(monkeypatch)
    run = session.tune(dataclasses.replace(config, max_trials=2)).run
    path = run.path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match=message):
        session.go_on(ResumeTuneConfig(str(run.path), max_trials=4))


def test_other_data_is_refused(config, monkeypatch):
    quick(monkeypatch)
    run = session.tune(dataclasses.replace(config, max_trials=2)).run
    load = session.load_data
    monkeypatch.setattr(session, "load_data", lambda settings: dataclasses.replace(load(settings), digest="0" * 64))
    with pytest.raises(RunError, match="the data is not what logistic_regression-breast_cancer-001 was"):
        session.go_on(ResumeTuneConfig(str(run.path), max_trials=4))


def test_a_full_disk_ends_the_search_and_loses_no_finished_trial(config, monkeypatch):
    quick(monkeypatch)
    write, count = Snapshots.write, []

    def full(self, state):
        count.append(1)
        if len(count) == 5:
            raise OSError(28, "No space left on device", "search.json")
        write(self, state)

    monkeypatch.setattr(Snapshots, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        session.tune(config)
    path = caught.value.__notes__[0].split("RESUME=")[1]
    monkeypatch.undo()
    quick(monkeypatch)
    assert len(table(session.go_on(ResumeTuneConfig(path)).run)) == 4


def test_the_space_of_a_model_is_written_in_words(config, monkeypatch):
    quick(monkeypatch)
    result = session.tune(dataclasses.replace(config, space=None, algorithm="random", max_trials=1))
    written = yaml.safe_load((result.run.path / "space.yaml").read_text())
    assert written["momentum"] == {"values": [0.0, 0.5, 0.9], "default": 0.0, "when": {"optimizer": ["sgd", "rmsprop"]}}
    assert written["learning_rate"]["low"] == 1e-4 and written["learning_rate"]["sampling"] == "log"
