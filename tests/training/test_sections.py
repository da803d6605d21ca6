"""Sections that a run keeps: a report written again has them, whatever became of their pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from evaluation.options import ReportSettings
from evaluation.predictions import Predictions, write_predictions
from evaluation.report.sections import FILE, Section
from training import datasets
from training.config import TrainConfig, to_yaml
from training.evaluate import EvaluateRunConfig, evaluate_run
from training.results import REPORTED, report_run
from training.run import Run, RunError


@pytest.fixture
def run(tmp_path):
    """A finished run with a section, as far as a report needs it; no model was trained."""
    run, config = Run(tmp_path), TrainConfig(model="logistic_regression", dataset="breast_cancer")
    data = datasets.load(config, task="classification")
    run.config.write_text(to_yaml(config))
    versions = dict.fromkeys(("python", "tensorflow", "keras", "scikit-learn"), "1")
    resolved = {"parameters": 31, "batch_size": 32, "precision": "float32"}
    hardware = {"processor": "x", "cores": 2, "gpus": []}
    run.update_record(versions=versions, resolved=resolved, hardware=hardware, data={"digest": data.digest})
    run.predictions.mkdir()
    for name in REPORTED:
        split = data.splits[name]
        score = np.where(split.y == 1, 0.9, 0.2)
        rows = np.column_stack([1 - score, score])
        found = Predictions(split.ids, split.y.astype(np.int64), rows, data.class_names, data.positive)
        write_predictions(run.predictions / f"{name}.csv", found)
    Image.new("RGB", (30, 20)).save(run.path / "map.png")
    section = Section("Features", ["They are good."], [(run.path / "map.png", "a map")], numbers={"share": 0.5})
    report_run(run, config, data, {"test": found}, ReportSettings(replicates=100).options, sections=[section])
    run.write_manifest()
    return run


def again(run):
    return evaluate_run(EvaluateRunConfig(run=str(run.path), replicates=100)).data


def test_a_report_written_again_keeps_the_sections(run):
    assert {FILE, "map.png"} <= set(json.loads(run.manifest.read_text()))
    (section,) = again(run)["sections"]
    assert (section["title"], section["numbers"]) == ("Features", {"share": 0.5})
    assert section["figures"] == [{"file": "figures/section-1-1.png", "alt": "a map", "reason": None}]
    assert (run.report / "figures" / "section-1-1.png").read_bytes() == (run.path / "map.png").read_bytes()


def test_a_missing_picture_costs_the_picture_alone(run):
    (run.path / "map.png").unlink()
    (section,) = again(run)["sections"]
    assert section["paragraphs"] == ["They are good."] and section["figures"][0]["reason"] == "map.png is missing"


@pytest.mark.parametrize("name", ["map.png", FILE])
def test_a_changed_picture_or_file_is_refused(run, name):
    (run.path / name).write_bytes(b"{}")
    with pytest.raises(RunError, match=f"{name} is not the file that the run wrote"):
        again(run)


def test_a_torn_file_without_a_manifest_costs_the_sections_and_is_said(run, capsys):
    (run.path / FILE).write_text("{")
    run.manifest.unlink()
    data = again(run)
    assert data["sections"] == [] and "so the report lacks its sections" in data["notes"][-1]
    assert f"{FILE} is not listed" in capsys.readouterr().err
