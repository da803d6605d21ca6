"""The benchmark of exports: one table of several models, and what stands already is taken as it is."""

import json
import subprocess

import pytest

from benchmarks import export as module
from benchmarks.export import KEYS, ExportBenchConfig, measure, table
from tests.training.export.test_card import FAILED, ROW, facts
from training.checks import ConfigError
from training.export.facts import versions
from training.run import RunError, processor


def rows_of(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_every_format_of_every_model_is_a_row():
    text = table([facts(formats=[ROW, FAILED]), facts(model=facts()["model"] | {"architecture": "mobilenet_1"})])
    rows = rows_of(text)
    assert [row[:3] for row in rows[2:]] == [
        ["gap\\_cnn on photos", "ONNX", "passed"],
        ["gap\\_cnn on photos", "LiteRT", "**failed**"],
        ["mobilenet\\_1 on photos", "ONNX", "passed"],
    ]
    assert "- gap\\_cnn on photos: 1,234 parameters, compared on all\n" in text
    assert "- gap\\_cnn on photos, LiteRT failed: no \\| such op" in text
    assert f"{processor()}, " in text and f"tensorflow {versions()['tensorflow']}" in text


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "train" / "run-001"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: gap_cnn\n")
    (folder / "model.keras").write_bytes(b"weights")
    return folder


def stand(run, number, **changes):
    """An export of the run."""
    folder = run.parents[1] / "export" / f"run-001-{number:03d}"
    folder.mkdir(parents=True)
    found = facts(
        model=facts()["model"] | {"sha256": module.sha256(run / "model.keras")},
        formats=[ROW | {"format": key} for key in KEYS],
        versions=versions(),
        hardware={"processor": processor(), "cores": 2},
    )
    (folder / "export.json").write_text(json.dumps(found | changes))


def test_an_export_that_stands_is_not_made_again(run, monkeypatch):
    stand(run, 1)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("exported again"))
    text = measure(ExportBenchConfig(runs=(run,), runs_dir=str(run.parents[1])))
    assert len(rows_of(text)) == 2 + len(KEYS)


@pytest.mark.parametrize(
    "changes", [{"versions": {"keras": "2"}}, {"formats": [ROW]}, {"hardware": {"processor": "other", "cores": 1}}]
)
def test_an_export_of_another_kind_is_made_again(run, monkeypatch, changes):
    stand(run, 1, **changes)
    commands = []

    def export(command, **_):
        commands.append(command[2:])
        stand(run, 2)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", export)
    runs = str(run.parents[1])
    assert len(rows_of(measure(ExportBenchConfig(runs=(run,), runs_dir=runs)))) == 2 + len(KEYS)
    assert commands == [["training.export", str(run), "--quantize", "all", "--runs-dir", runs]]


def test_a_run_that_cannot_be_exported_ends_the_benchmark(run, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 2))
    with pytest.raises(RunError, match=r"run-001 was not exported \(exit code 2\)"):
        measure(ExportBenchConfig(runs=(run,), runs_dir=str(run.parents[1])))


def test_settings_that_measure_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="runs must name at least one run"):
        ExportBenchConfig(runs=())
    with pytest.raises(ConfigError, match="output: there is no folder"):
        ExportBenchConfig(runs=(tmp_path,), output=str(tmp_path / "no" / "x.md"))
