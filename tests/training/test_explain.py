"""The page of `make explain`: whole, resumable, and one line for what cannot be explained."""

import json

import keras
import pytest

from evaluation.explain.errors import ExplainError
from evaluation.explain.page.content import PageFigure, PageSection, section_from, section_json
from evaluation.explain.page.render import SECTIONS, render_page
from training.checks import ConfigError
from training.config import TrainConfig
from training.explain import ExplainConfig, explain_run
from training.run import RunError
from training.train import train

FAST = ("filters", "maps", "boxes")


def small_run(folder, **settings):
    """A short run."""
    config = {"dataset": "digits", "epochs": 1, "batch_size": 256, "verbose": "silent", "precision": "float32"}
    return train(TrainConfig(**{"model": "gap_cnn", "runs_dir": str(folder), **config, **settings})).run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    keras.utils.set_random_seed(1)
    return small_run(tmp_path_factory.mktemp("explain"), snapshots=True, epochs=3)


@pytest.fixture
def few(monkeypatch):
    """Only the parts that take a second."""
    for name in [name for name in SECTIONS if name not in FAST]:
        monkeypatch.delitem(SECTIONS, name)


def test_the_page_holds_every_part_and_refers_to_nothing_outside(run, few):
    text = explain_run(ExplainConfig(run=str(run.path), max_images=40, cases=1)).read_text()
    record = json.loads((run.path / "explain" / "explain.json").read_text())
    assert [one["name"] for one in record["sections"]] == list(FAST)
    assert [one["absent"] for one in record["sections"]] == ["", "", ""]
    assert text.count("How to read it.") == text.count("Its limits.") == 3
    assert "http" not in text.replace("http-equiv", "") and "explain/index.html" in run.manifest.read_text()


def test_a_second_call_keeps_what_stands_and_makes_what_was_torn(run, few, capsys):
    config = ExplainConfig(run=str(run.path), max_images=40, cases=1)
    explain_run(config)
    (run.path / "explain" / "figures" / "boxes-1.png").write_bytes(b"torn")
    capsys.readouterr()
    explain_run(config)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("filters: kept") and lines[1].endswith("maps: kept") and "kept" not in lines[2]


def test_when_the_minutes_are_over_each_call_makes_one_more_part(run, few, capsys):
    config = ExplainConfig(run=str(run.path), max_images=30, cases=1, budget=1e-9)
    pages = []
    for _ in FAST:
        pages.append(explain_run(config).read_text())
    assert ["not made yet" in page for page in pages] == [True, True, False]
    assert [page.count("How to read it.") for page in pages] == [1, 2, 3]
    assert "left out, 1e-09 minutes are over; run it again to go on: maps, boxes\n" in capsys.readouterr().out


def test_what_stood_when_the_process_was_stopped_is_kept(run, few, monkeypatch, capsys):
    config = ExplainConfig(run=str(run.path), max_images=20, cases=1)

    def stop(material):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(SECTIONS, "boxes", stop)
        with pytest.raises(KeyboardInterrupt):
            explain_run(config)
    assert "not made yet" in (run.path / "explain" / "index.html").read_text()
    assert "explain/index.html" in run.manifest.read_text()
    capsys.readouterr()
    explain_run(config)
    assert [line.endswith("kept") for line in capsys.readouterr().out.splitlines()] == [True, True, False]


def test_filters_of_saved_epochs_are_drawn_and_a_torn_one_is_left_out(run, few, capsys):
    saved = run.snapshots / "epoch-002.weights.h5"
    whole = saved.read_bytes()
    saved.write_bytes(b"torn")
    explain_run(ExplainConfig(run=str(run.path), max_images=20, cases=1))
    saved.write_bytes(whole)
    (first, *_) = json.loads((run.path / "explain" / "explain.json").read_text())["sections"]
    assert [one["title"] for one in first["figures"]][1] == "Filters by epoch"
    assert "The run kept the weights of 2 epochs; 2 of them are shown." in first["findings"]
    assert "note: epoch-002.weights.h5 is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layer": "nowhere"}, ExplainError, "nowhere"),
        ({"methods": ("magic",)}, ExplainError, "magic"),
        ({"class_name": "cat"}, ConfigError, "class_name must be one of"),
        ({"images": ("nobody",)}, ConfigError, "ids of the validation split"),
    ],
)
def test_what_does_not_exist_is_named(run, few, settings, error, words):
    with pytest.raises(error, match=words):
        explain_run(ExplainConfig(run=str(run.path), **settings))


def test_a_run_of_a_table_or_without_convolution_or_model_is_refused(tmp_path):
    table = small_run(tmp_path, model="mlp_classifier", dataset="breast_cancer")
    with pytest.raises(ConfigError, match="table"):
        explain_run(ExplainConfig(run=str(table.path)))
    dense = small_run(tmp_path, model="cifar_mlp")
    with pytest.raises(ExplainError, match="no convolution"):
        explain_run(ExplainConfig(run=str(dense.path)))
    dense.model.unlink()
    with pytest.raises(RunError, match="no model.keras"):
        explain_run(ExplainConfig(run=str(dense.path)))


def test_names_are_escaped_and_a_changed_picture_is_not_taken_back():
    section = PageSection("maps", "<b>", "read", "limits", figures=[PageFigure("t", "a", b"\x89PNG")])
    entry, files = section_json(section)
    assert section_from(entry, files) == section
    with pytest.raises(ValueError, match="not the picture"):
        section_from(entry, dict.fromkeys(files, b"other"))
    page = render_page("<script>", "s", [PageSection("x", "X", absent="<i>")], {"run": "<u>"})
    assert "&lt;script&gt;" in page and "<i>" not in page and "<u>" not in page
