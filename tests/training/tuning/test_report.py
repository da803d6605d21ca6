"""The page of a search says what is known and no more; it needs no TensorFlow and no finished search."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.training.tuning.searches import NAMES, conclusion_of, rows_of, write_search
from training.run import RunError
from training.tuning.figures import scale_of, visible
from training.tuning.importance import FEWEST, importances
from training.tuning.report import report_again, write_report
from training.tuning.table import read_table
from training.tuning.verdict import finding


def as_text(rows):
    return [dataclasses.replace(row, point={name: str(value) for name, value in row.point.items()}) for row in rows]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of forty trials with a conclusion, one of which has a name that is no name."""
    rows = rows_of(40)
    rows[-1] = dataclasses.replace(rows[-1], point=dict(rows[-1].point) | {"flip": "<b>x</b>"}, reason="<i>why</i>")
    run = write_search(tmp_path_factory.mktemp("search"), rows, conclusion_of(0.03, 0.01, 0.05))
    return write_report(run)


def test_the_page_has_all_its_parts_and_nothing_from_outside(page):
    text = page.read_text()
    for part in ("comparison", "progress", "importance", "slices", "parallel", "trials", "failed", "details"):
        assert f'<section id="{part}">' in text
    assert text.count("data:image/") == 4 and "http" not in text.replace("http-equiv", "").replace("http://www.w3", "")
    assert "&lt;b&gt;x&lt;/b&gt;" in text and "<b>x</b>" not in text and "<i>why</i>" not in text
    assert 'href="../../../train/cifar_cnn-digits-004/report/index.html"' in text
    assert "the loss became NaN or infinite in epoch 1, step 16." in text


def test_report_json_holds_the_numbers_of_the_page(page):
    numbers = json.loads((page.parent / "report.json").read_text())
    assert numbers["importances"][0]["name"] == "learning_rate" and numbers["importances"][0]["is_clear"]
    assert not any(one["is_clear"] for one in numbers["importances"] if one["name"] in ("dense_units", "flip"))
    assert numbers["importances_explained"] > 0.7 and numbers["conclusion"]["winner"] == "trial 7"


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ((0.03, 0.01, 0.05), "+0.0300, better beyond noise (95% interval +0.0100 to +0.0500)."),
        ((0.03, -0.01, 0.07), "+0.0300, within noise (95% interval −0.0100 to +0.0700)."),
        ((-0.03, -0.05, -0.01), "−0.0300, worse beyond noise (95% interval −0.0500 to −0.0100)."),
        ((0.03, None, None), "+0.0300, and one seed says nothing of noise."),
    ],
)
def test_the_verdict_says_whether_the_best_beats_the_default(gain, words, tmp_path):
    run = write_search(tmp_path, rows_of(5))
    rows, _ = read_table(run.path / "trials.csv")
    from training.tuning.config import read_settings

    said = finding(rows, conclusion_of(*gain), read_settings(run.config))
    assert said.sentences[0].startswith("Trial 7 reaches val_accuracy 0.9800 ± 0.0050 on validation, the default")
    assert said.sentences[0].endswith(words)
    assert said.sentences[1] == "Trial 9 may be as good: +0.0010 (95% interval −0.0040 to +0.0060)."


def test_a_test_set_that_several_winners_read_is_owned_up_to(tmp_path):
    run = write_search(tmp_path, rows_of(12), conclusion_of(0.03, 0.01, 0.05))
    assert "winners were tested" not in write_report(run).read_text()
    run.update_record(final_runs=["a", "b"])
    assert "So far 2 winners were tested" in write_report(run).read_text()


def test_the_page_calls_a_search_by_its_subject(tmp_path):
    run = write_search(tmp_path, rows_of(12))
    assert "<title>Search: cifar_cnn on digits</title>" in write_report(run).read_text()
    run.update_record(subject="head of <vgg16>")
    assert "<title>Search: head of &lt;vgg16&gt;</title>" in write_report(run).read_text()


def test_a_search_at_work_has_a_page_that_warns(tmp_path):
    run = write_search(tmp_path, rows_of(6))
    text = write_report(run).read_text()
    assert "it was not compared with the default" in text and "flatters it" in text
    assert "4 trials with a score are not enough to say which hyperparameters matter" in text
    nothing = write_search(tmp_path / "none", rows_of(2))
    assert "No trial has a score yet; 2 failed." in write_report(nothing).read_text()


def test_what_is_no_search_is_refused_in_one_line(tmp_path):
    with pytest.raises(RunError, match="There is no run at"):
        report_again(str(tmp_path / "nowhere"))
    run = write_search(tmp_path, rows_of(3))
    (run.path / "trials.csv").write_text("number,status\n1,completed\n")
    with pytest.raises(RunError, match="trials.csv cannot be read as a table of trials"):
        report_again(str(run.path))


def test_trials_come_back_from_their_table(tmp_path):
    rows = rows_of(6)
    run = write_search(tmp_path, rows)
    read, names = read_table(run.path / "trials.csv")
    assert read == as_text(rows) and names == list(NAMES)


def test_importances_find_what_made_the_scores_and_stay_silent_otherwise():
    rng = np.random.default_rng(1)
    rows = as_text(rows_of(60, failed=0))
    assert [one.name for one in importances(rows, NAMES).entries if one.is_clear][0] == "learning_rate"
    noise = [dataclasses.replace(row, score=float(rng.normal())) for row in rows]
    assert not any(one.is_clear for one in importances(noise, NAMES).entries)
    assert importances(rows[: FEWEST - 1], NAMES).reason.startswith("19 trials with a score are not enough")
    same = [dataclasses.replace(row, score=0.5) for row in rows]
    assert "nothing to explain" in importances(same, NAMES).reason


def test_scales_place_numbers_by_size_and_choices_side_by_side():
    values = [f"{10.0**power}" for power in range(-4, 4)]
    logarithmic = scale_of("learning_rate", [*values, None])
    assert logarithmic.is_log and np.allclose(logarithmic.places[:-1], np.arange(8) / 7)
    assert np.isnan(logarithmic.places[-1])
    assert scale_of("units", ["500", "64", "128"]).ticks == ((0.0, "64"), (0.5, "128"), (1.0, "500"))
    assert scale_of("flip", ["none", "none"]).places.tolist() == [0.5, 0.5]


def test_far_scores_do_not_flatten_the_others():
    low, high = visible(np.array([0.1, 0.95, 0.96, 0.97, 0.98]))
    assert 0.8 < low < 0.95 and 0.98 < high < 1.0


def test_the_page_loads_no_tensorflow():
    code = "import sys, training.tuning.report, training.tuning.parts; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
