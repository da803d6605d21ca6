"""What is finished survives a crash, and belongs to one set of settings."""

from __future__ import annotations

import pytest

from training.checks import ConfigError
from transfer.studies.ledger import Ledger, open_ledger

KEY = {"study": "cuts", "epochs": 3}


def test_rows_are_found_again_under_the_same_settings_only(tmp_path):
    with open_ledger(tmp_path / "new", KEY) as ledger:
        ledger.add("seed 1, base A", {"accuracy": 0.5})
    with open_ledger(tmp_path / "new", KEY) as again, open_ledger(tmp_path / "new", KEY | {"epochs": 4}) as other:
        assert again.rows == {"seed 1, base A": {"accuracy": 0.5}}
        assert other.rows == {}


def test_a_line_that_a_crash_cut_is_dropped_and_written_anew(tmp_path):
    path = tmp_path / "x.jsonl"
    ledger = Ledger(path)
    for name in "ab":
        ledger.add(name, {"accuracy": 0.5})
    path.write_text(path.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    again = Ledger(path)
    assert list(again.rows) == ["a"]
    again.add("b", {"accuracy": 0.7})
    assert Ledger(path).rows == {"a": {"accuracy": 0.5}, "b": {"accuracy": 0.7}}


@pytest.mark.parametrize("line", ["{}", "[1]", "no JSON", '{"name": "a", "row": 3}', ""])
def test_a_line_of_something_else_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_text('{"name": "a", "row": {}}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2 of .* is no finished network"):
        Ledger(path)


def test_a_second_process_is_refused_while_the_first_is_at_it(tmp_path):
    with open_ledger(tmp_path, KEY), pytest.raises(ConfigError, match="another process is at this study"):  # noqa: SIM117
        with open_ledger(tmp_path, KEY):
            pass
    with open_ledger(tmp_path, KEY):
        pass


def test_a_network_is_forgotten_when_its_kept_weights_are_gone_or_damaged(tmp_path):
    ledger, path = Ledger(tmp_path / "x.jsonl"), tmp_path / "weights.npz"
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # SHA-256 of "test"
    path.write_text("test", encoding="utf-8")
    ledger.add("base", {"sha256": digest})
    ledger.forget_without_file("base", path)
    assert "base" in ledger.rows
    path.write_text("tset", encoding="utf-8")
    ledger.forget_without_file("base", path)
    assert "base" not in ledger.rows
