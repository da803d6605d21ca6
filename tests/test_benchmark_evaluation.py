"""The benchmark of the evaluation room runs every part on a few rows, and its variants agree."""

import pytest

from benchmarks import evaluation
from benchmarks.evaluation import EvaluationConfig, Measurement, Variant, measure

TINY = {
    "rows": 2000,
    "class_rows": 150,
    "classes": 4,
    "bootstrap_rows": 200,
    "replicates": 100,
    "csv_rows": 300,
    "repeats": 1,
}


@pytest.mark.parametrize("part", ["a", "b", "c"])
def test_both_variants_of_a_part_agree_and_stand_in_the_table(part, monkeypatch):
    monkeypatch.setattr(evaluation, "_in_a_process", lambda name, config: evaluation.VARIANTS[name].run(config))
    text = measure(EvaluationConfig(part=part, **TINY))
    lines = [line for line in text.splitlines() if line.startswith(f"| ({part})")]
    ours, theirs = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert (ours[1].split(",")[0], theirs[3]) == ("Groundwork", "1.000 (1.000–1.000)")
    assert "cores; Python" in text


def test_a_measurement_comes_from_a_process_of_its_own():
    found = evaluation._in_a_process("b", EvaluationConfig(part="b", **TINY))
    assert found.data == 150 * 8 * (1 + 4) and found.seconds > 0
    assert found.value == pytest.approx(evaluation.VARIANTS["b_sklearn"].run(EvaluationConfig(**TINY)).value, abs=1e-12)


@pytest.mark.slow
def test_the_whole_report_is_measured_with_the_size_of_its_page():
    text = measure(EvaluationConfig(part="d", **TINY))
    assert "(d) CSV of 300 rows" in text and " MB |" in text


def test_variants_that_disagree_stop_the_benchmark(monkeypatch):
    found = {"b": Measurement(1.0, 0, 1, value=0.5), "b_sklearn": Measurement(1.0, 0, 1, value=0.6)}
    monkeypatch.setattr(evaluation, "_in_a_process", lambda name, config: found[name])
    with pytest.raises(RuntimeError, match="b and b_sklearn disagree"):
        measure(EvaluationConfig(part="b", **TINY))


def test_ratios_are_taken_within_each_repeat(monkeypatch):
    seconds = iter([1.0, 4.0, 3.0, 6.0, 2.0, 2.0])
    monkeypatch.setattr(evaluation, "_in_a_process", lambda name, config: Measurement(next(seconds), 300, 100))
    text = measure(EvaluationConfig(part="a", **(TINY | {"repeats": 3})))
    assert "2.00 (1.00–3.00)" in text and "0.500 (0.250–1.000)" in text and "3.0 (3.0–3.0)" in text


def test_a_variant_that_loads_tensorflow_is_refused(monkeypatch, capsys):
    variant = Variant("", "", lambda config: Measurement(1.0, 0, 1))
    monkeypatch.setattr(evaluation, "VARIANTS", {"a": variant})
    monkeypatch.setattr(evaluation, "LOADED_ELSEWHERE", ("json",))
    with pytest.raises(RuntimeError, match="imported \\['json'\\]"):
        evaluation.child("a", "{}")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "a,x"}, "part must name some of a,b,c,d. Received: part='a,x'."),
        ({"rows": 10}, "rows must be at least 100, classes 2, replicates 100 and repeats 1."),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        EvaluationConfig(**arguments)
    assert str(error.value) == message
