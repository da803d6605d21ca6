"""`make reproduce`: a run again, and how far apart the two are."""

import shutil
import sys

import numpy as np
import pytest

from tests.training.commands import short_report
from tests.training.test_train import config_for
from training import reproduce as module
from training import startup
from training.reproduce import Difference, ReproduceConfig, compare, reproduce
from training.run import Run, RunError
from training.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduce")
    images = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1)).astype(np.uint8)
    np.savez(folder / "noise.npz", x_train=images, y_train=np.arange(96) % 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.finish.report_run", short_report)
        yield train(config_for(folder / "noise.npz", folder, epochs=2)).run


def test_a_run_repeats_and_the_command_says_identical(run, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce", str(run.path)])
    code = module.main()
    lines = capsys.readouterr().out.splitlines()
    assert code == 0 and lines[0].endswith("gap_cnn-npz-002:")
    assert lines[1:] == [
        "  weights of the best epoch: identical",
        "  history: identical",
        "  predictions on test: identical",
        "  predictions on validation: identical",
    ]


def test_a_changed_number_is_found_with_its_size(run, tmp_path):
    other = Run(shutil.copytree(run.path, tmp_path / "other"))
    header, first, *rest = other.history.read_text().splitlines()
    values = dict(zip(header.split(","), first.split(","), strict=True))
    values["loss"] = str(float(values["loss"]) + 0.25)
    other.history.write_text("\n".join([header, ",".join(values.values()), *rest]) + "\n")
    found = compare(run, other)
    assert [str(one) for one in found if not one.identical] == ["history: differ by at most 0.25"]


def test_another_count_of_epochs_is_said():
    found = module._numbers("history", [np.zeros(3)], [np.zeros(4)])
    assert found == Difference("history", note="shapes differ: [(3,)] and [(4,)]") and not found.identical


def test_a_run_that_did_not_end_has_nothing_to_compare(run, tmp_path):
    other = Run(shutil.copytree(run.path, tmp_path / "other"))
    other.model.unlink()
    with pytest.raises(RunError, match="did not end: there is nothing to compare with"):
        reproduce(ReproduceConfig(str(other.path)))


def test_other_routines_are_named_as_a_reason(run, monkeypatch):
    recorded = run.read_record()["routines"]
    assert recorded == startup.routines()
    assert not [reason for reason in module._reasons(run) if "routines" in reason]
    monkeypatch.setenv(startup.ONEDNN, "0" if recorded == "oneDNN" else "1")
    (reason,) = [reason for reason in module._reasons(run) if "routines" in reason]
    assert reason.startswith(f"operations were computed by routines of {recorded}, now of {startup.routines()}")
