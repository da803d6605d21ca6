"""The labs' framework: claims and their words, options, what is written, kept and made again, and the command."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

import training.labs.__main__ as command
from tests.conftest import ROOT
from training.checks import ConfigError
from training.labs import NAMES, load
from training.labs.drawing import panels, power
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, seeds_of, spread_words
from training.labs.making import folder_of, make, read
from training.labs.page import render_page


@dataclass(frozen=True, kw_only=True)
class PlainParameters(Parameters):
    """Settings.

    Attributes:
        height: What is measured.
        sizes: Two numbers.
    """

    height: float = option(1.0, 0.0, 9.0)
    sizes: tuple[int, ...] = option((1, 2), 1, 5)


def experiment(parameters, seeds):
    if parameters.height == 7:
        raise ZeroDivisionError("seven")
    figure, (ax,) = panels()
    ax.plot([parameters.height] * 2)
    ax.set(xlabel="x", ylabel="y")
    claims = (claim("height of <b>", [parameters.height + seed for seed in seeds], at_least=2),)
    return Findings("It is so.", claims, (Picture("one", "A title", figure, "Look."),), {"infinite": np.inf})


PLAIN = Lab("momentum", "Plain & simple", "First.\n\nSecond.", ("a = b",), PlainParameters, PlainParameters(seeds=2),
            experiment, "--height 2", slip="They say c.")  # fmt: skip


@pytest.fixture
def alone(monkeypatch):
    """The command sees one lab."""
    monkeypatch.setattr(command, "load", lambda name: PLAIN)
    monkeypatch.setattr(command, "NAMES", ("momentum",))
    return PLAIN


def test_a_claim_is_judged_by_the_bounds_that_its_words_name():
    values = [1.0, 2.0, 6.0]
    assert not claim("", values, at_least=1.5).holds
    assert claim("", values, at_least=1.5, of="mean").holds
    low, high = stats.t.interval(0.95, 2, loc=3, scale=stats.sem(values))
    assert not claim("", values, at_least=0, of="interval").holds and low < 0
    assert claim("", values, at_least=low - 1e-9, at_most=high + 1e-9, of="interval").holds
    assert claim("", values, at_least=0, of="interval").on_average
    assert claim("", values, at_least=1.5).expected == "at least 1.5, every seed"
    assert claim("", 3, at_most=4).expected == "at most 4"


def test_a_value_that_is_not_a_number_holds_no_claim():
    for of in ("every", "mean", "interval"):
        assert not claim("", [1.0, float("nan"), 2.0], at_least=0, of=of).holds
    with pytest.raises(ValueError, match="needs values and a bound"):
        claim("", [1.0])


def test_an_option_outside_its_bounds_is_refused_in_one_line():
    with pytest.raises(ConfigError) as error:
        PlainParameters(height=10)
    assert str(error.value) == "height must be between 0 and 9. Received: height=10."
    with pytest.raises(ConfigError, match="sizes must be between 1 and 5. Received: sizes=2, 6."):
        PlainParameters(sizes=(2, 6))
    with pytest.raises(ConfigError, match="seeds must be between 1 and 1000"):
        PlainParameters(seeds=0)


def test_seeds_begin_at_1_and_spreads_are_shown_where_there_are_any():
    assert list(seeds_of(Parameters(seeds=3))) == [1, 2, 3]
    assert spread_words([1.0, 2.0, 3.0]) == "2 ± 1"
    assert spread_words([2.0, 2.0]) == "2"
    assert [power(value) for value in (0.01, 1e-6, 2e-6, 1e5)] == ["0.01", "10⁻⁶", "2×10⁻⁶", "10⁵"]


def test_a_lab_leaves_figures_numbers_and_a_page(tmp_path):
    record, kept = make(PLAIN, PlainParameters(runs_dir=str(tmp_path)))
    folder = tmp_path / "labs" / "momentum"
    assert not kept and {path.name for path in folder.iterdir()} == {"one.png", "one.svg", "numbers.json", "index.html"}
    written = json.loads((folder / "numbers.json").read_text())
    assert written == record and written["numbers"] == {"infinite": None}
    found = written["claims"][0]
    assert (found["mean"], found["n"], found["holds"]) == (4.0, 5, True)
    assert found["spread"] == pytest.approx(np.std([2, 3, 4, 5, 6], ddof=1))
    page = (folder / "index.html").read_text()
    assert "Plain &amp; simple" in page and "height of &lt;b&gt;" in page and "They say c." in page
    assert "http:" not in page and "https:" not in page


def test_a_lab_that_stands_is_kept_until_options_change_or_a_file_is_damaged(tmp_path):
    parameters = PlainParameters(runs_dir=str(tmp_path))
    make(PLAIN, parameters)
    assert make(PLAIN, parameters)[1]
    assert not make(PLAIN, replace(parameters, fresh=True))[1]
    assert not make(PLAIN, replace(parameters, height=2.0))[1]
    (folder_of(str(tmp_path), "momentum") / "one.png").write_bytes(b"torn")
    assert read(folder_of(str(tmp_path), "momentum")) is None
    assert not make(PLAIN, replace(parameters, height=2.0))[1]


def test_the_command_fails_where_a_claim_does_not_hold_by_default_options_only(tmp_path, alone, capsys, monkeypatch):
    options = ["momentum", "--runs-dir", str(tmp_path)]
    assert command.main(options) == 0
    assert command.main([*options, "--height", "0.5"]) == 0
    assert "does not hold here: height of <b>: expected at least 2, every seed" in capsys.readouterr().out
    page = (tmp_path / "labs" / "index.html").read_text()
    assert "Does not hold here." in page and "These are not the defaults." in page
    stricter = replace(PLAIN, experiment=lambda parameters, seeds: experiment(replace(parameters, height=0.5), seeds))
    monkeypatch.setattr(command, "load", lambda name: stricter)
    assert command.main([*options, "--fresh"]) == 1


def test_a_lab_that_fails_is_said_on_the_page_and_made_again(tmp_path, alone, capsys):
    options = ["momentum", "--runs-dir", str(tmp_path)]
    assert command.main([*options, "--height", "7"]) == 1
    assert "failed, ZeroDivisionError: seven (test_labs.py, line" in capsys.readouterr().out
    assert "This lab failed." in (tmp_path / "labs" / "index.html").read_text()
    assert command.main(["--all", "--runs-dir", str(tmp_path)]) == 0
    assert "1 of 1 labs made; 1 of 1 claims hold." in (tmp_path / "labs" / "index.html").read_text()


def test_a_lab_that_stands_starts_no_tensorflow(tmp_path, alone, capsys, monkeypatch):
    options = ["momentum", "--runs-dir", str(tmp_path)]
    assert command.main(options) == 0
    monkeypatch.setattr(command, "import_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    assert command.main(options) == 0
    assert "lab momentum: kept, 1 of 1 claims hold" in capsys.readouterr().out


def test_the_small_form_keeps_what_is_given():
    options = PlainParameters(small=True, height=3.0)
    assert command.smaller(PLAIN, options) == PlainParameters(seeds=2, height=3.0, small=True)


def test_a_page_says_what_is_not_made_yet():
    page = render_page([(PLAIN, None, {})], title="Labs")
    assert "Not made yet: <code>make lab NAME=momentum</code>" in page and "0 of 1 labs made" in page


def test_every_lab_is_listed_and_explained_without_tensorflow():
    code = (
        "import sys, training.labs.__main__ as m; m.main(['--list'])\n"
        "try: m.main(['momentum', '--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "[]" and [line.split()[1] for line in lines[: len(NAMES)]] == list(NAMES)
    assert "cannot be loaded" not in done.stdout and "--beta" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_lab_explains_its_options_and_fits_its_module(name):
    from evaluation.command.settings import describe_settings

    lab = load(name)
    settings = describe_settings(lab.parameters)
    assert lab.name == name and len(settings) > 4
    assert all(setting.text for setting in settings), name
    assert isinstance(lab.small, lab.parameters) and lab.parameters().seeds >= 5
    command.parse_config(lab.parameters, lab.try_it.split(), prog="x", description="")
    assert 5 <= len(lab.theory.strip().splitlines()) <= 16


def test_an_unknown_lab_is_refused_with_the_closest_name():
    with pytest.raises(ConfigError, match="Did you mean momentum?"):
        load("momentun")
