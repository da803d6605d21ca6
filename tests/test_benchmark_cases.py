"""The four cases on four data sets: what the table says where the notes' advice wins, loses, or ties."""

from __future__ import annotations

import json

import pytest
import yaml

from benchmarks.cases import SAMPLES, CasesConfig, _group, table, verdict
from training.checks import ConfigError

FIRST = SAMPLES[0]  # the notes: case 1


def case(name: str, correct: int, *, best: bool = False, proposed: bool = False, half: float = 0.05) -> dict:
    accuracy = correct / 100
    limits = {"low": accuracy - half, "high": accuracy + half, "correct": correct, "total": 100}
    return {"case": name, "accuracy": accuracy, "seconds": 12.4, "best": best, "proposed": proposed, **limits}


def test_the_notes_advice_that_wins_is_said_to_win():
    cases = [case("1", 90, best=True, proposed=True), case("2", 70)]
    assert verdict(FIRST, cases) == (
        "hymenoptera: the notes' case 1 is the best. Proposed by the measurement on the training images: 1."
    )


@pytest.mark.parametrize(("half", "more"), [(0.05, "; their intervals overlap"), (0.01, "")])
def test_advice_that_does_not_win_is_said_to_lose_with_the_difference(half, more):
    cases = [case("1", 87, half=half), case("4a", 60, half=half), case("4b", 91, best=True, half=half)]
    found = verdict(FIRST, cases)
    assert found.startswith(f"hymenoptera: case 4b is best, 4.0 points above the notes' case 1{more}. Proposed")
    assert found.endswith("training images: none.")


def test_of_the_fourth_case_the_better_option_counts():
    cases = [case("3", 95), case("4a", 80), case("4b", 95, best=True)]
    assert "the notes' case 4b is the best" in verdict(SAMPLES[3], cases)


def test_a_row_holds_interval_count_seconds_and_marks():
    diverged = case("4a", 0) | {"accuracy": None, "correct": 0, "total": 0}
    text = table([(FIRST, [case("1", 90, best=True, proposed=True), diverged])], 10)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[2][2:] == ["1", "90.0 (85.0 to 95.0)", "90 of 100", "12", "best, proposed, the notes'"]
    assert rows[3][3:5] == ["diverged", "0 of 0"]


def test_cases_that_stand_complete_are_read_and_not_trained_again_unless_by_other_settings(tmp_path, monkeypatch):
    folder = tmp_path / "hymenoptera" / "transfer" / "any-001"
    folder.mkdir(parents=True)
    settings = FIRST.settings | {"epochs": None, "tsne": False}
    (folder / "cases.json").write_text(json.dumps({"cases": [case("1", 90)]}))
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    config = CasesConfig(hymenoptera="nowhere", runs_dir=str(tmp_path))
    assert config.samples == [FIRST] and _group(FIRST, config)[0]["correct"] == 90
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | {"epochs": 3}))
    trained = []
    monkeypatch.setattr("transfer.comparison.allcases.transfer_cases", trained.append)
    with pytest.raises(ConfigError, match="data_dir does not exist: nowhere"):
        _group(FIRST, config)
    with pytest.raises(IndexError):  # the stand-in trained nothing
        _group(FIRST, CasesConfig(hymenoptera=str(tmp_path), runs_dir=str(tmp_path)))
    assert [one.epochs for one in trained] == [None]
